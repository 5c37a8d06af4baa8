"""Losses are compared on the logarithm where that has a meaning, and as they are where it has none."""

from __future__ import annotations

import numpy as np
import pytest

from trainvitals.maths.comparison import comparison_scale


def test_positive_values_become_logarithms():
    level, logarithmic = comparison_scale(np.array([1.0, np.e, np.e**2]))
    assert logarithmic
    assert level == pytest.approx([0.0, 1.0, 2.0])


def test_a_zero_stays_the_smallest_and_finite():
    level, logarithmic = comparison_scale(np.array([0.0, 1e-6, 1.0]))
    assert logarithmic
    assert np.isfinite(level).all()
    assert level[0] < level[1]


@pytest.mark.parametrize("values", [[-1.0, 2.0], [0.0, 0.0], []])
def test_other_values_stay_as_they_are(values):
    level, logarithmic = comparison_scale(np.array(values))
    assert not logarithmic
    assert level.tolist() == values


@pytest.mark.parametrize("value", [1e-320, 1e300])
def test_the_ends_of_the_number_range_stay_finite(value):
    level, _ = comparison_scale(np.array([value, value, 0.0]))
    assert np.isfinite(level).all()
