"""How the app starts: installed or not, from any folder, with the safe options, open to nobody else."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from itertools import pairwise
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.app.logs import OF_THE_CHECKOUT, until
from tests.browser.server import ROOT, free_port, serving

from trainvitals.cli import cli
from trainvitals.errors import ConfigError, MissingExtraError
from trainvitals_app.serving import launch

PATIENCE_S = 120


def option(name):
    arguments = launch.arguments([], port=None, browser=True)
    return [value for flag, value in pairwise(arguments) if flag == f"--{name}"]


def test_the_command_starts_the_server_with_every_safe_option_before_the_paths():
    arguments = launch.arguments(["a", "--b"], port=8123, browser=False)
    assert arguments[:2] == ["run", str(launch.SCRIPT)]
    assert arguments[-3:] == ["--", "a", "--b"]
    assert option("server.address") == ["127.0.0.1"]
    assert option("server.allowedHosts") == ["localhost", "127.0.0.1"]
    assert option("browser.gatherUsageStats") == ["false"]
    assert option("client.showErrorDetails") == ["none"]
    assert arguments[arguments.index("--server.port") + 1] == "8123"
    assert arguments[arguments.index("--server.headless") + 1] == "true"
    assert launch.SCRIPT.is_file()
    assert not (launch.SCRIPT.parent / "pages").exists()


def test_who_names_another_address_in_the_environment_gets_it(monkeypatch):
    monkeypatch.setenv("STREAMLIT_SERVER_ADDRESS", "0.0.0.0")
    assert option("server.address") == []
    assert option("server.enableCORS") == ["true"]


def test_a_checkout_has_the_same_options():
    config = tomllib.loads((ROOT / "app" / ".streamlit" / "config.toml").read_text())
    flat = {}
    for section, content in config.items():
        for name, value in content.items():
            parts = value.items() if isinstance(value, dict) else [(None, value)]
            for inner, each in parts:
                key = ".".join(filter(None, (section, name, inner)))
                flat[key] = tuple(each) if isinstance(each, list) else each
    assert flat == launch.OPTIONS


def test_the_command_hands_over_what_it_was_given(monkeypatch):
    called = []
    monkeypatch.setattr(launch, "launch", lambda paths, **options: called.append((paths, options)))
    result = CliRunner().invoke(cli, ["app", "a", "b", "--port", "8123", "--no-browser"])
    assert result.exit_code == 0, result.output
    assert called == [(("a", "b"), {"port": 8123, "browser": False})]


def test_without_streamlit_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setattr(launch, "find_spec", lambda name: None if name == "streamlit" else object())
    with pytest.raises(MissingExtraError, match=r"needs streamlit .*trainvitals\[app\]"):
        launch.launch([])


def test_settings_that_cannot_be_understood_are_told_before_a_server_starts(tmp_path, monkeypatch):
    (tmp_path / "trainvitals.toml").write_text("selekt = 1")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="selekt"):
        launch.launch([str(tmp_path)])


def test_asking_for_help_loads_no_streamlit():
    program = "import sys; from trainvitals.cli import cli; cli.main(['app', '--help'], standalone_mode=False)"
    program += "; sys.exit('streamlit' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True, env=OF_THE_CHECKOUT, timeout=PATIENCE_S)


def drawn(script: Path, cwd: Path, python_path: str = "", *paths: str) -> str:
    """What the app says when another process draws it, and where it and its samples were found."""
    program = f"""
import sys
from streamlit import config
from streamlit.testing.v1 import AppTest
sys.argv = ["main.py", *{list(paths)!r}]
config.set_option("server.address", "127.0.0.1")
at = AppTest.from_file({str(script)!r}, default_timeout={PATIENCE_S}).run()
assert not at.exception, at.exception
import trainvitals, trainvitals_app
print(trainvitals.__file__, trainvitals_app.__file__)
print(*(part.value for part in [*at.markdown, *at.info]), sep="\\n")
"""
    environment = os.environ | {"PYTHONPATH": python_path}
    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=cwd, env=environment, capture_output=True, text=True, timeout=PATIENCE_S
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


@pytest.mark.slow
def test_a_checkout_works_where_nothing_is_installed_and_from_any_folder(tmp_path):
    checkout = tmp_path / "checkout"
    for name in ("monitor", "hooks", "app", "sample_logs"):
        shutil.copytree(ROOT / name, checkout / name, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "elsewhere").mkdir()
    said = drawn(checkout / "app" / "main.py", tmp_path / "elsewhere")
    where, app_where = said.splitlines()[0].split()
    assert where.startswith(str(checkout / "monitor"))
    assert app_where.startswith(str(checkout / "app"))
    assert "Sample runs" in said


@pytest.mark.slow
def test_what_the_wheel_holds_is_enough(tmp_path):
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    for source, target in wheel["sources"].items():
        assert source in wheel["only-include"]
        shutil.copytree(ROOT / source, tmp_path / "site" / target, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "elsewhere").mkdir()
    site = tmp_path / "site"
    said = drawn(site / launch.SCRIPT.relative_to(ROOT / "app"), tmp_path / "elsewhere", str(site))
    assert all(where.startswith(str(site)) for where in said.splitlines()[0].split())
    assert "Sample runs" in said


@pytest.mark.slow
def test_a_path_after_the_dashes_is_shown(tmp_path):
    said = drawn(ROOT / "app" / "main.py", tmp_path, "", "here")
    assert f"{tmp_path / 'here'}" in said


def listening(port: int) -> set[str]:
    """The addresses that somebody listens on at a port, as the kernel writes them."""
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            local, state = line.split()[1], line.split()[3]
            address, _, at = local.rpartition(":")
            if int(at, 16) == port and state == "0A":
                found.add(address)
    return found


LOOPBACK = {"0100007F"}


@pytest.mark.slow
def test_plain_streamlit_from_another_folder_listens_to_this_machine_only(tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / ".streamlit").mkdir()
    (elsewhere / ".streamlit" / "config.toml").write_text('[server]\naddress = "0.0.0.0"\n')
    with serving(cache=tmp_path / "cache", cwd=elsewhere) as address:
        assert listening(int(address.rpartition(":")[2])) == LOOPBACK


@pytest.mark.slow
def test_the_command_listens_to_this_machine_only_and_ends_when_told(tmp_path):
    port = free_port()
    command = [sys.executable, "-m", "trainvitals", "app", str(tmp_path), "--port", str(port), "--no-browser"]
    log = tmp_path / "log"
    with log.open("wb") as output:
        server = subprocess.Popen(command, cwd=tmp_path, env=OF_THE_CHECKOUT, stdout=output, stderr=subprocess.STDOUT)
    try:
        until(lambda: listening(port) != set() or server.poll() is not None)
        assert listening(port) == LOOPBACK, log.read_text()
    finally:
        server.terminate()
        assert server.wait(PATIENCE_S) in (0, -15), log.read_text()
