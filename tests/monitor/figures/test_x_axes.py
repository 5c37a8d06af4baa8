"""A point stands on an axis where the run says, and nowhere if the run does not say."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import numpy as np
import pytest

from trainvitals import Run
from trainvitals.figures.x_axes import AxisKind, available, axis_layout, duration, places
from trainvitals.model import Series
from trainvitals.signals import understand

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC).timestamp()


def run(*, wall: bool = True, **columns: list[float]) -> Run:
    def series(tag: str, value: list[float]) -> Series:
        step = np.arange(len(value)) * 10
        return Series(tag, step, NOON + step if wall else np.full(len(value), math.nan), np.array(value))

    return Run("r", "r", "r", "test", {tag: series(tag, value) for tag, value in columns.items()})


def at(logged: Run, kind: AxisKind) -> list[float] | None:
    found = places(logged, understand(logged), logged.series["loss"], kind)
    return None if found is None else found.tolist()


LOSS = [3.0, 2.0, 1.0]


def test_steps_are_always_there_and_times_only_where_they_were_logged() -> None:
    timed, bare = run(loss=LOSS), run(loss=LOSS, wall=False)
    assert available(timed, understand(timed)) == ("step", "relative", "wall")
    assert available(bare, understand(bare)) == ("step",)
    assert available(run(), understand(run())) == ()


def test_time_is_counted_from_the_first_value_of_the_run() -> None:
    assert at(run(loss=LOSS), "step") == [0, 10, 20]
    assert at(run(loss=LOSS), "relative") == [0, 10, 20]
    assert at(run(loss=LOSS), "wall") == [NOON, NOON + 10, NOON + 20]


def test_epochs_and_tokens_are_those_recorded_at_the_step_or_in_between() -> None:
    logged = run(loss=LOSS, epoch=[0.0, 1.0, 2.0], tokens=[0.0, 512.0, 1024.0])
    assert at(logged, "epoch") == [0, 1, 2]
    assert at(logged, "tokens") == [0, 512, 1024]


def test_nothing_is_said_of_steps_far_from_the_last_record() -> None:
    logged = run(loss=[1.0] * 6, epoch=[0.0, 1.0, 2.0])
    found = at(logged, "epoch")
    assert found is not None
    assert found[:4] == [0, 1, 2, 3]
    assert all(math.isnan(value) for value in found[4:])


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (0.5, "0.5 s"),
        (90, "90 s"),
        (150, "2 min 30 s"),
        (1800, "30 min"),
        (3599.99, "60 min"),
        (3600, "1 h"),
        (5400, "1 h 30 min"),
        (86400 * 2 + 3600 * 5, "2 d 5 h"),
    ],
)
def test_a_duration_is_told_in_the_units_that_count(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_ticks_of_a_duration_stand_at_whole_minutes_hours_and_days() -> None:
    assert axis_layout("relative", (0, 7200), log=False)["ticktext"] == ["0 s", "30 min", "1 h", "1 h 30 min", "2 h"]
    assert len(axis_layout("relative", (1e5, 1e9), log=False)["tickvals"]) < 60


def test_the_time_of_day_is_a_date_and_a_logarithmic_axis_has_exponents() -> None:
    wall = axis_layout("wall", (1, 2), log=False)
    assert (wall["type"], wall["range"], wall["title"]["text"]) == ("date", [1000, 2000], "time of day (UTC)")
    assert axis_layout("step", (1, 1000), log=True)["range"] == [0, 3]
