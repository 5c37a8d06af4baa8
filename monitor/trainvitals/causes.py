"""From symptoms to causes: which finding explains which, and what else in the run speaks for or against it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from trainvitals.model import Cause, Finding, Reason, RootCause, Severity, Verdict
from trainvitals.view import RunView

SYMPTOMS = ("plateau", "not-learning")

# What each finding, when it stands beside a symptom, says about it. A symptom with such a finding beside it has a
# mechanism; the finding's own confidence is that of the cause, since the step from one to the other is direct.
MECHANISMS = {
    "vanishing-gradients": "the early layers receive almost no gradient, so they cannot learn",
    "learning-rate-exhausted": "the learning rate is (nearly) zero, so nothing moves any more",
    "exploding-gradients": "the gradients blow up, so the updates overshoot",
}

# What would decide whether the mechanism is the cause: one measurement or one short experiment.
WOULD_DECIDE = {
    "vanishing-gradients": "log each layer's update-to-weight ratio: below 1e-4 in the early layers only",
    "learning-rate-exhausted": "raise the rate to a tenth of its peak for 2 % of the run: the loss falls again",
    "exploding-gradients": "clip the gradient norm at its own median for 2 % of the run: the loss falls again",
}


def explain_findings(findings: Sequence[Finding], view: RunView) -> tuple[Finding, ...]:
    """The same findings, each symptom with the causes that other findings of the run point to."""
    mechanisms = [finding for finding in findings if finding.name in MECHANISMS]
    return tuple(_explained(finding, mechanisms, view) if finding.name in SYMPTOMS else finding for finding in findings)


def root_causes(findings: Sequence[Finding]) -> tuple[RootCause, ...]:
    """What explains the open findings at warning or above: their best cause, or they themselves; surest first."""
    best: dict[str, float] = {}
    for finding in findings:
        if finding.state != "open" or finding.severity is Severity.INFO:
            continue
        top = max(finding.causes, key=lambda cause: cause.confidence, default=None)
        name, confidence = (finding.name, finding.confidence) if top is None else (top.name, top.confidence)
        best[name] = max(confidence, best.get(name, 0.0))
    return tuple(RootCause(name, best[name]) for name in sorted(best, key=lambda name: (-best[name], name)))


def _explained(symptom: Finding, mechanisms: Sequence[Finding], view: RunView) -> Finding:
    causes = [
        Cause(
            name=mechanism.name,
            confidence=mechanism.confidence,
            evidence_for=(MECHANISMS[mechanism.name], *(item.text for item in mechanism.evidence[:2])),
            evidence_against=_against(view),
            would_decide=WOULD_DECIDE[mechanism.name],
        )
        for mechanism in mechanisms
    ]
    return replace(symptom, causes=(*symptom.causes, *sorted(causes, key=lambda cause: -cause.confidence)))


def _against(view: RunView) -> tuple[str, ...]:
    val_loss = view.val_loss
    if val_loss is None:
        return ()
    assessment = view.assess(val_loss)
    if assessment.verdict in (Verdict.PROGRESSING, Verdict.SLOW) and assessment.reason is not Reason.TOO_FEW_POINTS:
        return (f"{val_loss.tag} still improves",)
    return ()
