"""The log formats that the samples come in. The same rows give the same bytes, wherever and whenever."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any

import numpy as np

from trainvitals.eventfile import encode
from trainvitals.eventfile.record import framed
from trainvitals.eventfile.template import ScalarTemplate

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from samples.training import Row

START_TIME_S = 1_760_000_000.0
STEP_TIME_S = 0.04
DIGITS = 6
"""Significant digits in text formats; a float32 has seven."""


def write_event_file(
    folder: Path, rows: Sequence[Row], *, delay_s: float = 0.0, resume_step: int | None = None
) -> None:
    """An event file as the monitor's own writer makes it, but with a made-up clock, host and process.

    Args:
        delay_s: from the start of the first file to that of this one.
        resume_step: open with a START record for this step.
    """
    folder.mkdir(parents=True, exist_ok=True)
    start_s = START_TIME_S + delay_s
    first_step = resume_step or 0
    templates: dict[tuple[str, ...], ScalarTemplate] = {}
    with (folder / f"events.out.tfevents.{start_s:010.0f}.sample.1.0").open("wb") as file:
        file.write(framed(encode.file_version(start_s)))
        if resume_step is not None:
            file.write(framed(encode.session_start(start_s, resume_step)))
        for row in rows:
            template = templates.setdefault(tuple(row.values), ScalarTemplate(tuple(row.values)))
            wall_time = start_s + STEP_TIME_S * (row.step - first_step)
            for record in template.records(row.step, wall_time, np.array(list(row.values.values()))):
                file.write(record.tobytes())


def write_csv(path: Path, table: Sequence[Mapping[str, float]]) -> None:
    """Comma-separated values with a header; a cell stays empty where a row lacks the column."""
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = list(dict.fromkeys(name for row in table for name in row))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: _rounded(value) for name, value in row.items()} for row in table)


def write_json_lines(path: Path, table: Sequence[Mapping[str, float]]) -> None:
    """One JSON object a row."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps({name: _rounded(value) for name, value in row.items()}) for row in table]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_trainer_state(path: Path, history: Sequence[Mapping[str, float]], *, steps: int, epochs: int) -> None:
    """A ``trainer_state.json`` in the layout of Hugging Face's Trainer."""
    path.parent.mkdir(parents=True, exist_ok=True)
    state: dict[str, Any] = {
        "best_metric": None,
        "best_model_checkpoint": None,
        "epoch": float(epochs),
        "global_step": steps,
        "is_local_process_zero": True,
        "is_world_process_zero": True,
        "log_history": [{name: _rounded(value) for name, value in row.items()} for row in history],
        "logging_steps": 10,
        "max_steps": steps,
        "num_train_epochs": epochs,
    }
    path.write_text(json.dumps(state, indent=1) + "\n", encoding="utf-8")


def _rounded(value: float) -> float:
    return value if isinstance(value, int) else float(f"{value:.{DIGITS}g}")
