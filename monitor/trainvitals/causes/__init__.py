"""From symptoms to causes: why a training is stuck, and what is at the root of what was found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from trainvitals.absorption import ONSET_TOLERANCE
from trainvitals.causes.facts import facts_of
from trainvitals.causes.ranking import can_be_told, rank
from trainvitals.causes.signature import Signature
from trainvitals.causes.signatures import SIGNATURES
from trainvitals.causes.stretch import Fact
from trainvitals.model import (
    WHY_UNKNOWN,
    Cause,
    Evidence,
    Finding,
    Progress,
    Reason,
    RootCause,
    Severity,
    Verdict,
)
from trainvitals.rules.registry import all_rules
from trainvitals.view import RunView

SYMPTOMS = ("plateau", "not-learning", "underfitting")

LOSS = "LOS"
MECHANISMS = ("GRD", "ACT", "UPD", "LRS", "DAT", "NUM")
"""Families of rules that look at what happens to the loss, and at what can make it happen."""

STILL_IMPROVING = (Verdict.PROGRESSING, Verdict.SLOW)

EXPLAINS_ITSELF = (Reason.CONVERGED, Reason.SCHEDULE_END, Reason.LR_LIMITED)
"""Why a loss that nothing stopped stands still; then no cause is asked for."""

TO_LOG = {
    "updates": "update_ratio",
    "gradients": "grad_norm",
    "activations": "activations",
}
"""By family of facts, the signals of each layer that tell most causes from each other."""


def causes_without_a_rule() -> dict[str, Signature]:
    """The causes that are only ranked beside others, by name."""
    names = {rule.name for rule in all_rules()}
    return {name: signature for name, signature in SIGNATURES.items() if name not in names}


def explain_findings(
    findings: Sequence[Finding], view: RunView, ruled_out: Mapping[str, Evidence]
) -> tuple[Finding, ...]:
    """The same findings, each symptom with its ranked causes, or with what has to be logged to tell them.

    A finding that explains a symptom away carries, after itself, what else could and what a number rules out.

    Args:
        ruled_out: by the name of the rule, the number that says that its problem is not there.
    """
    return tuple(_explained(finding, findings, view, ruled_out) for finding in findings)


def causes_of_slowness(
    progress: Progress, findings: Sequence[Finding], view: RunView, ruled_out: Mapping[str, Evidence]
) -> tuple[Cause, ...]:
    """Why a loss that is not stuck gains so little; nothing where its schedule says why."""
    if progress.verdict is not Verdict.SLOW or progress.reason is not None:
        return ()
    facts = facts_of(view, progress.since_step)
    return rank(facts, _early_enough(findings, progress.since_step, view), ruled_out) if can_be_told(facts) else ()


def root_causes(findings: Sequence[Finding]) -> tuple[RootCause, ...]:
    """What explains the open findings at warning or above: their best cause, or they themselves; surest first.

    What happens to the loss comes after what was wrong inside the model or its data when it began, however sure.
    """
    serious = [finding for finding in findings if finding.state == "open" and finding.severity is not Severity.INFO]
    best: dict[str, tuple[bool, float]] = {}
    for finding in serious:
        root = finding.root or finding
        earlier = root is finding and any(_may_cause(other, finding) for other in serious)
        rank = (not earlier, root.confidence)
        best[root.name] = max(rank, best.get(root.name, rank))
    order = sorted(best, key=lambda name: (not best[name][0], -best[name][1], name))
    return tuple(RootCause(name, best[name][1]) for name in order)


def _may_cause(mechanism: Finding, effect: Finding) -> bool:
    """Whether one is about the inside and was there no later than the other, which is about the loss."""
    inside_and_outside = mechanism.code.startswith(MECHANISMS) and effect.code.startswith(LOSS)
    return inside_and_outside and (mechanism.first_step or 0) <= (effect.first_step or 0)


def _explained(
    finding: Finding, findings: Sequence[Finding], view: RunView, ruled_out: Mapping[str, Evidence]
) -> Finding:
    if finding.name not in SYMPTOMS and not set(finding.consequences) & set(SYMPTOMS):
        return finding
    facts = facts_of(view, finding.first_step)
    if finding.name not in SYMPTOMS:
        return replace(finding, causes=_beside_itself(finding, rank(facts, findings, ruled_out)))
    others = [other for other in findings if other is not finding]
    causes = rank(facts, _early_enough(others, finding.first_step, view), ruled_out)
    if all(cause.is_ruled_out for cause in causes):
        if finding.severity is Severity.INFO and view.progress.reason in EXPLAINS_ITSELF:
            return replace(finding, causes=(*finding.causes, *causes))
        unknown = Evidence(_why_unknown(facts, view))
        return replace(finding, causes=(*finding.causes, *causes), evidence=(*finding.evidence, unknown))
    against = _against(view)
    return replace(finding, causes=(*finding.causes, *(_with(cause, against) for cause in causes)))


def _beside_itself(finding: Finding, ranked: Sequence[Cause]) -> tuple[Cause, ...]:
    """The finding as the cause that it is, then what else could explain the symptom, and what cannot."""
    own = next((cause for cause in ranked if cause.name == finding.name), None)
    if own is None or own.is_ruled_out:
        return ()
    room = 1.0 - finding.confidence
    others = [
        cause if cause.is_ruled_out else replace(cause, confidence=min(cause.confidence, room))
        for cause in ranked
        if cause is not own
    ]
    return (replace(own, confidence=finding.confidence), *others)


def _early_enough(findings: Sequence[Finding], first_step: int | None, view: RunView) -> list[Finding]:
    """What began after the symptom did not cause it."""
    latest_step = (first_step or 0) + ONSET_TOLERANCE * view.span_steps
    return [finding for finding in findings if (finding.first_step or 0) <= latest_step]


def _why_unknown(facts: Mapping[str, Fact], view: RunView) -> str:
    if can_be_told(facts):
        return (
            f"{WHY_UNKNOWN}: none of {len(SIGNATURES)} causes stands out in what was recorded; train on one batch: if "
            "its loss falls, look at the data and the rate, else at the wiring"
        )
    known = "the losses" if len(view.losses) > 1 else "the loss"
    if view.learning_rate is not None:
        known += " and the learning rate"
    missing = [what for family, what in TO_LOG.items() if family not in {fact.family for fact in facts.values()}]
    return (
        f"{WHY_UNKNOWN} from {known} alone; log {', '.join(missing)} of each layer, for example with "
        "`vitals = trainvitals.watch(model, optimizer)`"
    )


def _with(cause: Cause, against: tuple[str, ...]) -> Cause:
    return cause if cause.is_ruled_out else replace(cause, evidence_against=(*cause.evidence_against, *against))


def _against(view: RunView) -> tuple[str, ...]:
    val_loss = view.val_loss
    if val_loss is None:
        return ()
    assessment = view.assess(val_loss)
    if assessment.verdict in STILL_IMPROVING and assessment.reason is not Reason.TOO_FEW_POINTS:
        return (f"{val_loss.tag} still improves",)
    return ()


__all__ = [
    "SIGNATURES",
    "SYMPTOMS",
    "causes_of_slowness",
    "causes_without_a_rule",
    "explain_findings",
    "root_causes",
]
