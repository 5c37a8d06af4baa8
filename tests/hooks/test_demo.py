"""The demo keeps its promise: what goes wrong is found, and the run that follows the advice is healthy."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from trainvitals import demo
from trainvitals.cli import cli
from trainvitals.errors import ConfigError
from trainvitals_hooks.demo.registry import SCENARIOS

ROOT = Path(__file__).resolve().parents[2]
SEEDS = (0, 1, 2)

PLAY = """
import sys
from rich.console import Console
from trainvitals import demo
from trainvitals_hooks.demo.registry import SCENARIOS

console = Console(width=120, markup=False, highlight=False, emoji=False)
sys.exit(not demo.play(SCENARIOS[sys.argv[1]], console, seed=int(sys.argv[2])))
"""


@pytest.fixture
def played(tmp_path, monkeypatch):
    """Plays a scenario in an empty folder, and gives what it printed.

    In a process of its own, as it is run by a person: memory is recorded too, and that of a process which ran a
    thousand other tests before grows for their reasons.
    """
    monkeypatch.chdir(tmp_path)

    def play(name, seed):
        path = os.pathsep.join(str(ROOT / folder) for folder in ("monitor", "hooks"))
        command = [sys.executable, "-c", PLAY, name, str(seed)]
        environment = os.environ | {"PYTHONPATH": path}
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return play


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", SCENARIOS)
def test_what_goes_wrong_is_found_and_the_advice_mends_it(name, seed, played, tmp_path):
    text = played(name, seed)
    # A schedule that ends with the run stays as information; too few data explain why they are learnt by heart.
    found = f"({name}|limited-diversity)" if name == "overfitting" else name
    assert re.search(rf"resolved +(error|warning) +{found}|better +info +{found}", text)
    assert {path.name for path in (tmp_path / "runs" / "demo" / name).iterdir()} == {"sick", "mended"}


@pytest.mark.slow
def test_played_again_it_leaves_the_runs_of_before_alone(played, tmp_path):
    first = played("parameters-not-updated", 0)
    files = {path: path.read_bytes() for path in tmp_path.rglob("*tfevents*")}
    assert played("parameters-not-updated", 0).count("resolved") == first.count("resolved")
    assert {path: path.read_bytes() for path in files} == files
    assert len(list(tmp_path.rglob("*tfevents*"))) == 2 * len(files) == 4


def test_a_scenario_that_does_not_exist_is_refused_with_those_that_do():
    with pytest.raises(ConfigError, match=r"no scenario 'marathon' \(there are: vanishing-gradients, "):
        demo.find_scenario("marathon")
    assert demo.find_scenario(None) is next(iter(SCENARIOS.values()))


def test_the_help_names_every_scenario():
    words = re.split(r"[\s,.]+", CliRunner().invoke(cli, ["demo", "--help"]).output)
    assert set(SCENARIOS) <= set(words)


def test_without_torch_one_line_says_what_to_do():
    code = "import sys; sys.modules['torch'] = None; from trainvitals.cli import main; sys.argv[1:] = ['demo']; main()"
    environment = os.environ | {"PYTHONPATH": f"{ROOT / 'monitor'}{os.pathsep}{ROOT / 'hooks'}"}
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment)
    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    assert "the demo trains a model and needs torch (pip install 'trainvitals[torch]'; without it:" in result.stderr
