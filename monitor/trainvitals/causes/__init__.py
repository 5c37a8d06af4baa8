"""From symptoms to causes: why a training is stuck, and what is at the root of what was found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from trainvitals.absorption import ONSET_TOLERANCE
from trainvitals.causes.facts import facts_of
from trainvitals.causes.ranking import can_be_told, rank
from trainvitals.causes.signatures import SIGNATURES
from trainvitals.model import Cause, Evidence, Finding, Reason, RootCause, Severity, Verdict
from trainvitals.view import RunView

SYMPTOMS = ("plateau", "not-learning")
CANNOT_TELL = Evidence(
    "why cannot be told from the loss alone: record gradients, updates and activations, for example with "
    "`vitals = trainvitals.watch(model, optimizer)`"
)


def explain_findings(
    findings: Sequence[Finding], view: RunView, ruled_out: Mapping[str, Evidence]
) -> tuple[Finding, ...]:
    """The same findings, each symptom with its ranked causes, or with what has to be logged to tell them.

    Args:
        ruled_out: by the name of the rule, the number that says that its problem is not there.
    """
    return tuple(
        _explained(finding, findings, view, ruled_out) if finding.name in SYMPTOMS else finding for finding in findings
    )


def root_causes(findings: Sequence[Finding]) -> tuple[RootCause, ...]:
    """What explains the open findings at warning or above: their best cause, or they themselves; surest first."""
    best: dict[str, float] = {}
    for finding in findings:
        if finding.state != "open" or finding.severity is Severity.INFO:
            continue
        root = finding.root or finding
        best[root.name] = max(root.confidence, best.get(root.name, 0.0))
    return tuple(RootCause(name, best[name]) for name in sorted(best, key=lambda name: (-best[name], name)))


def _explained(
    symptom: Finding, findings: Sequence[Finding], view: RunView, ruled_out: Mapping[str, Evidence]
) -> Finding:
    facts = facts_of(view, symptom)
    latest_step = (symptom.first_step or 0) + ONSET_TOLERANCE * view.span_steps
    beside = [finding for finding in findings if finding is not symptom and (finding.first_step or 0) <= latest_step]
    causes = rank(facts, beside, ruled_out)
    if not causes and not can_be_told(facts) and symptom.severity is not Severity.INFO:
        return replace(symptom, evidence=(*symptom.evidence, CANNOT_TELL))
    against = _against(view)
    return replace(symptom, causes=(*symptom.causes, *(_with(cause, against) for cause in causes)))


def _with(cause: Cause, against: tuple[str, ...]) -> Cause:
    return replace(cause, evidence_against=(*cause.evidence_against, *against)) if cause.evidence_for else cause


def _against(view: RunView) -> tuple[str, ...]:
    val_loss = view.val_loss
    if val_loss is None:
        return ()
    assessment = view.assess(val_loss)
    if assessment.verdict in (Verdict.PROGRESSING, Verdict.SLOW) and assessment.reason is not Reason.TOO_FEW_POINTS:
        return (f"{val_loss.tag} still improves",)
    return ()


__all__ = ["SIGNATURES", "SYMPTOMS", "explain_findings", "root_causes"]
