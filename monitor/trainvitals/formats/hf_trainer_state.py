"""``trainer_state.json`` of the Hugging Face Trainer, and the copies of it in its checkpoints."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from trainvitals.errors import LogError
from trainvitals.formats.columns import Notes, Origin, run_from_table
from trainvitals.formats.files import read_bytes
from trainvitals.formats.format import Format, Purging, RunFiles
from trainvitals.formats.json_text import objects_from, parse_json
from trainvitals.formats.rows import as_number, table_from_rows
from trainvitals.model import Problem, Run

FILE_NAME = "trainer_state.json"
SETTINGS = (
    "max_steps",
    "num_train_epochs",
    "train_batch_size",
    "logging_steps",
    "eval_steps",
    "save_steps",
    "best_metric",
    "best_global_step",
    "best_model_checkpoint",
    "num_input_tokens_seen",
)
SUMMARY_MARK = "train_runtime"
SUMMARY_PREFIX = "summary/"

_HISTORY = re.compile(r'"log_history"\s*:\s*\[')

Entry = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class State:
    """What one ``trainer_state.json`` holds: settings and summary, the log without it, the last step, damage."""

    settings: Mapping[str, float | str | bool]
    history: Sequence[Entry]
    last_step: float
    problems: tuple[Problem, ...] = ()


def is_trainer_state(name: str, head: bytes) -> bool:
    """Whether a file is a Trainer's state, from its name and first bytes."""
    return name == FILE_NAME or (name.endswith(".json") and b'"log_history"' in head)


def read_trainer_state(files: RunFiles, purge: Purging = "session") -> Run:  # noqa: ARG001
    """The run in one state or in the states of several checkpoints.

    A checkpoint holds the log up to its step, so most states are the beginning of another and the longest one tells
    all. What a shorter state tells differently was trained after going back to where the two part: it follows the
    longest one in the order of recording, as a restart.

    The row that the Trainer appends at the end (its ``train_loss`` is the mean over the whole run) is no point of
    any curve; it is kept under ``hyper_parameters`` as ``summary/<name>``.

    Raises:
        LogError: none of the files holds a log.
    """
    states: list[State] = []
    problems: list[Problem] = []
    failures: list[LogError] = []
    for _, path in files.files:
        where = files.where(path)
        try:
            states.append(_state(path, where))
        except LogError as error:
            failures.append(error)
            problems.append(Problem("unreadable-file", where, error.what))
    if not states:
        raise failures[0]
    states.sort(key=lambda state: (-state.last_step, -len(state.history)))
    history, sessions = _history_of_branches([state.history for state in states])
    where = files.where(files.files[0][1])
    return run_from_table(
        table_from_rows(history),
        Origin(path=str(files.root), name=files.name, format="hf-trainer-state", where=where),
        Notes(
            sessions=sessions,
            hyper_parameters=states[0].settings,
            problems=(*(problem for state in states for problem in state.problems), *problems),
        ),
    )


def _state(path: Path, where: str) -> State:
    text = read_bytes(path).decode("utf-8-sig", errors="replace")
    try:
        content = parse_json(text)
    except ValueError as error:
        return _salvaged(text, path, where, str(error))
    history = content.get("log_history") if isinstance(content, dict) else None
    if not isinstance(content, dict) or not isinstance(history, list):
        raise LogError(
            "not a Trainer's state: it has no list `log_history`",
            where=str(path),
            hint="give the folder that the Trainer wrote to",
        )
    entries = [entry for entry in history if isinstance(entry, dict)]
    odd = len(history) - len(entries)
    problems = (Problem("bad-row", where, "entries that are no objects were left out", odd),) if odd else ()
    settings = {name: value for name in SETTINGS if isinstance(value := content.get(name), int | float | str)}
    return _state_of(entries, settings, as_number(content.get("global_step")), problems)


def _state_of(
    entries: Sequence[Entry],
    settings: Mapping[str, float | str | bool],
    global_step: float | None,
    problems: tuple[Problem, ...],
) -> State:
    summary = {
        f"{SUMMARY_PREFIX}{name}": number
        for entry in entries
        if _is_summary(entry)
        for name, value in entry.items()
        if name not in ("step", "epoch") and (number := as_number(value)) is not None
    }
    points = [entry for entry in entries if not _is_summary(entry)]
    last_step = max((as_number(entry.get("step")) or 0.0 for entry in points), default=0.0)
    return State({**settings, **summary}, points, global_step or last_step, problems)


def _salvaged(text: str, path: Path, where: str, reason: str) -> State:
    """The complete entries of a log that breaks off."""
    start = _HISTORY.search(text)
    entries = list(objects_from(text, start.end())) if start else []
    if not entries:
        raise LogError(
            f"corrupt JSON without a readable log: {reason}", where=str(path), hint="use an older checkpoint"
        )
    problem = Problem("torn-tail", where, f"the JSON breaks off; its first {len(entries)} log entries were read")
    return _state_of(entries, {}, None, (problem,))


def _is_summary(entry: Entry) -> bool:
    return "loss" not in entry and SUMMARY_MARK in entry


def _history_of_branches(histories: Sequence[Sequence[Entry]]) -> tuple[list[Entry], list[int]]:
    """The first history, then what each other one tells that begins none before it; and where those branches start."""
    told: list[list[str]] = []
    joined: list[Entry] = []
    starts: list[int] = []
    for history in histories:
        lines = [json.dumps(entry, sort_keys=True) for entry in history]
        shared = max((_common_length(lines, known) for known in told), default=0)
        if told and shared < len(history):
            starts.append(len(joined))
        joined += history[shared:]
        told.append(lines)
    return joined, starts


def _common_length(a: Sequence[str], b: Sequence[str]) -> int:
    return next((i for i, (left, right) in enumerate(zip(a, b, strict=False)) if left != right), min(len(a), len(b)))


FORMAT = Format("hf-trainer-state", is_trainer_state, read_trainer_state, joins=True)
