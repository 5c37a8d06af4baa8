"""A turn is dated, sized, and told from noise and from a saw-tooth."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainvitals.maths.turning_point import turning_point, turning_points

X = np.linspace(0.0, 1.0, 200)
VALLEY = np.abs(X - 0.3)


def test_the_bottom_of_a_valley_is_found_within_a_block():
    turn = turning_point(VALLEY)
    assert turn.best_index == pytest.approx(60, abs=1)
    assert turn.rise == pytest.approx(0.6, abs=0.12)
    assert turn.blocks_after == pytest.approx(14, abs=1)


def test_a_curve_that_only_falls_has_no_rise():
    turn = turning_point(np.exp(-3 * X))
    assert turn.rise <= 0
    assert turn.healed_rise == 0


def test_one_lucky_value_is_not_the_best():
    lucky = 1.0 - X
    lucky[50] = -5.0
    assert turning_point(lucky).blocks_after == 1


def test_one_lucky_block_is_not_the_best_level():
    few = np.array([1.0, 0.8, 0.7, 0.1, 0.69, 0.68, 0.67, 0.66, 0.65, 0.64])
    assert turning_point(few).best_level == pytest.approx(0.65, abs=0.01)


def test_a_saw_tooth_has_healed_as_much_as_it_rises():
    turn = turning_point((X * 3.99) % 1.0)
    assert turn.healed_rise > 0.5 * turn.rise


def test_white_noise_has_its_own_standard_deviation():
    rng = np.random.default_rng(0)
    turn = turning_point(rng.normal(0.0, 1.0, 2000))
    assert turn.noise == pytest.approx(0.1, rel=0.4)  # blocks of a hundred


def test_few_blocks_must_rise_more():
    few, many = turning_point(VALLEY[::33]), turning_point(VALLEY)
    assert few.score_needed(4.0, 0.005) > many.score_needed(4.0, 0.005) == 4.0


def test_a_best_within_the_first_blocks_stands_out_in_a_beginning():
    early = np.abs(X - 0.02).clip(max=0.2)
    whole, *beginnings = turning_points(early)
    assert whole.rise < 0.18
    assert max(turn.rise for turn in beginnings) == pytest.approx(0.2, abs=0.015)
    assert min(abs(turn.best_index - 4) for turn in beginnings) <= 1
    assert {turn.end_level for turn in beginnings} == {whole.end_level}


def test_a_beginning_whose_best_is_undercut_has_no_turn_of_its_own():
    assert len(list(turning_points(VALLEY))) == 1


def test_fewer_than_five_values_are_refused():
    with pytest.raises(ValueError, match="needs 5 values"):
        turning_point(np.ones(4))


@given(st.lists(st.floats(-1e6, 1e6), min_size=5, max_size=60))
def test_the_best_index_points_into_the_curve_and_parts_are_ordered(values):
    turn = turning_point(np.array(values))
    assert 0 <= turn.best_index < len(values)
    assert turn.low_end <= turn.rise + 1e-9
    assert turn.healed_rise >= 0
