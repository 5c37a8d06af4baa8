"""The diagnosis as JSON, in the shape that ``diagnosis.schema.json`` fixes."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import asdict
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from trainvitals import __version__
from trainvitals.maths.level_change import LevelChange
from trainvitals.model import (
    Cause,
    Diagnosis,
    Evidence,
    Finding,
    FindingOutcome,
    MarkedChange,
    NotAssessed,
    Problem,
    Progress,
    Suggestion,
    Verified,
)

if TYPE_CHECKING:
    from trainvitals.comparison import Comparison

SCHEMA_VERSION = 1


def render_json(diagnoses: Iterable[Diagnosis]) -> str:
    """All diagnoses as one JSON document that ends in a newline."""
    return json.dumps(to_document(diagnoses), indent=2, allow_nan=False, ensure_ascii=True) + "\n"


def to_document(diagnoses: Iterable[Diagnosis]) -> dict[str, Any]:
    """All diagnoses as plain dicts and lists; non-finite numbers are the strings "NaN", "Infinity", "-Infinity"."""
    runs = [_run(diagnosis) for diagnosis in diagnoses]
    document: dict[str, Any] = finite({"schema": SCHEMA_VERSION, "version": __version__, "runs": runs})
    return document


def render_comparison(comparison: Comparison) -> str:
    """Two runs side by side as one JSON document that ends in a newline."""
    findings = [_outcome(each) for each in comparison.findings]
    losses = [
        {
            "split": loss.split,
            "suite": loss.suite,
            "tag_before": loss.tag_before,
            "tag_after": loss.tag_after,
            "difference": None if loss.difference is None else asdict(loss.difference),
            "beyond_seed": comparison.same_start or loss.beyond_seed,
        }
        for loss in comparison.losses
    ]
    document = {
        "schema": SCHEMA_VERSION,
        "version": __version__,
        "before": _run(comparison.before),
        "after": _run(comparison.after),
        "findings": findings,
        "losses": losses,
        "settings": [asdict(change) for change in comparison.settings],
        "same_start": comparison.same_start,
    }
    return json.dumps(finite(document), indent=2, allow_nan=False, ensure_ascii=True) + "\n"


def schema() -> dict[str, Any]:
    """The JSON schema of the document."""
    text = files("trainvitals.reporters").joinpath("diagnosis.schema.json").read_text(encoding="utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded


def _run(diagnosis: Diagnosis) -> dict[str, Any]:
    signals = diagnosis.signals
    return {
        "id": diagnosis.id,
        "path": diagnosis.path,
        "name": diagnosis.name,
        "format": diagnosis.format,
        "first_step": diagnosis.first_step,
        "last_step": diagnosis.last_step,
        "points": diagnosis.points,
        "status": diagnosis.status.value,
        "signals": {
            "train_loss": list(signals.train_loss),
            "val_loss": dict(signals.val_loss),
            "learning_rate": list(signals.learning_rate),
            "per_layer": dict(signals.per_layer),
        },
        "progress": _progress(diagnosis.progress),
        "findings": [finding_document(finding) for finding in diagnosis.findings],
        "root_causes": [{"name": cause.name, "confidence": cause.confidence} for cause in diagnosis.root_causes],
        "not_assessed": [_not_assessed(rule) for rule in diagnosis.not_assessed],
        "problems": [_problem(problem) for problem in diagnosis.problems],
        "changes": [_change(change) for change in diagnosis.changes],
    }


def _change(change: MarkedChange) -> dict[str, Any]:
    return {
        "step": change.marker.step,
        "details": {name: str(value) for name, value in change.marker.details.items()},
        "findings": [_outcome(each) for each in change.findings],
    }


def _outcome(each: FindingOutcome) -> dict[str, Any]:
    moved = each.moved
    return {
        "outcome": each.outcome,
        "why": each.why,
        "before": None if each.before is None else finding_document(each.before),
        "after": None if each.after is None else finding_document(each.after),
        "moved": None if moved is None else {"signal": moved.signal, "change": _level_change(moved.change)},
        "verified": [_verified(verified) for verified in each.verified],
    }


def _verified(verified: Verified) -> dict[str, Any]:
    return {
        "verify": asdict(verified.verify),
        "interventions": list(verified.suggestions),
        "held": verified.held,
        "change": _level_change(verified.change),
        "why": verified.why,
    }


def _level_change(change: LevelChange | None) -> dict[str, float] | None:
    if change is None:
        return None
    return {"before": change.before, "after": change.after, "low": change.low, "high": change.high}


def _progress(progress: Progress) -> dict[str, Any]:
    return {
        "signal": progress.signal,
        "verdict": progress.verdict.value,
        "reason": None if progress.reason is None else progress.reason.value,
        "gain": progress.gain,
        "gain_low": progress.gain_low,
        "gain_high": progress.gain_high,
        "horizon_steps": progress.horizon_steps,
        "delta": progress.delta,
        "minimum_detectable_gain": progress.minimum_detectable_gain,
        "causes": [_cause(cause) for cause in progress.causes],
    }


def finding_document(finding: Finding) -> dict[str, Any]:
    """One finding as plain dicts and lists, its numbers as they are."""
    return {
        "code": finding.code,
        "name": finding.name,
        "severity": finding.severity.value,
        "confidence": finding.confidence,
        "likelihood": finding.likelihood,
        "first_step": finding.first_step,
        "last_step": finding.last_step,
        "layers": list(finding.layers),
        "summary": finding.summary,
        "state": finding.state,
        "accepted_because": finding.accepted_because,
        "consequences": list(finding.consequences),
        "evidence": [_evidence(item) for item in finding.evidence],
        "causes": [_cause(cause) for cause in finding.causes],
        "interventions": [_suggestion(suggestion) for suggestion in finding.interventions],
    }


def _evidence(item: Evidence) -> dict[str, Any]:
    return {
        "text": item.text,
        "signal": item.signal,
        "value": item.value,
        "threshold": item.threshold,
        "step": item.step,
    }


def _cause(cause: Cause) -> dict[str, Any]:
    return {
        "name": cause.name,
        "confidence": cause.confidence,
        "for": list(cause.evidence_for),
        "against": list(cause.evidence_against),
        "would_decide": cause.would_decide,
    }


def _suggestion(suggestion: Suggestion) -> dict[str, Any]:
    verify = suggestion.verify
    return {
        "name": suggestion.name,
        "summary": suggestion.summary,
        "how": suggestion.how,
        "expected": suggestion.expected,
        "risk": suggestion.risk,
        "verify": {
            "signal": verify.signal,
            "direction": verify.direction,
            "size": verify.size,
            "within_steps": verify.within_steps,
        },
        "source": suggestion.source,
        "dialect": suggestion.dialect,
        "basis": suggestion.basis,
        "undo": suggestion.undo,
    }


def _not_assessed(rule: NotAssessed) -> dict[str, Any]:
    return {"code": rule.code, "name": rule.name, "missing": list(rule.missing), "how": rule.how}


def _problem(problem: Problem) -> dict[str, Any]:
    return {"kind": problem.kind, "where": problem.where, "text": problem.text, "count": problem.count}


def finite(value: Any) -> Any:
    """JSON-safe: NumPy scalars as Python's, non-finite numbers as strings."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [finite(item) for item in value]
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    return value
