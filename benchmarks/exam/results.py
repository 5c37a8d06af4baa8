"""The verdicts of the whole exam in one small file, from which the tables can be made again without the logs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks.exam.cases import Case, cases
from benchmarks.exam.faults import FAULTS
from benchmarks.exam.marks import Marked

KEPT = Path(__file__).parent / "results.json"
WHOLE = "1.0"


def save(marked: list[Marked], path: Path = KEPT) -> None:
    """Write all of it, one run a line so that a change shows as such."""
    rows: dict[str, dict[str, Any]] = {}
    for mark in marked:
        row = rows.setdefault(mark.case.name, {"onset": mark.onset, "steps": mark.steps, "said": {}})
        row["said"][mark.judge] = _short(mark)
    lines = (f"{json.dumps(name)}: {json.dumps(row, separators=(',', ':'))}" for name, row in rows.items())
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n")


def load(path: Path = KEPT) -> list[Marked]:
    """What ``save`` wrote, for the runs that the exam still has.

    Raises:
        OSError, ValueError: there is no such file, or it is not one of ours.
    """
    by_name: dict[str, Case] = {case.name: case for case in cases(FAULTS, quick=False)}
    marked = []
    for name, row in json.loads(path.read_text()).items():
        if (case := by_name.get(name)) is not None:
            for judge, said in row["said"].items():
                looks = {share: _whole(look) for share, look in said["looks"].items()}
                marked.append(Marked(case, judge, said["sees"], row["onset"], row["steps"], looks, said.get("opened")))
    return marked


def _short(mark: Marked) -> dict[str, Any]:
    """Of the beginnings only the alarms are ever asked for; what is empty is left out."""
    looks = {
        share: {key: value for key, value in look.items() if value and (share == WHOLE or key == "alarms")}
        for share, look in mark.looks.items()
    }
    short: dict[str, Any] = {"sees": mark.sees, "looks": looks}
    if mark.opened is not None:
        short["opened"] = mark.opened
    return short


def _whole(look: dict[str, Any]) -> dict[str, Any]:
    return {"alarms": [], "notes": [], "causes": [], "sure": {}, "causes_sure": [], "status": ""} | look
