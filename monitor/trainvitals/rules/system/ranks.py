"""What each process of a training told, side by side."""

from __future__ import annotations

import re
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from trainvitals import tags
from trainvitals.model import LayerSeries
from trainvitals.view import RunView

RANKS_LINE = "vitals = trainvitals.watch(model, optimizer)  # on every rank, after the process group was set up"


def of_ranks(view: RunView, tag: str) -> LayerSeries | None:
    """One quantity of each process as ``[T, R]``, at the steps at which all of them told it; None below two of them."""
    group, _, name = tag.partition("/")
    pattern = re.compile(rf"{re.escape(group)}/rank(\d+)/{re.escape(name)}")
    ranks = sorted(int(found[1]) for each in view.run.series if (found := pattern.fullmatch(each)))
    if len(ranks) < 2:
        return None
    each_rank = [view.run.series[tags.of_rank(tag, rank)].latest() for rank in ranks]
    step: NDArray[np.int64] = reduce(np.intersect1d, [series.step for series in each_rank])
    columns = [np.asarray(series.value, np.float64)[np.isin(series.step, step)] for series in each_rank]
    value = np.stack(columns, axis=1)
    return LayerSeries(tag, tuple(f"rank {rank}" for rank in ranks), step, value) if len(step) else None
