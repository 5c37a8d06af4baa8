"""Which backward steps of a file with several tags are restarts, and which are jitter or counters that wrap."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainvitals.formats.agreed_restarts import MOST_RESTARTS, StepBack, find_agreed_restarts, order_by_tag


def found_in(rows: list[tuple[str, int]]) -> list[StepBack]:
    names = sorted({tag for tag, _ in rows})
    code = np.array([names.index(tag) for tag, _ in rows], np.int32)
    step = np.array([step for _, step in rows], np.int64)
    return find_agreed_restarts(order_by_tag(code), step)[0]


def log(*steps: range | list[int], tags: str = "ab") -> list[tuple[str, int]]:
    return [(tag, step) for part in steps for step in part for tag in tags]


def test_a_process_that_goes_back_to_a_checkpoint_is_found_where_it_does():
    rows = log(range(0, 1000, 10), range(500, 1500, 10))
    assert found_in(rows) == [StepBack(row=200, step=500, previous_step=990)]


def test_stacked_runs_are_found_each():
    rows = log(range(100), range(100), range(40), range(100))
    assert [(back.row, back.step, back.previous_step) for back in found_in(rows)] == [
        (200, 0, 99),
        (400, 0, 99),
        (480, 0, 39),
    ]


@pytest.mark.parametrize("distance", [1, 2, 3])
def test_records_that_arrive_a_few_intervals_late_are_no_restart(distance):
    steps = [step * 10 for step in range(100)]
    for place in range(10, 90, 2 * distance):
        steps[place], steps[place + distance] = steps[place + distance], steps[place]
    assert found_in(log(steps)) == []


def test_several_values_a_step_are_no_restart():
    assert found_in(log([step for step in range(100) for _ in range(3)])) == []


def test_a_counter_that_wraps_beside_tags_that_go_on_is_no_restart():
    rows = [row for step in range(300) for row in (("loss", step), ("rate", step), ("batch", step % 50))]
    assert found_in(rows) == []


def test_a_tag_that_is_logged_rarely_does_not_outvote_the_one_that_goes_back():
    rows = []
    for step in [*range(0, 1450, 10), *range(1100, 3000, 10)]:
        rows.append(("loss", step))
        if step % 1000 == 0:
            rows += [(f"val{suite}", step) for suite in range(9)]
    assert [(back.step, back.previous_step) for back in found_in(rows)] == [(1100, 1440)]


def test_a_tag_in_epochs_does_not_hide_a_restart_in_steps():
    rows = []
    for step in [*range(0, 1000, 10), *range(200, 1000, 10)]:
        rows += [("loss", step), ("epoch/accuracy", step // 100)] if step % 100 == 0 else [("loss", step)]
    assert [(back.step, back.previous_step) for back in found_in(rows)] == [(200, 990)]


def test_a_counter_that_wraps_without_end_is_counted_and_not_listed():
    wraps = MOST_RESTARTS + 50
    found, drops = find_agreed_restarts(
        order_by_tag(np.zeros(20 * (wraps + 1), np.int32)), np.arange(20 * (wraps + 1)) % 20
    )
    assert found == []
    assert drops == wraps


def test_more_tags_than_two_bytes_count_are_ordered_like_few():
    code = np.random.default_rng(0).integers(0, 70_000, 200_000).astype(np.int32)
    tags = order_by_tag(code)
    assert np.array_equal(tags.order, np.argsort(code, kind="stable"))
    assert np.array_equal(tags.code, np.unique(code))
    assert np.array_equal(np.diff(tags.bounds), np.unique(code, return_counts=True)[1])


def test_no_rows_have_no_order_and_no_restart():
    tags = order_by_tag(np.zeros(0, np.int32))
    assert tags.bounds.tolist() == [0]
    assert find_agreed_restarts(tags, np.zeros(0, np.int64)) == ([], 0)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(-(2**62), 2**62)), max_size=40))
def test_any_rows_are_survived_and_every_place_is_a_real_step_back(rows):
    for back in found_in(rows):
        assert back.step < back.previous_step
        assert 0 < back.row < len(rows)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 50)), max_size=60))
def test_growing_steps_have_no_restart(rows):
    assert found_in(sorted(rows, key=lambda row: row[1])) == []
