"""Two curves are compared at the same place of the run, whatever each of them counts."""

from __future__ import annotations

import numpy as np

from trainvitals.model import Series
from trainvitals.rules.alignment import positions


def series(step, wall_time=None):
    clock = np.full(len(step), np.nan) if wall_time is None else np.asarray(wall_time, dtype=np.float64)
    return Series("x", np.asarray(step, dtype=np.int64), clock, np.zeros(len(step)))


def test_curves_that_end_at_similar_steps_count_the_same():
    first, second = positions(series([100, 200, 300]), series([10, 150, 310]))
    np.testing.assert_array_equal(first, [100, 200, 300])
    np.testing.assert_array_equal(second, [10, 150, 310])


def test_epochs_beside_iterations_meet_on_the_clock():
    first, second = positions(series([1, 2], [50.0, 100.0]), series([0, 4000, 8000], [0.0, 50.0, 100.0]))
    assert first[0] == second[1]
    assert first[1] == second[2]


def test_without_a_clock_each_curve_spans_the_run():
    first, second = positions(series([0, 1, 2]), series([0, 4000, 8000]))
    np.testing.assert_allclose(first, second)


def test_a_curve_of_one_step_has_a_position():
    first, _ = positions(series([3]), series([0, 9000]))
    np.testing.assert_array_equal(first, [0.0])
