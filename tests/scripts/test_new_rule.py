"""The scaffold for a new rule writes what the contract then guides to completion, and overwrites nothing."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def copy(tmp_path):
    """A copy of what the script reads and writes."""
    shutil.copytree(ROOT / "monitor", tmp_path / "monitor", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "scripts").mkdir()
    shutil.copy(ROOT / "scripts" / "new_rule.py", tmp_path / "scripts")
    return tmp_path


def python(copy, *arguments):
    environment = os.environ | {"PYTHONPATH": str(copy / "monitor")}
    return subprocess.run(
        [sys.executable, *arguments], cwd=copy, env=environment, capture_output=True, text=True, check=False
    )


def new_rule(copy, *arguments):
    return python(copy, "scripts/new_rule.py", *arguments)


def registered(copy):
    registry = (copy / "monitor/trainvitals/rules/registry.py").read_text(encoding="utf-8")
    return re.findall(r'^    \("([\w.]+)", "\w+"\),$', registry, re.M)


def check(copy, module, cls):
    code = f"from trainvitals import check_rule; from trainvitals.rules.{module} import {cls}; check_rule({cls})"
    return python(copy, "-c", code)


def test_a_rule_a_test_and_a_registry_line_are_written(copy):
    before = registered(copy)
    result = new_rule(copy, "GRD907", "saturated-gates")
    assert result.returncode == 0, result.stderr
    assert (copy / "tests/monitor/rules/gradients/test_saturated_gates.py").is_file()
    last_of_family = max(index for index, module in enumerate(before) if module.startswith("gradients."))
    expected = [*before[: last_of_family + 1], "gradients.saturated_gates", *before[last_of_family + 1 :]]
    assert registered(copy) == expected
    assert "pytest tests/monitor/rules/gradients/test_saturated_gates.py" in result.stdout


def test_a_family_without_rules_gets_its_folder(copy):
    assert new_rule(copy, "NUM901", "loss-scale-stuck").returncode == 0
    assert (copy / "monitor/trainvitals/rules/numerics/__init__.py").is_file()
    assert "numerics.loss_scale_stuck" in registered(copy)


@pytest.mark.slow
def test_the_contract_leads_from_the_scaffold_to_a_complete_rule(copy):
    new_rule(copy, "GRD907", "saturated-gates")
    rule = copy / "monitor/trainvitals/rules/gradients/saturated_gates.py"

    def complaint():
        return check(copy, "gradients.saturated_gates", "SaturatedGates").stderr.strip().splitlines()[-1:]

    def complete(old, new):
        source = rule.read_text(encoding="utf-8")
        assert old in source
        rule.write_text(source.replace(old, new), encoding="utf-8")

    assert "summary is empty" in complaint()[0]
    complete('summary = ""', 'summary = "gates are shut"')
    assert "say what to try" in complaint()[0]
    complete("interventions = ()", 'interventions = ("open-the-gates",)')
    assert "lacks the section 'What it finds'" in complaint()[0]
    complete("----\n", "----\n    Something.\n")
    assert "needs a reason and a source" in complaint()[0]
    complete('reason="", source=""', 'reason="r", source="s"')
    assert "NotImplementedError" in complaint()[0]
    complete("raise NotImplementedError", "return 0.0")
    assert complaint() == []


@pytest.mark.parametrize(
    ("code", "name", "complaint"),
    [
        ("LOS005", "brand-new", "LOS005 is taken by plateau; the next free code is LOS"),
        ("LOS950", "plateau", "plateau is taken by LOS005"),
        ("XYZ001", "brand-new", "is not a family"),
        ("GRD7", "brand-new", "is not a family"),
        ("GRD907", "Brand_New", "not in kebab case"),
    ],
)
def test_what_is_taken_or_malformed_is_refused_and_nothing_written(copy, code, name, complaint):
    before = {path: path.read_bytes() for path in (copy / "monitor").rglob("*.py")}
    result = new_rule(copy, code, name)
    assert result.returncode == 2
    assert complaint in result.stderr
    assert {path: path.read_bytes() for path in (copy / "monitor").rglob("*.py")} == before
