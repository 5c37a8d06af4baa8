"""Injected events begin where they say, leave what was before untouched, and are the same for the same seed."""

from __future__ import annotations

import numpy as np
import pytest
from benchmarks.injected_events import outcome
from benchmarks.injection import EVENTS, Curve

POINTS = 400
STEP = 50 + 25 * np.arange(POINTS)
LOSS = (1.0 + 3.0 * (1.0 + np.arange(POINTS) / 30.0) ** -0.5) * np.exp(
    0.005 * np.random.default_rng(0).standard_normal(POINTS)
)
CURVE = Curve("made", STEP, LOSS)
ONSET = 171
REPLAYED = ("restart from a checkpoint", "restart from the first step")


@pytest.mark.parametrize("kind", [kind for kind in EVENTS if kind not in REPLAYED])
def test_an_event_changes_the_loss_from_its_onset_on_and_not_before(kind):
    log = EVENTS[kind].inject(CURVE, ONSET, np.random.default_rng(1))
    changed = np.flatnonzero(log.columns["loss"] != LOSS)
    assert changed[0] == ONSET
    assert log.onsets == (STEP[ONSET],)


@pytest.mark.parametrize("kind", REPLAYED)
def test_a_restart_goes_back_once_and_reaches_the_end(kind):
    log = EVENTS[kind].inject(CURVE, ONSET, np.random.default_rng(1))
    (back,) = np.flatnonzero(np.diff(log.columns["step"]) < 0)
    assert log.onsets == (log.columns["step"][back], log.columns["step"][back + 1])
    assert log.columns["step"][-1] == STEP[-1]
    assert np.array_equal(log.columns["loss"][: back + 1], LOSS[: back + 1])


@pytest.mark.parametrize("kind", EVENTS)
def test_the_same_seed_gives_the_same_case_and_every_kind_is_found_on_an_easy_curve(kind):
    first, second = (outcome(kind, EVENTS[kind], CURVE, seed=3) for _ in range(2))
    assert first == second
    assert first is not None
    assert first.found
    assert first.beside == ()


def test_a_freeze_of_a_flat_curve_is_no_case():
    flat = Curve("flat", STEP, 1.0 + 0.01 * np.random.default_rng(0).standard_normal(POINTS))
    assert outcome("freeze", EVENTS["freeze"], flat, seed=3) is None
