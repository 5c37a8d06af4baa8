"""Two curves differ from where they really do, and noise alone makes no difference."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from trainvitals.comparison import compare
from trainvitals.maths.curve_difference import FEWEST_POINTS, MOST_STRETCHES, curve_difference
from trainvitals.synth import healthy_run
from trainvitals.synth.healthy import SHAPES

STEPS = np.arange(1000.0)


def curve(seed: int, *, points: int = 1000, noise: float = 0.02, correlation: float = 0.0):
    rng = np.random.default_rng(seed)
    steps = np.linspace(0, 999, points).round()
    white = noise * rng.standard_normal(points) * np.sqrt(1 - correlation**2)
    shaped = np.empty(points)
    last = 0.0
    for index in range(points):
        last = shaped[index] = correlation * last + white[index]
    return steps, (1.5 + 6 * (steps + 10) ** -0.35) * np.exp(shaped)


@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.8])
@pytest.mark.parametrize("points", [40, 200, 1000])
def test_like_curves_with_other_noise_do_not_differ(points: int, correlation: float) -> None:
    pairs = [
        (
            curve(seed, points=points, correlation=correlation),
            curve(seed + 1000, points=points, correlation=correlation),
        )
        for seed in range(40)
    ]
    found = [curve_difference(*pair) for pair in pairs]
    assert sum(each is not None and each.since_step is not None for each in found) <= 1


@pytest.mark.parametrize("since", [0, 300, 600])
@pytest.mark.parametrize("size", [-0.05, 0.05])
def test_a_difference_is_dated_to_a_stretch(since: int, size: float) -> None:
    steps, values = curve(2)
    changed = np.where(steps >= since, values * (1 + size), values)
    found = curve_difference(curve(1), (steps, changed))
    assert found is not None
    assert found.since_step is not None
    assert abs(found.since_step - since) <= len(steps) / MOST_STRETCHES
    assert found.after / found.before == pytest.approx(1 + size, abs=0.02)


def test_identical_up_to_a_step_is_dated_to_that_step() -> None:
    steps, values = curve(1)
    changed = values.copy()
    changed[412:] *= 0.8
    found = curve_difference((steps, values), (steps, changed))
    assert found is not None
    assert found.since_step == 412


def test_identical_curves_do_not_differ() -> None:
    found = curve_difference(curve(1), curve(1))
    assert found is not None
    assert found.since_step is None
    assert found.before == found.after


def test_a_difference_that_went_away_does_not_last() -> None:
    steps, values = curve(2)
    changed = np.where((steps > 300) & (steps < 600), values * 1.2, values)
    found = curve_difference(curve(1), (steps, changed))
    assert found is not None
    assert found.since_step is None


LATE = 970
"""In the last twentieth of the steps."""


@pytest.mark.parametrize("seed", [1, 2], ids=["same seed", "other seed"])
@pytest.mark.parametrize("blown_up", [np.nan, np.inf, 1e30, 20.0])
@pytest.mark.parametrize("offset", [0.0, -20.0], ids=["positive", "negative"])
def test_a_blow_up_in_the_last_twentieth_is_dated(seed: int, blown_up: float, offset: float) -> None:
    steps, values = curve(seed)
    values = np.where(steps >= LATE, blown_up, values + offset)
    healthy = curve(1)[0], curve(1)[1] + offset
    for pair in ((healthy, (steps, values)), ((steps, values), healthy)):
        found = curve_difference(*pair)
        assert found is not None
        assert found.since_step == LATE


def test_where_a_curve_is_not_finite_its_level_is_not_either() -> None:
    steps, values = curve(2)
    found = curve_difference(curve(1), (steps, np.where(steps >= LATE, np.nan, values)))
    assert found is not None
    assert np.isnan(found.after)
    assert found.before == pytest.approx(curve(1)[1][-50:].mean(), rel=0.01)


def test_a_difference_before_a_loss_that_is_not_finite_keeps_its_date() -> None:
    steps, values = curve(2)
    changed = np.where(steps >= 500, values * 1.2, values)
    changed[LATE:] = np.nan
    found = curve_difference(curve(1), (steps, changed))
    assert found is not None
    assert found.since_step == pytest.approx(500, abs=50)


def test_a_curve_that_is_not_finite_from_its_first_points_on_differs_from_there() -> None:
    steps, values = curve(2)
    found = curve_difference(curve(1), (steps, np.where(steps >= 7, np.nan, values)))
    assert found is not None
    assert found.since_step == 7


@pytest.mark.parametrize("value", [np.nan, 1e30])
def test_a_blow_up_that_is_over_before_the_end_does_not_last(value: float) -> None:
    steps, values = curve(2)
    values[LATE : LATE + 10] = value
    found = curve_difference(curve(1), (steps, values))
    assert found is not None
    assert found.since_step is None


def test_curves_that_both_end_in_values_that_are_not_finite_do_not_differ_by_that() -> None:
    (steps, before), (_, after) = curve(1), curve(2)
    before[LATE:], after[LATE + 10 :] = np.nan, np.inf
    found = curve_difference((steps, before), (steps, after))
    assert found is not None
    assert found.since_step is None


def test_a_few_last_points_that_stand_out_are_no_blow_up() -> None:
    steps, values = curve(2)
    values[-4:] *= 10
    found = curve_difference(curve(1), (steps, values))
    assert found is not None
    assert found.since_step is None


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES)
def test_two_seeds_of_one_training_do_not_part(shape: str) -> None:
    pairs = [[healthy_run(shape, seed=seed, heavy_tails=True).run for seed in (first, first + 1)] for first in range(8)]
    losses = [loss for pair in pairs for loss in compare(*pair).losses]
    assert [loss for loss in losses if loss.difference is None or loss.difference.since_step is not None] == []


def test_a_trifle_is_no_difference_however_long_the_log() -> None:
    steps = np.arange(100_000.0)
    before, after = (2 + 0.1 * np.random.default_rng(seed).standard_normal(100_000) for seed in (1, 2))
    found = curve_difference((steps, before), (steps, after + 0.01))
    assert found is not None
    assert found.since_step is None


def test_only_common_steps_count_whatever_the_intervals() -> None:
    steps, values = curve(1)
    found = curve_difference((steps, values), (steps[::3] + 500, values[::3]))
    assert found is not None
    assert found.points == len([step for step in steps[::3] + 500 if step <= 999])
    assert curve_difference((steps, values), (steps + 2000, values)) is None
    assert curve_difference((steps[:0], values[:0]), (steps, values)) is None


FINITE = st.floats(-1e300, 1e300, allow_nan=False, allow_infinity=False)
ANY = FINITE | st.sampled_from([np.nan, np.inf, -np.inf])


@given(arrays.arrays(float, st.integers(FEWEST_POINTS, 60), elements=FINITE), st.data())
def test_any_finite_values_give_an_answer(values, data) -> None:
    other = data.draw(arrays.arrays(float, len(values), elements=FINITE))
    steps = np.arange(len(values), dtype=float)
    with np.errstate(over="ignore", invalid="ignore"):
        assert curve_difference((steps, values), (steps, other)) is not None


@given(arrays.arrays(float, st.integers(0, 60), elements=ANY), arrays.arrays(float, st.integers(0, 60), elements=ANY))
def test_what_differs_at_the_end_is_told_whatever_the_values(before, after) -> None:
    with np.errstate(over="ignore", invalid="ignore"):
        found = curve_difference(*((np.arange(len(each), dtype=float), each) for each in (before, after)))
    common = min(len(before), len(after))
    if common and np.isfinite(before[common - 1]) != np.isfinite(after[common - 1]):
        assert found is not None
        assert found.since_step is not None
