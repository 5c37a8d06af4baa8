"""Every log format that can be read, one line each.

The order is that of preference where one run was logged in several formats: what tells most comes first. YOLO's table
has the parts of its loss in the same resolution as the event files beside it, and the reader adds their sum.
"""

from __future__ import annotations

from trainvitals.formats import csv_table, hf_trainer_state, json_lines, tensorboard, yolo
from trainvitals.formats.format import Format

FORMATS: tuple[Format, ...] = (
    yolo.FORMAT,
    tensorboard.FORMAT,
    hf_trainer_state.FORMAT,
    csv_table.FORMAT,
    json_lines.FORMAT,
)

BY_NAME = {each.name: each for each in FORMATS}


def rank(name: str) -> int:
    """The place of a format in the order of preference."""
    return [each.name for each in FORMATS].index(name)
