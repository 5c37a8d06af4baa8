"""YOLO's ``results.csv``: the parts of the loss, never their sum, which is what one judges by."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from trainvitals.formats.csv_layout import NotATableError, find_layout, plain_text
from trainvitals.formats.csv_table import parse, run_of_csv
from trainvitals.formats.format import Format, Purging, RunFiles
from trainvitals.formats.parts import run_of_parts
from trainvitals.model import Run, Series

SPLITS = ("train", "val")
OTHER_COLUMNS = ("metrics/", "lr/pg", "x/lr")


def is_yolo_results(name: str, head: bytes) -> bool:
    """Whether a file is the table that YOLO writes, from its name and first bytes."""
    if not name.lower().endswith(".csv") or b"train/" not in head:
        return False
    try:
        columns = find_layout(plain_text(head, name)[0]).names
    except NotATableError:
        return False
    return (
        "epoch" in columns
        and any(column.startswith("train/") and column.endswith("_loss") for column in columns)
        and any(column.startswith(OTHER_COLUMNS) for column in columns)
    )


def read_yolo(files: RunFiles, purge: Purging = "session") -> Run:  # noqa: ARG001
    """The run in a ``results.csv``, with the sum of the parts of each loss as ``train/loss`` and ``val/loss``.

    A tag that was added so is named under ``texts``, as ``derived/<tag>``, with the tags it is the sum of.

    Raises:
        LogError: the file holds no table with numbers.
    """

    def read_one(path: Path, where: str) -> Run:
        run = replace(run_of_csv(parse(path, where), files, where), format="yolo")
        for split in SPLITS:
            run = _with_total_loss(run, split)
        return run

    return run_of_parts(files, read_one)


def _with_total_loss(run: Run, split: str) -> Run:
    """The run with the sum of all ``<split>/*_loss`` where they are recorded together, unless it has that loss."""
    total = f"{split}/loss"
    parts = [series for tag, series in run.series.items() if tag.startswith(f"{split}/") and tag.endswith("_loss")]
    if total in run.series or not parts or any(not np.array_equal(p.step, parts[0].step) for p in parts):
        return run
    value = np.sum([part.value for part in parts], axis=0)
    series = {**run.series, total: Series(total, parts[0].step, parts[0].wall_time, value)}
    return replace(
        run, series=series, texts={**run.texts, f"derived/{total}": "sum of " + ", ".join(part.tag for part in parts)}
    )


FORMAT = Format("yolo", is_yolo_results, read_yolo)
