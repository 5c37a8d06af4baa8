"""What is sent to the browser is short, and shows what it should."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from trainvitals.figures.line_traces import compact

PIXELS = 4000


@given(arrays(np.float64, st.integers(0, 30), elements=st.floats(allow_infinity=False)))
def test_nothing_is_lost_that_could_be_seen(values: np.ndarray) -> None:
    sent = np.asarray(compact(values), dtype=float)
    assert np.array_equal(np.isnan(sent), np.isnan(values))
    with np.errstate(over="ignore"):
        width = np.ptp(values[~np.isnan(values)]) if (~np.isnan(values)).any() else 0.0
        assert np.nanmax(np.abs(sent - values), initial=0.0) <= width / PIXELS


def test_times_of_day_keep_their_milliseconds() -> None:
    times = 1.76e12 + np.array([0.5, 100.25, 200.125])
    assert compact(times).tolist() == times.tolist()


@pytest.mark.parametrize(
    ("values", "dtype"),
    [([0, 10, 20], np.int32), ([0.5, 1.25], np.float32), ([0.0, 1e300], np.float64), ([1.0, float("nan")], np.float64)],
)
def test_numbers_are_sent_as_short_as_they_can_be(values: list[float], dtype: type) -> None:
    assert compact(np.array(values, dtype=float)).dtype == dtype
