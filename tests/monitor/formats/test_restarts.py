"""A restart is told from the steps; a late record, repeated steps and two writers in turn are none."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainvitals.formats.restarts import find_common_restarts


def steps(*parts: range | list[int]) -> np.ndarray:
    return np.array([step for part in parts for step in part], dtype=np.int64)


def restarts_in(recorded: np.ndarray) -> list[tuple[int, int]]:
    found = find_common_restarts([(recorded, np.arange(len(recorded)))])
    return [(restart.step, restart.previous_step) for restart in found]


def told(*parts: range | list[int]) -> list[tuple[int, int]]:
    return restarts_in(steps(*parts))


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ((range(0, 1000, 10), range(500, 1500, 10)), [(500, 990)]),
        ((range(0, 1000, 10), range(505, 1500, 10)), [(505, 990)]),
        ((range(0, 1000, 10), range(500, 900, 10), range(0, 50, 10)), [(500, 990), (0, 890)]),
        ((range(10), range(10), range(10)), [(0, 9), (0, 9)]),
        (([1, 2, 3, 4, 5], [4, 5, 6, 7]), [(4, 5)]),
        ((range(0, 1000, 10), [0]), [(0, 990)]),
        (([1, 2, 4, 8, 16, 32, 64, 128], [16, 32, 64, 128, 256]), [(16, 128)]),
        ((range(0, 1_000_000, 1000), [400_500, 401_500, 402_500]), [(400_500, 999_000)]),
    ],
)
def test_a_recording_that_covers_old_ground_again_is_a_restart(parts, expected):
    assert told(*parts) == expected


@pytest.mark.parametrize(
    "parts",
    [
        (range(100),),
        ([5],),
        ([],),
        ([0, 0, 0, 1, 1, 1, 2, 2, 2],),
        ([0, 1, 2, 4, 3, 5, 6, 8, 7, 9],),
        ([0, 10, 20, 40, 30],),
        ([step + offset for step in range(0, 2000, 10) for offset in (100, 0)],),
        (range(100, 0, -1),),
    ],
    ids=["steady", "one", "none", "repeated", "late", "late-at-the-end", "two-writers", "newest-first"],
)
def test_what_is_no_restart(parts):
    assert told(*parts) == []


def test_two_writers_of_unequal_pace_are_not_restarts():
    fast = iter(range(1000, 3000, 10))
    records = []
    for slow in range(0, 1200, 30):
        records += [slow, slow + 10, slow + 20, next(fast)]
    assert told(records) == []


def test_series_that_show_the_same_restart_tell_it_once():
    train = steps(range(0, 100, 10), range(50, 200, 10))
    val = steps([25, 50, 75, 100], [75, 100, 125, 150])
    rows_of_train = np.arange(len(train)) * 2
    rows_of_val = np.array([5, 9, 13, 17, 25, 31, 37, 43])
    restarts = find_common_restarts([(train, rows_of_train), (val, rows_of_val)], where="log.csv")
    assert [(r.step, r.previous_step, r.kind, r.where) for r in restarts] == [(50, 100, "step-back", "log.csv")]


def test_restarts_at_different_places_stay_apart():
    curve = steps(range(100), range(50, 150))
    early = find_common_restarts([(curve, np.arange(200)), (curve, np.arange(200) + 150)])
    assert len(early) == 2


def test_a_million_steps_that_go_back_all_the_time_are_judged_at_once():
    assert restarts_in(np.tile(np.array([5, 0], dtype=np.int64), 500_000)) == []


@given(st.lists(st.integers(-(2**62), 2**62), max_size=60))
def test_any_steps_are_judged_and_every_restart_is_a_real_step_back(values):
    recorded = np.array(values, dtype=np.int64)
    pairs = set(zip(values[1:], values, strict=False))
    for after, before in restarts_in(recorded):
        assert after < before
        assert (after, before) in pairs


@given(st.integers(3, 60), st.integers(3, 60), st.integers(0, 1000), st.integers(1, 500))
def test_going_back_by_three_records_or_more_is_always_found(before, after, first, stride):
    head = first + stride * np.arange(before)
    back = head[max(0, before - 1 - after)]
    tail = back + stride * np.arange(after + 3)
    found = restarts_in(np.concatenate([head, tail]).astype(np.int64))
    assert [after for after, _ in found] == [back]
