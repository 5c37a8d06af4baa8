"""The example plugin keeps the contract, is found by its entry point alone, and its rule works."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
from trainvitals_long_pause import LongPause

from trainvitals import Run, check_rule
from trainvitals.model import Series
from trainvitals.rules.rule import NotEnough
from trainvitals.signals import understand
from trainvitals.view import RunView

ROOT = Path(__file__).resolve().parents[2]
PLUGIN = ROOT / "examples" / "plugin"


def view(gaps_s):
    wall_time = np.cumsum(np.asarray(gaps_s, dtype=np.float64))
    step = np.arange(len(wall_time))
    series = Series("train/loss", step, wall_time, 3.0 / (1.0 + step))
    run = Run(id="run", path="", name="run", format="columns", series={"train/loss": series})
    return RunView(run, understand(run))


def findings(gaps_s):
    rule = LongPause()
    measurement = rule.measure(view(gaps_s))
    assert not isinstance(measurement, NotEnough)
    return rule.judge(measurement, rule.limits({}))


def test_the_rule_keeps_the_contract():
    check_rule(LongPause)


def test_a_pause_is_found_where_it_is():
    (finding,) = findings([1.0] * 60 + [400.0] + [1.0] * 60)
    assert finding.first_step == 60
    assert "400 s before step 60" in finding.summary


def test_a_slow_validation_is_no_pause():
    assert findings(([1.0] * 10 + [30.0]) * 10) == []


def test_without_time_it_says_what_is_missing():
    assert LongPause().measure(view([np.nan] * 50)) == NotEnough(
        ("wall time",), how="log with a format that stores the time, such as event files"
    )


@pytest.mark.slow
def test_an_installed_plugin_is_found_by_its_entry_point(tmp_path):
    project = tomllib.loads((PLUGIN / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    installed = tmp_path / "trainvitals_long_pause-0.1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: 0.1.0\n")
    entries = project["entry-points"]["trainvitals.rules"]
    lines = ["[trainvitals.rules]", *(f"{name} = {target}" for name, target in entries.items())]
    (installed / "entry_points.txt").write_text("\n".join(lines) + "\n")
    code = "from trainvitals.rules.registry import all_rules; print(*(rule.name for rule in all_rules()), sep='\\n')"
    path = os.pathsep.join(map(str, (tmp_path, PLUGIN, ROOT / "monitor")))
    result = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True, check=True
    )
    assert "long-pause" in result.stdout.splitlines()
