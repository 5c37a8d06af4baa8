"""Several runs side by side: every open finding and every setting that differs, in every run."""

from __future__ import annotations

from dataclasses import replace

from trainvitals import Run, diagnose
from trainvitals.model import Diagnosis, Finding, Severity
from trainvitals.side_by_side import differing_settings, findings_by_run


def finding(name: str, severity: Severity = Severity.WARNING, confidence: float = 0.9, **fields: str) -> Finding:
    return Finding("X001", name, severity, confidence, "summary", **fields)  # type: ignore[arg-type]


def diagnosis(*findings: Finding) -> Diagnosis:
    return replace(diagnose(run()), findings=findings)


def run(**settings: float | str | bool) -> Run:
    return replace(Run.from_columns({"loss": [3.0, 2.0, 1.0]}), hyper_parameters=settings)


def test_what_is_worst_comes_first_and_of_that_what_more_runs_have() -> None:
    rows = findings_by_run(
        [
            diagnosis(finding("note", Severity.INFO), finding("once")),
            diagnosis(finding("note", Severity.INFO), finding("twice"), finding("bad", Severity.ERROR)),
            diagnosis(finding("note", Severity.INFO), finding("twice")),
        ]
    )
    assert [row.name for row in rows] == ["bad", "twice", "once", "note"]
    assert [found is not None for found in rows[1].found] == [False, True, True]


def test_a_run_has_its_worst_finding_of_a_rule_and_none_that_was_accepted() -> None:
    (row,) = findings_by_run(
        [
            diagnosis(finding("a", Severity.INFO), finding("a", Severity.ERROR)),
            diagnosis(finding("a", state="accepted")),
        ]
    )
    assert row.found[0] is not None
    assert row.found[0].severity is Severity.ERROR
    assert row.found[1] is None


def test_without_findings_there_are_no_rows() -> None:
    assert findings_by_run([]) == findings_by_run([diagnosis()]) == ()


def test_only_settings_that_differ_are_told_and_what_is_not_logged_differs() -> None:
    rows = differing_settings([run(lr=0.1, seed=1, depth="4"), run(lr=0.2, seed=1, depth=4), run(lr=0.1, seed=1)])
    assert [(row.name, row.values) for row in rows] == [("lr", (0.1, 0.2, 0.1)), ("depth", ("4", 4, None))]
    assert differing_settings([run(lr=0.1)]) == differing_settings([]) == ()
