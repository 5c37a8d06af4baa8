"""A change of a level comes with an interval that the noise on both sides allows."""

from __future__ import annotations

import numpy as np
import pytest

from trainvitals.maths.level_change import FEWEST_POINTS, level_change


def test_too_few_points_on_either_side_give_no_change() -> None:
    few, enough = np.ones(FEWEST_POINTS - 1), np.ones(FEWEST_POINTS)
    assert level_change(few, enough) is None
    assert level_change(enough, few) is None
    assert level_change(enough, enough) is not None


def test_the_interval_covers_no_change_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(500):
        change = level_change(rng.standard_normal(40), rng.standard_normal(40))
        assert change is not None
        covered += change.low <= 0 <= change.high
    assert 0.86 <= covered / 500 <= 0.99


def test_a_real_change_is_outside_of_it() -> None:
    rng = np.random.default_rng(1)
    change = level_change(rng.standard_normal(50), 3.0 + rng.standard_normal(50))
    assert change is not None
    assert change.low > 1.5
    assert change.change == pytest.approx(3.0, abs=0.7)


def test_correlated_noise_widens_it() -> None:
    rng = np.random.default_rng(2)
    white = rng.standard_normal(400)
    slow = np.convolve(rng.standard_normal(449), np.ones(50) / 50**0.5, mode="valid")
    wide, narrow = level_change(slow, slow), level_change(white, white)
    assert wide is not None
    assert narrow is not None
    assert wide.half_width > 2 * narrow.half_width
