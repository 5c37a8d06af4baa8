"""What is saved of a run holds what was logged, and has a name that every file system takes."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from trainvitals import Run, diagnose, read_run
from trainvitals.model import Series
from trainvitals.reporters.markdown_report import render_markdown
from trainvitals.signals import understand
from trainvitals_app.parts.exports import EXPORTS, file_name, losses_csv
from trainvitals_app.runs.open_runs import Snapshot


def test_the_losses_and_nothing_else_are_saved_as_they_were_logged() -> None:
    steps = np.arange(5)
    value = np.array([0.1, np.nan, np.inf, 1 / 3, 1e-300])
    series = {tag: Series(tag, steps, steps + 0.25, value) for tag in ("train/loss", "val/loss", "grad_norm/a")}
    run = Run("run", "", "run", "columns", series)
    rows = list(csv.DictReader(io.StringIO(losses_csv(run, understand(run)).decode())))
    told = [float(row["value"]) for row in rows if row["tag"] == "train/loss"]
    np.testing.assert_array_equal(told, value)
    assert {row["tag"] for row in rows} == {"train/loss", "val/loss"}


@pytest.mark.parametrize(
    ("run_id", "name"),
    [("runs/exp 1", "runs-exp-1"), ("../../etc/passwd", "etc-passwd"), ("\u202e\x00", "run"), ("a" * 300, "a" * 80)],
)
def test_a_file_is_named_after_its_run(run_id: str, name: str) -> None:
    assert file_name(replace(Run("", "", "", "columns", {}), id=run_id)) == name


def test_the_reports_are_those_of_the_command_line(root: Path) -> None:
    run = read_run(root / "sample_logs" / "overfitting")
    diagnosis = diagnose(run)
    shown = Snapshot(run, understand(run), diagnosis, (), 0.0, 1)
    html, markdown, _ = (export.content(shown) for export in EXPORTS)
    assert isinstance(html, str)
    assert html.lstrip().lower().startswith("<!doctype html>")
    assert "overfitting" in html
    assert markdown == render_markdown([diagnosis])
