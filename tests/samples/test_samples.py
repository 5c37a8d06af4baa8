"""The sample logs are what their ``scenario.toml`` says, and are found to be so."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

from trainvitals import diagnose, read_run, read_runs, tags
from trainvitals.model import Severity
from trainvitals.rules.registry import find_rule

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "sample_logs"
NAMES = sorted(path.parent.name for path in SAMPLES.glob("*/scenario.toml"))

# How far a retrained value may lie from the stored one: the text formats store six digits. A training amplifies
# differences of rounding between processors, one in float32 so much that only its first steps can be compared.
RETRAINED_TOLERANCE = 1e-4
FIRST_STEPS = 20


def scenario(name):
    return tomllib.loads((SAMPLES / name / "scenario.toml").read_text(encoding="utf-8"))


def only_run(path):
    runs = list(read_runs([path]))
    assert len(runs) == 1, [run.path for run in runs]
    return runs[0]


@pytest.fixture(scope="module", params=NAMES)
def judged(request):
    return request.param, scenario(request.param)["expected"], diagnose(only_run(SAMPLES / request.param))


def test_there_are_as_many_samples_as_promised():
    assert len(NAMES) >= 8
    assert sum(path.stat().st_size for path in SAMPLES.rglob("*") if path.is_file()) < 1_500_000


@pytest.mark.parametrize("name", NAMES)
def test_a_scenario_says_how_it_was_made_and_what_to_find(name):
    told = scenario(name)
    assert set(told) == {"title", "format", "seed", "command", "made", "expected"}
    assert told["command"] == f"python scripts/make_samples.py {name}"
    expected = told["expected"]
    assert set(expected) <= {"status", "absent", "findings"}
    for finding in expected.get("findings", []):
        assert set(finding) == {"name", "severity", "first_step"}
        Severity(finding["severity"])
    wanted = {finding["name"] for finding in expected.get("findings", [])}
    for rule_name in (*wanted, *expected["absent"]):
        find_rule(rule_name)
    assert not wanted & set(expected["absent"])


def test_nothing_in_the_files_is_damaged(judged):
    _, _, diagnosis = judged
    assert diagnosis.problems == ()


def test_the_status_is_the_expected_one(judged):
    name, expected, diagnosis = judged
    found = [(finding.name, finding.severity.value) for finding in diagnosis.findings]
    assert diagnosis.status == expected["status"], (name, found)


def test_what_must_be_found_is_found_at_its_step(judged):
    _, expected, diagnosis = judged
    found = {finding.name: finding for finding in diagnosis.findings}
    for wanted in expected.get("findings", []):
        assert wanted["name"] in found
        finding = found[wanted["name"]]
        low, high = wanted["first_step"]
        assert finding.severity == wanted["severity"]
        assert finding.first_step is not None
        assert low <= finding.first_step <= high


def test_nothing_else_is_wrong(judged):
    _, expected, diagnosis = judged
    found = {finding.name for finding in diagnosis.findings}
    wanted = {finding["name"] for finding in expected.get("findings", [])}
    alarms = {finding.name for finding in diagnosis.findings if finding.severity is not Severity.INFO}
    assert not found & set(expected["absent"])
    assert alarms <= wanted


def make_samples(*arguments):
    environment = os.environ | {"PYTHONPATH": f"{ROOT / 'monitor'}{os.pathsep}{ROOT / 'hooks'}"}
    command = [sys.executable, ROOT / "scripts" / "make_samples.py", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


@pytest.mark.slow
@pytest.mark.torch
@pytest.mark.parametrize("name", NAMES)
def test_training_again_gives_the_same_log(name, tmp_path):
    assert make_samples("--output", tmp_path, name).returncode == 0
    stored, retrained = only_run(SAMPLES / name), only_run(tmp_path / name)
    is_watched = stored.format == "tensorboard"
    # A probe that is newer than the sample has tags that the sample lacks.
    assert set(stored.series) <= set(retrained.series)
    for tag, series in stored.series.items():
        again = retrained.series[tag]
        np.testing.assert_array_equal(again.step, series.step, err_msg=tag)
        np.testing.assert_array_equal(again.wall_time, series.wall_time, err_msg=tag)
        compared = slice(np.searchsorted(series.step, FIRST_STEPS) if is_watched else None)
        level = np.abs(series.value, where=np.isfinite(series.value), out=np.zeros(len(series))).max()
        np.testing.assert_allclose(
            again.value[compared],
            series.value[compared],
            rtol=RETRAINED_TOLERANCE,
            atol=RETRAINED_TOLERANCE * 1e-2 * level,
            err_msg=tag,
        )
    before, after = diagnose(stored), diagnose(retrained)
    assert after.status == before.status
    assert {finding.name for finding in after.findings} == {finding.name for finding in before.findings}


def test_nothing_of_the_machine_is_in_the_event_files():
    files = sorted(SAMPLES.rglob("*tfevents*"))
    assert {path.name.split(".", 4)[4] for path in files} == {"sample.1.0"}
    for path in files:
        run = read_run(path)
        assert not {tags.MEMORY_BYTES, tags.ACCELERATOR_MEMORY_BYTES} & set(run.series)
        assert not np.any(run.series[tags.OVERHEAD_PERCENT].value)


@pytest.mark.slow
@pytest.mark.torch
def test_the_script_refuses_a_scenario_that_does_not_exist():
    result = make_samples("marathon")
    assert result.returncode == 2
    assert "no scenario marathon; there are: healthy" in result.stderr
