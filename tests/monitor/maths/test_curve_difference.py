"""Two curves differ from where they really do, and noise alone makes no difference."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from trainvitals.maths.curve_difference import FEWEST_POINTS, MOST_STRETCHES, curve_difference

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


@given(arrays.arrays(float, st.integers(FEWEST_POINTS, 60), elements=FINITE), st.data())
def test_any_finite_values_give_an_answer(values, data) -> None:
    other = data.draw(arrays.arrays(float, len(values), elements=FINITE))
    steps = np.arange(len(values), dtype=float)
    with np.errstate(over="ignore", invalid="ignore"):
        assert curve_difference((steps, values), (steps, other)) is not None
