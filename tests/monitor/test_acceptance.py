"""Accepting a finding adds one entry to the settings that count, and changes no other byte of them."""

from __future__ import annotations

import os
import stat
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainvitals.acceptance import accept, run_pattern, with_acceptance
from trainvitals.config import Acceptance, load_config
from trainvitals.errors import ConfigError

PLATEAU = Acceptance("plateau", "it is the end of the schedule", run="*runs/exp1")

PROJECT = b"""# the project \xc3\xa4
[project]
name = "x"

[tool.trainvitals]
fail-on = "error"  # for CI

[tool.ruff]
line-length = 100
"""


def test_without_settings_a_new_file_says_it_all(tmp_path: Path) -> None:
    file = accept(PLATEAU, tmp_path)
    assert file == tmp_path / "trainvitals.toml"
    assert load_config(file).accepted == (PLATEAU,)
    assert file.read_text() == (
        '[[accept]]\nfinding = "plateau"\nreason = "it is the end of the schedule"\nrun = "*runs/exp1"\n'
    )
    assert list(tmp_path.iterdir()) == [file]


def test_a_new_file_is_as_readable_as_any_other(tmp_path: Path) -> None:
    (tmp_path / "other").touch()
    assert stat.S_IMODE(accept(PLATEAU, tmp_path).stat().st_mode) == stat.S_IMODE((tmp_path / "other").stat().st_mode)


def test_the_settings_that_count_are_those_above_the_folder_too(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_bytes(PROJECT)
    folder = tmp_path / "a" / "b"
    folder.mkdir(parents=True)
    assert accept(PLATEAU, folder) == tmp_path / "pyproject.toml"


def test_every_other_byte_of_a_project_file_stays(tmp_path: Path) -> None:
    project = tmp_path / "pyproject.toml"
    project.write_bytes(PROJECT)
    project.chmod(0o640)
    accept(PLATEAU, tmp_path)
    accept(Acceptance("LOS003", "known", tag="train/*"), tmp_path)
    assert project.read_bytes().startswith(PROJECT)
    config = load_config(project)
    assert config.accepted == (PLATEAU, Acceptance("LOS003", "known", tag="train/*"))
    assert config.fail_on == "error"
    assert stat.S_IMODE(project.stat().st_mode) == 0o640


def test_a_project_file_of_others_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_bytes(b"[project]\nname = 'x'\n")
    assert accept(PLATEAU, tmp_path).name == "trainvitals.toml"
    assert (tmp_path / "pyproject.toml").read_bytes() == b"[project]\nname = 'x'\n"


def test_a_link_to_the_settings_stays_a_link(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "shared.toml").write_text("fail-on = 'error'\n")
    (tmp_path / "trainvitals.toml").symlink_to(kept / "shared.toml")
    accept(PLATEAU, tmp_path)
    assert (tmp_path / "trainvitals.toml").is_symlink()
    assert load_config(kept / "shared.toml").accepted == (PLATEAU,)


def test_a_link_to_a_project_file_gets_the_entry_of_a_project_file(tmp_path: Path) -> None:
    (tmp_path / "kept.toml").write_bytes(PROJECT)
    (tmp_path / "pyproject.toml").symlink_to(tmp_path / "kept.toml")
    accept(PLATEAU, tmp_path)
    assert load_config(tmp_path / "pyproject.toml").accepted == (PLATEAU,)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n\n",
        "# only a remark",
        'ignore = ["plateau"]',
        'ignore = ["plateau"]\r\nfail-on = "error"\r\n',
        '[rules.plateau]\nminimum_gain = 1.0\n\n[[accept]]\nfinding = "a"\nreason = "b"\n\n[rules.a]\nx = 1\n',
        'accept = [{finding = "a", reason = "b"}]\n',
        'accept = [{finding = "a", reason = "]"}, ]  # one\nfail-on = "error"\n',
        'accept = [\n  {finding = "a", reason = "b"},  # accept [this]\n  # and more\n]\n[rules.plateau]\nx = 2\n',
        "accept = []\n",
        'accept = [{finding = "a", reason = "b"} # why\n]',
        '"accept" = [{finding = "a[", reason = """\n]\n"""}]\n',
        "[rules.plateau]\nx = nan\ny = inf\n",
    ],
)
def test_the_entry_is_added_last_and_no_character_is_lost(text: str) -> None:
    new = with_acceptance(text, PLATEAU, file_name="trainvitals.toml")
    before, after = (tomllib.loads(each, parse_float=str) for each in (text, new))
    added = {"finding": "plateau", "reason": PLATEAU.reason, "run": PLATEAU.run}
    assert after.pop("accept") == [*before.pop("accept", []), added]
    assert after == before
    position = next((i for i, (old, now) in enumerate(zip(text, new, strict=False)) if old != now), len(text))
    assert text[:position] == new[:position]
    assert new.endswith(text[position:])
    assert ("\r\n" in text) == ("\r\n" in new)
    assert new.count("\n") - new.count("\r\n") == (0 if "\r\n" in text else new.count("\n"))


