"""Successive diagnoses become changes: told once, after two looks agree, and never lost."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.monitor.reporters.diagnoses import HEALTHY, PLATEAU

from trainvitals.live.changes import MOST_RESOLVED, FindingLedger
from trainvitals.model import Diagnosis, Evidence, Finding, NotAssessed, Problem, Severity

LIKELY, VERY_LIKELY, CERTAIN = 0.6, 0.9, 0.99
NAN = replace(PLATEAU, name="non-finite-loss", severity=Severity.ERROR, confidence=CERTAIN)


def diagnosis(*findings: Finding, step: int = 12_400) -> Diagnosis:
    return replace(HEALTHY, findings=findings, last_step=step)


def told(*diagnoses: Diagnosis, settled: bool = False) -> list[list[tuple[str, str]]]:
    """The kind and name of the changes of each look."""
    ledger = FindingLedger()
    return [[(c.kind, c.finding.name) for c in ledger.look(each, 0.0, settled=settled)] for each in diagnoses]


def test_two_looks_open_a_finding_and_it_is_told_once() -> None:
    assert told(*[diagnosis(PLATEAU)] * 4) == [[], [("opened", "plateau")], [], []]


def test_one_look_alone_says_nothing() -> None:
    assert told(diagnosis(PLATEAU), diagnosis(), diagnosis(PLATEAU), diagnosis()) == [[], [], [], []]


def test_two_looks_without_it_resolve_a_finding() -> None:
    looks = [diagnosis(PLATEAU)] * 2 + [diagnosis()] * 3
    assert told(*looks)[2:] == [[], [("resolved", "plateau")], []]


def test_a_resolved_finding_keeps_its_state() -> None:
    ledger = FindingLedger()
    for each in [diagnosis(PLATEAU)] * 2 + [diagnosis()] * 2:
        ledger.look(each, 0.0)
    assert [(finding.name, finding.state) for finding in ledger.findings] == [("plateau", "resolved")]


def test_a_loss_that_is_not_finite_is_told_at_the_first_look() -> None:
    assert told(diagnosis(NAN)) == [[("opened", "non-finite-loss")]]


def test_a_note_on_isolated_values_waits_for_the_second_look() -> None:
    assert told(diagnosis(replace(NAN, severity=Severity.INFO))) == [[]]


def test_a_settled_log_needs_no_second_look() -> None:
    assert told(diagnosis(PLATEAU), settled=True) == [[("opened", "plateau")]]


@pytest.mark.parametrize(
    "worse",
    [
        replace(PLATEAU, severity=Severity.ERROR),
        replace(PLATEAU, confidence=CERTAIN),
        replace(PLATEAU, severity=Severity.ERROR, confidence=LIKELY),
    ],
)
def test_a_risen_severity_or_word_is_told_once_after_two_looks(worse: Finding) -> None:
    looks = [diagnosis(PLATEAU)] * 2 + [diagnosis(worse)] * 3
    assert told(*looks)[2:] == [[], [("worsened", "plateau")], []]


def test_a_rise_within_one_word_is_not_told() -> None:
    looks = [diagnosis(PLATEAU)] * 2 + [diagnosis(replace(PLATEAU, confidence=0.95))] * 2
    assert told(*looks)[2:] == [[], []]


def test_a_level_that_falls_and_rises_again_is_not_told_twice() -> None:
    certain, likely = replace(PLATEAU, confidence=CERTAIN), replace(PLATEAU, confidence=LIKELY)
    looks = [diagnosis(certain)] * 2 + [diagnosis(likely)] * 2 + [diagnosis(certain)] * 2
    assert told(*looks)[2:] == [[], [], [], []]


def test_an_alarm_that_becomes_a_note_is_resolved() -> None:
    ledger = FindingLedger()
    note = replace(PLATEAU, severity=Severity.INFO)
    for each in [diagnosis(PLATEAU)] * 2 + [diagnosis(note)]:
        ledger.look(each, 0.0)
    (change,) = ledger.look(diagnosis(note), 0.0)
    assert (change.kind, change.finding.severity, change.finding.state) == ("resolved", Severity.INFO, "resolved")


def test_the_same_event_is_not_told_again_when_it_comes_back() -> None:
    looks = [diagnosis(PLATEAU)] * 2 + [diagnosis()] * 2 + [diagnosis(PLATEAU)] * 2 + [diagnosis()] * 2
    assert told(*looks)[4:] == [[], [], [], []]


def test_another_event_of_the_same_kind_is_told() -> None:
    later = replace(PLATEAU, first_step=20_000)
    looks = [diagnosis(PLATEAU, step=12_400)] * 2 + [diagnosis(step=15_000)] * 2 + [diagnosis(later, step=30_000)] * 2
    assert told(*looks)[4:] == [[], [("opened", "plateau")]]


def test_the_same_event_is_told_again_if_it_is_worse_than_ever() -> None:
    worse = replace(PLATEAU, severity=Severity.ERROR)
    looks = [diagnosis(PLATEAU)] * 2 + [diagnosis()] * 2 + [diagnosis(worse)] * 2
    assert told(*looks)[4:] == [[], [("opened", "plateau")]]


def test_a_run_that_starts_anew_is_told_anew() -> None:
    looks = [diagnosis(PLATEAU, step=9000)] * 2 + [diagnosis(step=9000)] * 2 + [diagnosis(PLATEAU, step=5000)] * 2
    assert told(*looks)[4:] == [[], [("opened", "plateau")]]


def test_accepted_findings_are_not_announced() -> None:
    assert told(*[diagnosis(replace(NAN, state="accepted"))] * 3) == [[], [], []]


def test_too_little_to_judge_is_no_news() -> None:
    assert told(*[diagnosis(replace(PLATEAU, name="nothing-to-judge"))] * 3) == [[], [], []]


def on(signal: str, layers: tuple[str, ...] = (), **changes: object) -> Finding:
    return replace(PLATEAU, evidence=(Evidence("", signal),) if signal else (), layers=layers, **changes)  # type: ignore[arg-type]


def test_findings_of_one_rule_on_two_signals_are_two() -> None:
    both = diagnosis(on("val/code"), on("val/wiki"))
    assert told(both, both, diagnosis(on("val/code")), diagnosis(on("val/code")))[1:] == [
        [("opened", "plateau"), ("opened", "plateau")],
        [],
        [("resolved", "plateau")],
    ]


def test_a_finding_that_spreads_to_another_layer_is_the_same() -> None:
    narrow, wide = on("", ("a", "b")), on("", ("a", "b", "c"))
    assert told(diagnosis(narrow), diagnosis(wide), diagnosis(wide)) == [[], [("opened", "plateau")], []]


@pytest.mark.parametrize(
    "excuse",
    [
        diagnosis(replace(NAN, consequences=("plateau",))),
        replace(diagnosis(), problems=(Problem("rule-failed", "plateau", "ZeroDivisionError"),)),
        replace(diagnosis(), not_assessed=(NotAssessed("LOS005", "plateau", ("train_loss",), ""),)),
    ],
)
def test_what_is_explained_by_another_or_was_not_judged_is_not_resolved(excuse: Diagnosis) -> None:
    later = told(*[diagnosis(PLATEAU)] * 2, *[excuse] * 3)[2:]
    assert [change for look in later for change in look if change[1] == "plateau"] == []


def test_an_endless_log_does_not_pile_up_resolved_findings() -> None:
    ledger = FindingLedger()
    for index in range(2 * MOST_RESOLVED):
        for each in [diagnosis(on(f"tag{index}"))] * 2 + [diagnosis()] * 2:
            ledger.look(each, 0.0)
    assert len(ledger.findings) == MOST_RESOLVED


ANY_FINDING = st.builds(
    on,
    st.sampled_from(["a", "b"]),
    name=st.sampled_from(["plateau", "overfitting"]),
    severity=st.sampled_from(list(Severity)),
    confidence=st.sampled_from([LIKELY, VERY_LIKELY, CERTAIN]),
    first_step=st.sampled_from([0, 500]),
)


@given(st.lists(st.lists(ANY_FINDING, max_size=3, unique_by=lambda f: (f.name, f.evidence[0].signal)), max_size=12))
def test_changes_of_each_finding_make_sense_in_any_order(looks: list[list[Finding]]) -> None:
    """Opened comes before worsened and resolved, and no announcement is made twice about one event."""
    ledger = FindingLedger()
    standing: set[tuple[str, str | None]] = set()
    announced: set[tuple[object, ...]] = set()
    for index, findings in enumerate(looks):
        for change in ledger.look(diagnosis(*findings, step=1000 + index), 0.0):
            finding = change.finding
            key = (finding.name, finding.evidence[0].signal)
            if change.kind == "opened":
                assert key not in standing
                standing.add(key)
            elif change.kind == "worsened":
                assert key in standing
            else:
                standing.discard(key)
                continue
            said = (*key, change.kind, finding.severity, finding.likelihood)
            assert said not in announced
            announced.add(said)


def test_what_is_accepted_after_it_was_told_is_forgotten_rather_than_resolved() -> None:
    ledger = FindingLedger()
    assert [change.kind for change in ledger.look(diagnosis(PLATEAU), 0.0, settled=True)] == ["opened"]
    accepted = diagnosis(replace(PLATEAU, state="accepted"))
    for _ in range(3):
        assert ledger.look(accepted, 0.0) == []
    assert ledger.findings == ()
    assert not ledger.unsettled


def test_a_finding_that_is_not_accepted_stays_beside_its_namesake_that_is() -> None:
    ledger = FindingLedger()
    ledger.look(diagnosis(on("val/a"), on("val/b")), 0.0, settled=True)
    for _ in range(2):
        assert ledger.look(diagnosis(on("val/a"), replace(on("val/b"), state="accepted")), 0.0) == []
    (left,) = ledger.findings
    assert left.signals == {"val/a"}
