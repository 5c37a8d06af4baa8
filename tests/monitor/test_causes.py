"""A symptom names the mechanism that was found beside it; what nobody explains is its own root."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from trainvitals.causes import MECHANISMS, WOULD_DECIDE, explain_findings, root_causes
from trainvitals.model import Evidence, Finding, Run, Severity
from trainvitals.signals import understand
from trainvitals.view import RunView


def found(name: str, confidence: float = 0.9, severity: Severity = Severity.WARNING) -> Finding:
    return Finding("LOS999", name, severity, confidence, name, evidence=(Evidence(f"measured {name}"),))


def view(**columns: object) -> RunView:
    step = np.arange(300)
    run = Run.from_columns({"step": step, "train_loss": np.full(300, 2.0) + 1e-3 * np.sin(step), **columns})  # type: ignore[dict-item]
    return RunView(run, understand(run))


def test_a_mechanism_beside_a_symptom_is_its_cause() -> None:
    symptom, mechanism = explain_findings([found("plateau"), found("vanishing-gradients", 0.8)], view())
    (cause,) = symptom.causes
    assert (cause.name, cause.confidence) == ("vanishing-gradients", 0.8)
    assert "measured vanishing-gradients" in cause.evidence_for
    assert cause.would_decide
    assert mechanism.causes == ()


def test_the_surest_mechanism_comes_first() -> None:
    findings = [found("vanishing-gradients", 0.6), found("not-learning"), found("exploding-gradients", 0.9)]
    causes = explain_findings(findings, view())[1].causes
    assert [cause.name for cause in causes] == ["exploding-gradients", "vanishing-gradients"]


def test_a_validation_loss_that_still_falls_speaks_against() -> None:
    falling = 1.0 + 4.0 * (np.arange(300) + 5.0) ** -0.5
    (symptom, _) = explain_findings([found("plateau"), found("vanishing-gradients")], view(val_loss=falling))
    assert symptom.causes[0].evidence_against == ("val_loss still improves",)


def test_a_symptom_alone_has_no_cause() -> None:
    (symptom,) = explain_findings([found("plateau")], view())
    assert symptom.causes == ()


def test_the_root_is_the_best_cause_else_the_finding_itself() -> None:
    symptom, _ = explain_findings([found("plateau"), found("vanishing-gradients", 0.8)], view())
    roots = root_causes([symptom, found("overfitting", 0.95)])
    assert [(root.name, root.confidence) for root in roots] == [("overfitting", 0.95), ("vanishing-gradients", 0.8)]


def test_notes_and_accepted_findings_are_no_roots() -> None:
    assert (
        root_causes([found("plateau", severity=Severity.INFO), replace(found("overfitting"), state="accepted")]) == ()
    )


def test_every_mechanism_says_what_would_decide() -> None:
    assert MECHANISMS.keys() == WOULD_DECIDE.keys()
