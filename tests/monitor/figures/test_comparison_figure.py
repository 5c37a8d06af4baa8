"""Two runs over each other, and from where they part, if they do."""

from __future__ import annotations

import numpy as np
import pytest
from tests.monitor.figures.reading import bands, names, notes

from trainvitals.comparison import LossOutcome
from trainvitals.figures.comparison_figure import comparison_chart
from trainvitals.figures.curves_figure import Curve
from trainvitals.maths.curve_difference import CurveDifference
from trainvitals.model import Series

STEPS = np.arange(0, 1000, 10)


def curve(run: str, place: int, step: np.ndarray = STEPS) -> Curve:
    return Curve(run, place, Series("loss", step, step.astype(float), 3 - step / 1000), step.astype(float))


def outcome(since_step: int | None, after: float = 1.0) -> LossOutcome:
    return LossOutcome("train", "", "loss", "loss", CurveDifference(100, since_step, 2.0, after, 0.1))


TWO = [curve("before", 0), curve("after", 1, STEPS[:80])]


def test_where_they_part_is_shaded_to_where_the_shorter_one_ends() -> None:
    chart = comparison_chart("training loss", TWO, outcome=outcome(400), same_start=True)
    assert bands(chart) == [(400, 790)]
    assert "they differ from about step 400 on" in notes(chart)
    assert chart.alt.endswith("they differ from about step 400 on.")
    assert {"before", "after"} <= set(names(chart))


@pytest.mark.parametrize(
    ("found", "same_start"),
    [(None, True), (outcome(None), True), (outcome(400), False), (LossOutcome("train", "", "a", "b", None), True)],
)
def test_nothing_is_marked_where_they_do_not_differ_or_no_more_than_another_seed_does(
    found: LossOutcome | None, same_start: bool
) -> None:
    chart = comparison_chart("training loss", TWO, outcome=found, same_start=same_start)
    assert bands(chart) == []
    assert notes(chart) == []


def test_a_difference_beyond_any_seed_is_marked_whatever_the_start() -> None:
    assert bands(comparison_chart("loss", TWO, outcome=outcome(400, after=0.1))) == [(400, 790)]


def test_a_parting_outside_of_the_window_is_shaded_but_not_written() -> None:
    chart = comparison_chart("loss", TWO, outcome=outcome(400), same_start=True, window=(500.0, 600.0))
    assert bands(chart) == [(400, 790)]
    assert notes(chart) == []
