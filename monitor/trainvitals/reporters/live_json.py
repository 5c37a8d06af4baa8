"""What is told of growing runs to another program: lines of JSON, and the findings in them read back.

Each line has a ``kind``:

- ``opened``, ``worsened`` or ``resolved``, with ``run``, ``step``, ``wall_time``, ``finding`` in the shape of
  ``trainvitals diagnose --format json``, and ``text``, the line that ``trainvitals follow`` prints;
- ``standing``, after one or more of these and once more at the end: how the ``run`` stands at its ``step``, with the
  ``verdict`` in a line, all ``findings`` that were told, and a ``summary`` in Markdown;
- ``final``, the last one, with ``schema``, ``version`` and ``runs`` as in ``--format json``, and ``cpu_s``, the
  processor time that following took.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from trainvitals.model import Cause, Evidence, Finding, Severity, Suggestion, Verify
from trainvitals.reporters.json_report import finding_document, finite, to_document

if TYPE_CHECKING:
    from trainvitals.live.changes import Change, ChangeKind
    from trainvitals.model import Diagnosis


@dataclass(frozen=True, slots=True)
class Told:
    """A change, read back."""

    kind: ChangeKind
    finding: Finding
    text: str


@dataclass(frozen=True, slots=True)
class Standing:
    """How a run stands, read back."""

    verdict: str
    findings: tuple[Finding, ...]
    summary: str
    kind: Literal["standing"] = "standing"


@dataclass(frozen=True, slots=True)
class Final:
    """The end, read back."""

    cpu_s: float
    kind: Literal["final"] = "final"


Line = Told | Standing | Final


def change_line(change: Change, text: str) -> str:
    """One change of a growing run, with the newline; ``text`` is what a person would read."""
    return _line(
        {
            "kind": change.kind,
            "run": change.run,
            "step": change.step,
            "wall_time": change.wall_time,
            "finding": finding_document(change.finding),
            "text": text,
        }
    )


def standing_line(diagnosis: Diagnosis, findings: Iterable[Finding], *, verdict: str, summary: str) -> str:
    """How a run stands, with the newline."""
    return _line(
        {
            "kind": "standing",
            "run": diagnosis.id,
            "step": diagnosis.last_step,
            "verdict": verdict,
            "findings": [finding_document(finding) for finding in findings],
            "summary": summary,
        }
    )


def final_line(diagnoses: Iterable[Diagnosis], *, cpu_s: float) -> str:
    """The last diagnoses of runs that were followed, with the newline."""
    return _line({"kind": "final", **to_document(diagnoses), "cpu_s": cpu_s})


def read_line(line: bytes) -> Line | None:
    """What one of these lines says; None where it is none of them."""
    try:
        said = json.loads(line)
        if said["kind"] == "final":
            return Final(said["cpu_s"])
        if said["kind"] == "standing":
            return Standing(said["verdict"], tuple(map(finding_of, said["findings"])), said["summary"])
        return Told(said["kind"], finding_of(said["finding"]), said["text"])
    except (KeyError, TypeError, ValueError):
        return None


def finding_of(document: Mapping[str, Any]) -> Finding:
    """A finding as it was before it became JSON, without what only the engine needs.

    Raises:
        KeyError, TypeError, ValueError: the document is not one of ours.
    """
    return Finding(
        code=document["code"],
        name=document["name"],
        severity=Severity(document["severity"]),
        confidence=float(document["confidence"]),
        summary=document["summary"],
        first_step=document["first_step"],
        last_step=document["last_step"],
        layers=tuple(document["layers"]),
        evidence=tuple(_evidence(item) for item in document["evidence"]),
        state=document["state"],
        accepted_because=document["accepted_because"],
        consequences=tuple(document["consequences"]),
        causes=tuple(_cause(cause) for cause in document["causes"]),
        interventions=tuple(_suggestion(suggestion) for suggestion in document["interventions"]),
    )


def _evidence(item: Mapping[str, Any]) -> Evidence:
    value, threshold = (None if item[key] is None else float(item[key]) for key in ("value", "threshold"))
    return Evidence(item["text"], item["signal"], value, threshold, item["step"])


def _cause(cause: Mapping[str, Any]) -> Cause:
    reasons, doubts = tuple(cause["for"]), tuple(cause["against"])
    return Cause(cause["name"], float(cause["confidence"]), reasons, doubts, cause["would_decide"])


def _suggestion(suggestion: Mapping[str, Any]) -> Suggestion:
    verify = suggestion["verify"]
    return Suggestion(
        name=suggestion["name"],
        summary=suggestion["summary"],
        how=suggestion["how"],
        expected=suggestion["expected"],
        risk=suggestion["risk"],
        verify=Verify(verify["signal"], verify["direction"], float(verify["size"]), verify["within_steps"]),
        source=suggestion["source"],
        dialect=suggestion["dialect"],
        basis=suggestion["basis"],
        undo=suggestion["undo"],
    )


def _line(content: dict[str, Any]) -> str:
    return json.dumps(finite(content), allow_nan=False, ensure_ascii=True) + "\n"
