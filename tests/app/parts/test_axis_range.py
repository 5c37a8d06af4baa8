"""A range that is typed is the one that a box would have given; what cannot be read is told."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from trainvitals_app.parts.axis_range import range_of

WHOLE = (10.0, 900.0)


@pytest.mark.parametrize(
    ("first", "last", "found"),
    [
        ("100", "250", (100.0, 250.0)),
        ("1,000", " 2_000 ", (1000.0, 2000.0)),
        ("250", "100", (100.0, 250.0)),
        ("", "250", (10.0, 250.0)),
        ("0.5", "", (0.5, 900.0)),
        ("", " ", None),
    ],
)
def test_two_ends_are_a_range_and_an_empty_one_is_the_end_of_the_axis(first, last, found):
    assert range_of(first, last, WHOLE, "step") == found


def test_a_time_of_day_is_in_utc():
    found = range_of("2026-01-31 18:30", "2026-01-31T19:00:05", (0.0, 1.0), "wall")
    assert found == (
        datetime(2026, 1, 31, 18, 30, tzinfo=UTC).timestamp(),
        datetime(2026, 1, 31, 19, 0, 5, tzinfo=UTC).timestamp(),
    )


@pytest.mark.parametrize("typed", ["soon", "nan", "1e999", "1 2"])
def test_what_is_no_number_is_told(typed):
    with pytest.raises(ValueError, match="is not a number"):
        range_of(typed, "5", WHOLE, "step")


def test_what_is_no_time_is_told():
    with pytest.raises(ValueError, match="is not a time such as"):
        range_of("5", "", WHOLE, "wall")


def test_nothing_lies_between_an_end_and_itself():
    with pytest.raises(ValueError, match="begins where it ends"):
        range_of("5", "5", WHOLE, "step")
