"""A run in a line: where its loss stands, the best validation, and a small curve that hides nothing."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from trainvitals.engine import diagnose
from trainvitals.formats import read_run
from trainvitals.kept.summary import SPARKLINE_VALUES, sparkline, summarise
from trainvitals.model import Run
from trainvitals.samples import sample_logs


def summary_of(**columns: object):
    run = Run.from_columns(columns)  # type: ignore[arg-type]
    return summarise(run, diagnose(run), 0.0)


def test_the_last_and_the_best_loss_of_a_run() -> None:
    step = np.arange(1, 201)
    val = np.where(step % 10 == 0, 1 + (step - 120.0) ** 2 / 1e4, np.nan)
    summary = summary_of(step=step, train_loss=2 / step, val_loss=val)
    assert (summary.last_loss, summary.last_loss_step) == (2 / 200, 200)
    assert (summary.best_val, summary.best_val_step) == (1.0, 120)


def test_a_loss_that_ends_in_nan_says_so() -> None:
    step = np.arange(1, 101)
    summary = summary_of(step=step, train_loss=np.where(step < 90, 2 / step, np.nan))
    assert summary.last_loss is not None
    assert math.isnan(summary.last_loss)
    assert summary.last_loss_step == 100


def test_a_run_without_a_loss_has_none() -> None:
    summary = summary_of(step=np.arange(50), learning_rate=np.full(50, 1e-3))
    assert (summary.last_loss, summary.best_val, summary.sparkline) == (None, None, ())


def test_a_run_with_validation_only_shows_that() -> None:
    step = np.arange(1, 81)
    summary = summary_of(step=step, val_loss=2 / step)
    assert (summary.last_loss, summary.last_loss_step) == (2 / 80, 80)
    assert summary.best_val_step == 80


def test_the_curve_is_that_of_the_loss_that_was_judged() -> None:
    run = read_run(sample_logs() / "overfitting")
    diagnosis = diagnose(run)
    judged = diagnosis.progress.signal
    assert judged is not None
    values = run.series[judged].latest().value
    drawn = summarise(run, diagnosis, 0.0).sparkline
    assert max(drawn) == pytest.approx(float(np.nanmax(values)))
    other = next(tag for tag in (*diagnosis.signals.train_loss, *diagnosis.signals.val_loss.values()) if tag != judged)
    changed = replace(diagnosis, progress=replace(diagnosis.progress, signal=other))
    assert summarise(run, changed, 0.0).sparkline != drawn


def test_a_short_curve_is_drawn_as_it_is() -> None:
    assert sparkline(np.array([3.0, 1.0, 2.0])) == (3.0, 1.0, 2.0)


def test_one_spike_in_a_million_is_drawn() -> None:
    value = np.ones(10**6)
    value[123_456] = 50.0
    assert max(sparkline(value)) == 50.0


def test_one_nan_in_a_million_is_drawn_and_infinity_is_no_value() -> None:
    value = np.ones(10**6)
    value[123_456] = np.nan
    value[654_321] = np.inf
    drawn = sparkline(value)
    assert sum(map(math.isnan, drawn)) == 2
    assert not any(map(math.isinf, drawn))


@given(arrays(np.float64, st.integers(0, 400), elements=st.floats(width=32)))
def test_a_small_curve_has_the_extremes_of_the_large_one(value: np.ndarray) -> None:
    drawn = np.array(sparkline(value))
    assert len(drawn) <= SPARKLINE_VALUES
    finite = value[np.isfinite(value)]
    assert np.isnan(drawn).any() == (len(finite) < len(value))
    if len(finite):
        assert np.nanmax(drawn) == finite.max()
        assert np.isin(drawn[~np.isnan(drawn)], finite).all()
    if len(finite) == len(value) and len(finite):
        assert np.nanmin(drawn) == finite.min()
