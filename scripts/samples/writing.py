"""The log formats of others that samples come in. The same rows give the same bytes, wherever and whenever."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

DIGITS = 6
"""Significant digits in text formats; a float32 has seven."""


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
