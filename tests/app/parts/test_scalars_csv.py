"""A table of scalars has every value as it was logged, and nothing in it is computed by a spreadsheet."""

from __future__ import annotations

import csv
import io
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainvitals.model import Series
from trainvitals_app.parts.scalars_csv import COLUMNS, plain, scalars_csv


def series(value: np.ndarray, tag: str = "loss") -> Series:
    step = np.arange(len(value), dtype=np.int64) * 10
    return Series(tag, step, np.full(len(value), math.nan), value)


def read(table: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(table.decode())))


@given(st.lists(st.floats(), max_size=20))
def test_values_come_back_as_they_were(values: list[float]) -> None:
    header, *rows = read(scalars_csv([("a", series(np.array(values, dtype=float)))]))
    assert tuple(header) == COLUMNS
    assert [row[2] for row in rows] == [str(10 * i) for i in range(len(values))]
    np.testing.assert_array_equal([float(row[4]) for row in rows], values)


def test_values_of_32_bits_are_written_as_short_as_they_are() -> None:
    (_, row) = read(scalars_csv([("a", series(np.array([0.1], dtype=np.float32)))]))
    assert row == ["a", "loss", "0", "", "0.1"]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "  =cmd|' /C calc'!A0", "\u00a0=1", "＝1"])
def test_what_a_spreadsheet_would_compute_is_text(text: str) -> None:
    assert plain(text) == "'" + text
    assert read(scalars_csv([(text, series(np.ones(1), tag=text))]))[1][:2] == ["'" + text] * 2


@pytest.mark.parametrize("text", ["loss", "train/loss", "a=b", "", "run-1", 'with "quotes", and commas'])
def test_any_other_text_stays_as_it_is(text: str) -> None:
    assert plain(text) == text
    assert read(scalars_csv([(text, series(np.ones(1)))]))[1][0] == text


@pytest.mark.parametrize(("text", "shown"), [("a\udcff", "a\\udcff"), ("\r=1", "\\r=1"), ("a\n=1", "a\\n=1")])
def test_no_name_begins_another_row_or_cannot_be_encoded(text: str, shown: str) -> None:
    _, *rows = read(scalars_csv([(text, series(np.ones(1)))]))
    assert [row[0] for row in rows] == [shown]
