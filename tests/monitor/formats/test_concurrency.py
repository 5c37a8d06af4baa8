"""Which files were written at the same time, and how their rows are merged."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from trainvitals.formats.concurrency import Concurrency, Part, merged
from trainvitals.formats.event_stream import ScalarRows


def part(wall_time: list[float], codes: list[int] | None = None, name: str = "file") -> Part:
    count = len(wall_time)
    rows = ScalarRows(
        np.array(codes if codes is not None else [0] * count, np.int32),
        np.arange(count, dtype=np.int64),
        np.array(wall_time, np.float64),
        np.array(wall_time, np.float32),
    )
    return Part.of("", name, rows, ())


@given(
    st.lists(
        st.lists(st.tuples(st.integers(0, 9), st.integers(0, 3)), max_size=4).map(
            lambda rows: part([float(time) for time, _ in rows], [code for _, code in rows])
        ),
        max_size=6,
    )
)
def test_files_are_concurrent_if_their_times_overlap_and_they_share_a_tag(parts):
    concurrency = Concurrency(parts)
    for one, other in combinations(range(len(parts)), 2):
        a, b = parts[one].rows, parts[other].rows
        expected = (
            len(a) > 0
            and len(b) > 0
            and a.wall_time.min() < b.wall_time.max()
            and b.wall_time.min() < a.wall_time.max()
            and bool(set(a.tag_code.tolist()) & set(b.tag_code.tolist()))
        )
        assert concurrency.between(one, other) == concurrency.between(other, one) == expected


def test_files_that_follow_one_another_are_not_concurrent():
    assert Concurrency([part([1, 2, 3]), part([3, 4, 5])]).problems() == []


def test_files_without_a_usable_time_are_not_concurrent():
    assert Concurrency([part([np.nan, np.inf]), part([1, 2]), part([])]).groups() == [[0], [1], [2]]


def test_chains_of_concurrent_files_are_one_group_and_one_problem():
    parts = [part([0, 5], name="a"), part([20, 30], name="b"), part([4, 8], name="c"), part([7, 9], name="d")]
    concurrency = Concurrency(parts)
    assert concurrency.groups() == [[0, 2, 3], [1]]
    assert not concurrency.between(0, 3)
    (problem,) = concurrency.problems()
    assert (problem.kind, problem.where, problem.count) == ("concurrent-writers", "a, c, d", 3)
    assert concurrency.contested_codes() == frozenset({0})


def test_concurrent_rows_are_merged_by_time_and_each_file_keeps_its_own_order():
    parts = [part([1, 5, 3, 7]), part([2, np.nan, 6]), part([100, 101])]
    rows = merged([each.rows for each in parts], Concurrency(parts))
    # The first file's clock goes back from 5 to 3, the second one's has a hole: both stay where they were recorded.
    assert rows.wall_time.tolist()[:2] == [1.0, 2.0]
    assert np.array_equal(rows.wall_time, [1, 2, np.nan, 5, 3, 6, 7, 100, 101], equal_nan=True)
    assert rows.step.tolist() == [0, 0, 1, 1, 2, 2, 3, 0, 1]


def test_rows_of_files_that_are_not_concurrent_stay_in_reading_order():
    parts = [part([5, 6]), part([1, 2], [1, 1])]
    assert merged([each.rows for each in parts], Concurrency(parts)).wall_time.tolist() == [5, 6, 1, 2]
