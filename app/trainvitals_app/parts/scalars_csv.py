"""Scalars as a table that spreadsheets open, and in which no text from a log is taken for a formula."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable

import numpy as np

from trainvitals.model import Series
from trainvitals.reporters.visible import visible

COLUMNS = ("run", "tag", "step", "wall_time_s", "value")

# What spreadsheets take for the beginning of a formula, also behind blanks; an apostrophe before it makes it text.
_FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠")


def scalars_csv(selection: Iterable[tuple[str, Series]]) -> bytes:
    """Every value as it was logged, in the order of recording: run, tag, step, wall time in seconds, value.

    Not smoothed and not thinned out. What is not finite is written as NaN, Infinity or -Infinity; a time that was not
    logged is empty.

    Args:
        selection: pairs of a run's name and one of its series.
    """
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(COLUMNS)
    for run, series in selection:
        names = plain(run), plain(series.tag)
        columns = (series.step.tolist(), series.wall_time.tolist(), _widest(series))
        table.writerows((*names, step, _time(at_s), _number(value)) for step, at_s, value in zip(*columns, strict=True))
    return text.getvalue().encode("utf-8")


def plain(text: str) -> str:
    """The text as a cell on one line that is never computed."""
    shown = visible(text)
    return f"'{shown}" if shown.lstrip().startswith(_FORMULA) else shown


def _widest(series: Series) -> list[float]:
    """The values; those of 32 bits by the shortest decimal that is theirs."""
    if series.value.dtype == np.float32:
        return [float(str(value)) for value in series.value]
    return [float(value) for value in series.value]


def _number(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    return repr(value) if math.isfinite(value) else "Infinity" if value > 0 else "-Infinity"


def _time(at_s: float) -> str:
    return repr(at_s) if math.isfinite(at_s) else ""
