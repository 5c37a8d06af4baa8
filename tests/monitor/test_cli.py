"""The command line keeps its contract: what it prints, where, and with which exit status."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from trainvitals.reporters.json_report import schema

Trainvitals = Callable[..., "Outcome"]


@dataclass(frozen=True)
class Outcome:
    status: int
    out: str
    err: str


@pytest.fixture
def trainvitals(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Trainvitals:
    """The command line called in this process, in an empty working folder."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str | Path) -> Outcome:
        from trainvitals.cli import main

        monkeypatch.setattr(sys, "argv", ["trainvitals", *map(str, arguments)])
        try:
            main()
            status = 0
        except SystemExit as exit_:
            status = int(exit_.code or 0)
        captured = capsys.readouterr()
        return Outcome(status, captured.out, captured.err)

    return call


def write_csv(path: Path, columns: dict[str, Sequence[float]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = zip(*columns.values(), strict=True)
    text = "\n".join([",".join(columns), *(",".join(map(str, row)) for row in rows)])
    path.write_text(text + "\n", encoding="utf-8")
    return path


@pytest.fixture
def healthy(tmp_path: Path) -> Path:
    step = np.arange(1, 401) * 10
    noise = 0.003 * np.random.default_rng(0).standard_normal(400)
    return write_csv(tmp_path / "healthy" / "log.csv", {"step": step, "train_loss": 1.5 + 6 * step**-0.35 + noise})


@pytest.fixture
def diverged(tmp_path: Path) -> Path:
    step = np.arange(1, 401) * 10
    noise = 0.003 * np.random.default_rng(0).standard_normal(400)
    loss = np.where(step < 3001, 1.5 + 6 * step**-0.35 + noise, np.nan)
    return write_csv(tmp_path / "diverged" / "log.csv", {"step": step, "train_loss": loss})


def test_a_healthy_run_is_called_healthy(trainvitals: Trainvitals, healthy: Path) -> None:
    outcome = trainvitals("diagnose", healthy)
    assert outcome.status == 0
    assert "● healthy   progressing" in outcome.out
    assert outcome.err == ""


def test_a_diverged_run_is_called_sick_with_the_step(trainvitals: Trainvitals, diverged: Path) -> None:
    outcome = trainvitals("diagnose", diverged)
    assert outcome.status == 0
    assert "● sick   non-finite-loss since step 3,010" in outcome.out


def test_json_fits_the_schema_and_goes_to_a_file(trainvitals: Trainvitals, diverged: Path, tmp_path: Path) -> None:
    outcome = trainvitals("diagnose", diverged.parent, "--format", "json", "--output", tmp_path / "report.json")
    assert (outcome.status, outcome.out) == (0, "")
    document = json.loads((tmp_path / "report.json").read_text())
    jsonschema.validate(document, schema())
    assert document["runs"][0]["status"] == "error"
    assert document["runs"][0]["findings"][0]["name"] == "non-finite-loss"


def test_html_goes_to_a_file_with_the_curve_in_it(trainvitals: Trainvitals, diverged: Path, tmp_path: Path) -> None:
    outcome = trainvitals("diagnose", diverged, "--format", "html", "--output", tmp_path / "report.html")
    assert (outcome.status, outcome.out, outcome.err) == (0, "", "")
    document = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "non-finite-loss since step 3,010" in document
    assert 'class="chart"' in document


def test_html_is_not_written_to_a_terminal(trainvitals: Trainvitals, healthy: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    outcome = trainvitals("diagnose", healthy, "--format", "html")
    assert (outcome.status, outcome.out) == (2, "")
    assert "give --output FILE" in outcome.err


def test_html_without_its_packages_is_one_line_that_says_what_to_install(
    trainvitals: Trainvitals, healthy: Path, monkeypatch: Any
) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    outcome = trainvitals("diagnose", healthy, "--format", "html")
    assert (outcome.status, outcome.out) == (2, "")
    assert outcome.err == "trainvitals: the HTML report needs jinja2 (pip install 'trainvitals[report]')\n"


def test_markdown_is_printed(trainvitals: Trainvitals, healthy: Path, diverged: Path) -> None:
    outcome = trainvitals("diagnose", healthy, diverged, "--format", "markdown")
    assert outcome.status == 0
    assert "| `diverged/log.csv` | ✖ sick | non-finite-loss |" in outcome.out
    assert outcome.err == ""


def test_text_goes_to_a_file_without_escapes(trainvitals: Trainvitals, healthy: Path, tmp_path: Path) -> None:
    assert trainvitals("diagnose", healthy, "--output", tmp_path / "report.txt").out == ""
    text = (tmp_path / "report.txt").read_text(encoding="utf-8")
    assert "healthy" in text
    assert "\x1b" not in text


@pytest.mark.parametrize(
    ("options", "status"),
    [
        ([], 0),
        (["--fail-on", "never"], 0),
        (["--fail-on", "warning"], 1),
        (["--fail-on", "error"], 1),
        (["--fail-on", "warning", "--ignore", "non-finite-loss"], 0),
        (["--fail-on", "warning", "--ignore", "LOS001"], 0),
        (["--fail-on", "warning", "--ignore", "loss"], 0),
        (["--fail-on", "warning", "--select", "plateau"], 0),
        (["--fail-on", "warning", "--select", "LOS"], 1),
    ],
)
def test_the_exit_status_follows_the_findings(
    trainvitals: Trainvitals, diverged: Path, options: list[str], status: int
) -> None:
    assert trainvitals("diagnose", diverged, *options).status == status


def test_an_ignored_finding_is_counted(trainvitals: Trainvitals, diverged: Path) -> None:
    assert "accepted: non-finite-loss" in trainvitals("diagnose", diverged, "--ignore", "non-finite-loss").out


def test_settings_of_the_working_folder_are_used(trainvitals: Trainvitals, diverged: Path, tmp_path: Path) -> None:
    settings = '[[tool.trainvitals.accept]]\nfinding = "non-finite-loss"\nrun = "*diverged*"\nreason = "a drill"\n'
    (tmp_path / "pyproject.toml").write_text(settings)
    outcome = trainvitals("diagnose", diverged, "--fail-on", "warning")
    assert outcome.status == 0
    assert "accepted: non-finite-loss (a drill)" in outcome.out


def test_a_misspelt_setting_is_one_line_and_status_2(trainvitals: Trainvitals, healthy: Path, tmp_path: Path) -> None:
    (tmp_path / "trainvitals.toml").write_text("selct = []\n")
    outcome = trainvitals("diagnose", healthy)
    assert outcome.status == 2
    assert "did you mean 'select'" in outcome.err
    assert outcome.err.count("\n") == 1


def test_the_loss_can_be_told(trainvitals: Trainvitals, tmp_path: Path) -> None:
    step = np.arange(1, 401)
    path = write_csv(tmp_path / "log.csv", {"step": step, "zork": 2 / step, "loss": np.full(400, 7.0)})
    outcome = trainvitals("diagnose", path, "--train-loss", "zork", "--format", "json")
    assert json.loads(outcome.out)["runs"][0]["signals"]["train_loss"] == ["zork"]
    wrong = trainvitals("diagnose", path, "--train-loss", "zorc")
    assert wrong.status == 2
    assert "zork" in wrong.err


def make_empty_folder(folder: Path) -> Path:
    (folder / "empty").mkdir()
    return folder / "empty"


def make_binary(folder: Path) -> Path:
    (folder / "thing.bin").write_bytes(bytes(range(256)) * 20)
    return folder / "thing.bin"


def make_empty_file(folder: Path) -> Path:
    (folder / "log.csv").touch()
    return folder / "log.csv"


def make_unreadable(folder: Path) -> Path:
    path = folder / "secret.csv"
    path.write_text("step,loss\n1,2\n")
    path.chmod(0)
    return path


def make_loop(folder: Path) -> Path:
    (folder / "loop").symlink_to(folder / "loop")
    return folder / "loop"


def make_corrupt_json(folder: Path) -> Path:
    (folder / "trainer_state.json").write_text('{"log_history": [{"step": 1, "lo')
    return folder / "trainer_state.json"


def make_corrupt_csv(folder: Path) -> Path:
    (folder / "log.csv").write_bytes(b'\xff\xfe\x00"broken,\n\x00\x01,,,"\n')
    return folder / "log.csv"


@pytest.mark.parametrize(
    "make",
    [
        lambda folder: folder / "nowhere",
        make_empty_folder,
        make_binary,
        make_empty_file,
        make_unreadable,
        make_loop,
        make_corrupt_json,
        make_corrupt_csv,
    ],
)
def test_bad_input_is_one_line_on_stderr_and_status_2(
    trainvitals: Trainvitals, tmp_path: Path, make: Callable[[Path], Path]
) -> None:
    path = make(tmp_path)
    if path.name == "secret.csv" and os.access(path, os.R_OK):
        pytest.skip("this user may read everything")
    outcome = trainvitals("diagnose", path)
    assert (outcome.status, outcome.out) == (2, "")
    assert outcome.err.startswith("trainvitals: ")
    assert outcome.err.count("\n") == 1
    assert path.name in outcome.err
    assert "Traceback" not in outcome.err


def test_what_can_be_read_is_diagnosed_and_the_rest_told(
    trainvitals: Trainvitals, healthy: Path, tmp_path: Path
) -> None:
    outcome = trainvitals("diagnose", healthy, tmp_path / "nowhere")
    assert outcome.status == 0
    assert "healthy" in outcome.out
    assert outcome.err.count("\n") == 1


def test_a_log_without_a_loss_is_undetermined_and_no_error(trainvitals: Trainvitals, tmp_path: Path) -> None:
    path = write_csv(tmp_path / "metrics.csv", {"epoch": [0, 1], "step": [10, 20], "val_acc": [0.5, 0.6]})
    outcome = trainvitals("diagnose", path)
    assert outcome.status == 0
    assert "cannot tell yet" in outcome.out


def test_ten_thousand_unrelated_files_are_one_line(trainvitals: Trainvitals, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for index in range(10_000):
        (folder / f"img{index}.jpg").touch()
    outcome = trainvitals("diagnose", folder)
    assert outcome.status == 2
    assert outcome.err.count("\n") == 1


def test_no_path_and_an_unknown_option_are_bad_usage(trainvitals: Trainvitals) -> None:
    assert trainvitals("diagnose").status == 2
    assert trainvitals("diagnose", ".", "--frobnicate").status == 2
    assert trainvitals("nonsense").status == 2


def test_two_processes_give_the_same_report_as_one(trainvitals: Trainvitals, healthy: Path, diverged: Path) -> None:
    one = trainvitals("diagnose", healthy, diverged, "--format", "json")
    two = trainvitals("diagnose", healthy, diverged, "--format", "json", "--jobs", "2")
    assert one == two


def test_follow_ends_with_the_report_of_diagnose(trainvitals: Trainvitals, diverged: Path) -> None:
    outcome = trainvitals("follow", diverged, "--until-idle", "0")
    assert (outcome.status, outcome.err) == (0, "")
    assert "opened    error    non-finite-loss since step 3,010 (certain)" in outcome.out
    assert outcome.out.endswith(trainvitals("diagnose", diverged).out)


def test_follow_where_no_run_appears_is_one_line_and_status_2(trainvitals: Trainvitals, tmp_path: Path) -> None:
    outcome = trainvitals("follow", tmp_path / "nowhere", "--until-idle", "0")
    assert outcome.status == 2
    assert outcome.err.count("\n") == 1
    assert "nowhere" in outcome.err


def test_compare_says_what_became_of_a_finding(trainvitals: Trainvitals, diverged: Path, healthy: Path) -> None:
    outcome = trainvitals("compare", diverged, healthy)
    assert (outcome.status, outcome.err) == (0, "")
    assert "resolved  error    non-finite-loss since step 3,010 (certain)" in outcome.out
    document = json.loads(trainvitals("compare", healthy, diverged, "--format", "json").out)
    assert [(each["outcome"], each["after"]["name"]) for each in document["findings"]] == [("new", "non-finite-loss")]


def test_compare_needs_two_readable_runs(trainvitals: Trainvitals, diverged: Path, healthy: Path) -> None:
    for bad in (healthy.parent / "nowhere", healthy.parents[1]):
        outcome = trainvitals("compare", healthy, bad)
        assert outcome.status == 2
        assert outcome.err.count("\n") == 1


def test_signals_shows_how_each_tag_was_understood(trainvitals: Trainvitals, healthy: Path) -> None:
    outcome = trainvitals("signals", healthy)
    assert outcome.status == 0
    row = next(line.split() for line in outcome.out.splitlines() if "train_loss" in line)
    assert row[:6] == ["train_loss", "train_loss", "400", "10", "to", "4,000"]
    assert row[6:], "the reason is missing"


def test_rules_lists_every_rule(trainvitals: Trainvitals) -> None:
    from trainvitals.rules.registry import all_rules

    out = trainvitals("rules").out
    assert all(rule.code in out and rule.name in out for rule in all_rules())


@pytest.mark.parametrize("name", ["plateau", "LOS005", "los005", "Plateau"])
def test_explain_prints_the_page_by_name_or_code(trainvitals: Trainvitals, name: str) -> None:
    outcome = trainvitals("explain", name)
    assert outcome.status == 0
    for heading in ("What it finds", "False alarms", "What to try", "Thresholds"):
        assert heading in outcome.out


def test_explain_of_an_unknown_rule_names_the_closest(trainvitals: Trainvitals) -> None:
    outcome = trainvitals("explain", "platau")
    assert outcome.status == 2
    assert "did you mean plateau" in outcome.err


def test_a_cause_that_no_rule_finds_can_be_explained_too(trainvitals: Trainvitals) -> None:
    page = trainvitals("explain", "Labels-Without-Signal").out
    assert "The targets do not depend on the inputs, so that a constant answer is best." in page
    assert "loss level: start" in page
    assert "never surer than 75 %" in page
    assert "Train on one batch only" in page


def test_help_and_import_load_nothing_heavy() -> None:
    code = (
        "import sys, trainvitals, trainvitals.cli\n"
        "heavy = {'scipy', 'pandas', 'tensorboard', 'torch', 'streamlit', 'plotly', 'rich', 'google'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=_environment())
    assert done.stdout.strip() == "[]"


def test_a_closed_pipe_is_no_error(healthy: Path) -> None:
    command = f'"{sys.executable}" -m trainvitals rules | head -n 1'
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False, env=_environment())
    assert done.stderr == ""


def _environment() -> dict[str, str]:
    import trainvitals as package

    assert package.__file__ is not None
    return {**os.environ, "PYTHONPATH": str(Path(package.__file__).parents[1])}