def test_settings_in_one_line_are_not_rewritten() -> None:
    text = '[tool]\ntrainvitals = {fail-on = "error"}\n'
    with pytest.raises(ConfigError, match="by hand") as refused:
        with_acceptance(text, PLATEAU, file_name="pyproject.toml")
    assert "finding = " in refused.value.message()


@pytest.mark.parametrize(
    "reason",
    [
        'said "fine"',
        "two\nlines\r\nand\ttabs",
        "back\\slash \\u0041",
        "'''",
        '"""]]\n[rules.plateau]\nminimum_gain = 9',
        '"\n[[accept]]\nfinding = "loss"\nreason = "all',
        "\x00\x1b[31m\x7f",
        "abc\u202edef\u2028",
        "你好 ☃ 🎉",
        " # no remark",
    ],
)
@pytest.mark.parametrize("text", ["", 'accept = [{finding = "a", reason = "b"}]\r\n', "fail-on = 'error'"])
def test_whatever_the_reason_it_is_a_reason(text: str, reason: str) -> None:
    new = with_acceptance(text, Acceptance("plateau", reason), file_name="trainvitals.toml")
    assert tomllib.loads(new)["accept"][-1] == {"finding": "plateau", "reason": reason}
    assert set(tomllib.loads(new)) <= {"accept", "fail-on"}
    assert "\u202e" not in new
    assert "\x1b" not in new


@given(reason=st.text().filter(str.strip), run=st.text(), tag=st.text())
def test_any_text_is_read_back_as_it_was(reason: str, run: str, tag: str) -> None:
    new = with_acceptance("", Acceptance("plateau", reason, tag, run), file_name="trainvitals.toml")
    assert tomllib.loads(new)["accept"] == [{"finding": "plateau", "reason": reason, "tag": tag, "run": run}]


def test_half_a_character_is_refused() -> None:
    with pytest.raises(ConfigError):
        with_acceptance("", Acceptance("plateau", "\ud800"), file_name="trainvitals.toml")


@pytest.mark.parametrize(("finding", "reason"), [("plateau", ""), ("plateau", " \n"), ("", "fine")])
def test_an_entry_without_a_reason_is_not_written(tmp_path: Path, finding: str, reason: str) -> None:
    with pytest.raises(ConfigError, match="reason"):
        accept(Acceptance(finding, reason), tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("text", ["accept = 3\n", "[[accept]\n", "unknown = 1\n"])
def test_settings_that_cannot_be_understood_stay_as_they_are(tmp_path: Path, text: str) -> None:
    file = tmp_path / "trainvitals.toml"
    file.write_text(text)
    with pytest.raises(ConfigError):
        accept(PLATEAU, tmp_path)
    assert file.read_text() == text
    assert list(tmp_path.iterdir()) == [file]


def test_a_write_protected_file_is_refused_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "trainvitals.toml"
    file.write_text("fail-on = 'error'\n")
    # Whoever runs the tests as root may write everything.
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(ConfigError, match="write-protected"):
        accept(PLATEAU, tmp_path)
    assert file.read_text() == "fail-on = 'error'\n"
    assert list(tmp_path.iterdir()) == [file]


def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "trainvitals.toml"
    file.write_text("fail-on = 'error'\n")

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ConfigError, match="No space left on device"):
        accept(PLATEAU, tmp_path)
    assert file.read_text() == "fail-on = 'error'\n"
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("there_before", [True, False])
def test_what_somebody_else_writes_meanwhile_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there_before: bool
) -> None:
    file = tmp_path / "trainvitals.toml"
    if there_before:
        file.write_text("fail-on = 'error'\n")
    monkeypatch.setattr(os, "fsync", lambda handle: file.write_text("purge = 'step'\n"))
    with pytest.raises(ConfigError, match="just changed"):
        accept(PLATEAU, tmp_path)
    assert file.read_text() == "purge = 'step'\n"
    assert list(tmp_path.iterdir()) == [file]


def test_a_folder_that_is_gone_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is the folder writable"):
        accept(PLATEAU, tmp_path / "gone")


def test_a_run_is_known_from_whichever_folder_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "runs" / "exp[1]*"
    folder.mkdir(parents=True)
    acceptance = Acceptance("plateau", "fine", run=run_pattern(str(folder), "exp[1]*"))
    for path in (str(folder), "runs/exp[1]*", "../x/runs/exp[1]*"):
        assert acceptance.covers(names=["plateau"], tags=[], run_names=["exp[1]*", path])
    for path in ("runs/exp1", "runs/exp[1]b", "other/exp[1]*", "otherruns/exp[1]*", "runs/exp[1]*/version_0"):
        assert not acceptance.covers(names=["plateau"], tags=[], run_names=[path])
    monkeypatch.chdir(tmp_path)
    assert run_pattern("runs/exp[1]*", "exp[1]*") == acceptance.run


def test_one_of_several_runs_in_a_folder_is_known_by_its_id(tmp_path: Path) -> None:
    folder = tmp_path / "exp"
    folder.mkdir()
    acceptance = Acceptance("plateau", "fine", run=run_pattern(str(folder), "results-2"))
    assert acceptance.covers(names=["plateau"], tags=[], run_names=["exp/results-2", str(folder)])
    assert not acceptance.covers(names=["plateau"], tags=[], run_names=["exp/results-1", str(folder)])
