"""The profile along the depth, with layers and records missing."""

from __future__ import annotations

import numpy as np
import pytest

from trainvitals.maths.depth_profile import first_third_over_last, growth_with_depth, row_medians


def test_equal_layers_have_a_share_of_one():
    np.testing.assert_allclose(first_third_over_last(np.full((4, 9), 0.3)), 1.0)


def test_the_share_is_that_of_the_medians_of_the_thirds():
    row = np.array([[1e-6, 1e-5, 9.0, 1.0, 1.0, 1.0, 0.1, 0.1, 5.0]])
    np.testing.assert_allclose(first_third_over_last(row), 1e-4)


def test_zero_is_the_smallest_gradient_and_not_a_missing_one():
    assert first_third_over_last(np.array([[0.0, 1.0, 1.0]]))[0] == pytest.approx(1e-38)


def test_a_record_without_one_of_the_thirds_is_unknown():
    share = first_third_over_last(np.array([[np.nan, 1.0, 1.0], [1.0, np.nan, 1.0]]))
    assert np.isnan(share[0])
    assert share[1] == 1.0


def test_two_layers_are_no_profile():
    with pytest.raises(ValueError, match="3 layers"):
        first_third_over_last(np.ones((5, 2)))


def test_row_medians_skip_what_is_missing():
    np.testing.assert_array_equal(row_medians(np.array([[1.0, np.nan, 3.0], [np.nan] * 3])), [2.0, np.nan])


@pytest.mark.parametrize(("level", "growth"), [([1, 2, 3, 4], 1.0), ([4, 3, 2, 1], -1.0), ([2, 2, 2], 0.0)])
def test_growth_is_a_rank_correlation(level, growth):
    assert growth_with_depth(np.array(level, dtype=np.float64)) == pytest.approx(growth)


def test_unknown_layers_take_no_part_in_the_growth():
    assert growth_with_depth(np.array([1.0, np.nan, 2.0, 3.0])) == pytest.approx(1.0)
    assert growth_with_depth(np.array([1.0, np.nan, 2.0])) == 0.0
