"""What START events make void, against the definition: each event, row by row."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from trainvitals.eventfile import HistogramColumns, SessionStart
from trainvitals.formats.sessions import NO_LIMIT, Purge

LARGEST = 2**63 - 1
steps = st.one_of(st.integers(0, 8), st.sampled_from([-(2**63), -1, LARGEST - 1, LARGEST]))
limits = st.one_of(st.integers(0, 8), st.just(NO_LIMIT))


@st.composite
def files(draw):
    """Steps of the rows, START events at rising rows, and the limit that later files set."""
    step = draw(st.lists(steps, max_size=12))
    rows = sorted(draw(st.lists(st.integers(0, len(step)), max_size=4)))
    starts = [SessionStart(row, draw(st.integers(0, 8)), float(10 * row + 5)) for row in rows]
    return np.array(step, np.int64), starts, draw(limits)


@given(files())
def test_a_row_stays_unless_a_later_start_is_at_its_step_or_before(file):
    step, starts, later = file
    expected = [
        (later == NO_LIMIT or value < later) and not any(start.row > row and value >= start.step for start in starts)
        for row, value in enumerate(step.tolist())
    ]
    purge = Purge(starts, later)
    assert purge.kept(step).tolist() == expected
    assert not purge.nothing or all(expected)


@given(files(), st.data())
def test_a_histogram_stays_by_the_same_rule_with_time_deciding_between_two_rows(file, data):
    step, starts, later = file
    rows = sorted(data.draw(st.lists(st.integers(0, len(step)), max_size=6)))
    histogram_step = np.array([data.draw(steps) for _ in rows], np.int64)
    # A START event at row r happens at 10 r + 5.
    wall_time = np.array([10 * row + data.draw(st.sampled_from([0, 9])) for row in rows], np.float64)
    rows_column = np.array(rows, np.int64)
    columns = HistogramColumns(
        np.zeros(len(rows), np.int32), histogram_step, wall_time, np.zeros(len(rows), np.int64), rows_column, None
    )
    expected = [
        (later == NO_LIMIT or value < later)
        and not any(start.wall_time > time and value >= start.step for start in starts)
        for value, time in zip(histogram_step.tolist(), wall_time.tolist(), strict=True)
    ]
    assert Purge(starts, later).kept_histograms(columns).tolist() == expected


def test_without_start_events_everything_stays():
    assert Purge((), NO_LIMIT).nothing
    assert not Purge((), 5).nothing
    assert Purge((), NO_LIMIT).kept(np.array([LARGEST], np.int64)).tolist() == [True]
