"""One event is one finding."""

from __future__ import annotations

from dataclasses import replace

from trainvitals.absorption import absorb
from trainvitals.model import Finding, Severity

SPAN_STEPS = 1000
ABSORBS = {
    "non-finite-loss": ("diverging-loss", "loss-spikes"),
    "diverging-loss": ("loss-spikes", "plateau"),
    "chicken": ("egg",),
    "egg": ("chicken",),
}


def found(name: str, first_step: int | None) -> Finding:
    return Finding("LOS999", name, Severity.WARNING, 0.9, name, first_step=first_step)


def test_a_symptom_that_begins_later_goes_to_its_root() -> None:
    root, symptom = found("non-finite-loss", 500), found("loss-spikes", 600)
    (kept,) = absorb([symptom, root], ABSORBS, SPAN_STEPS)
    assert (kept.name, kept.consequences) == ("non-finite-loss", ("loss-spikes",))


def test_an_event_long_before_the_root_stays_its_own_finding() -> None:
    kept = absorb([found("loss-spikes", 100), found("non-finite-loss", 500)], ABSORBS, SPAN_STEPS)
    assert [finding.name for finding in kept] == ["loss-spikes", "non-finite-loss"]


def test_two_percent_of_the_run_is_forgiven_in_the_dates() -> None:
    assert len(absorb([found("non-finite-loss", 500), found("loss-spikes", 480)], ABSORBS, SPAN_STEPS)) == 1
    assert len(absorb([found("non-finite-loss", 500), found("loss-spikes", 479)], ABSORBS, SPAN_STEPS)) == 2


def test_a_note_on_a_stretch_in_which_something_worse_begins_goes_to_it() -> None:
    root, note = found("diverging-loss", 500), replace(found("plateau", 100), severity=Severity.INFO, last_step=1000)
    (kept,) = absorb([root, note], ABSORBS, SPAN_STEPS)
    assert kept.consequences == ("plateau",)
    assert len(absorb([root, replace(note, last_step=400)], ABSORBS, SPAN_STEPS)) == 2
    assert len(absorb([root, replace(note, severity=Severity.WARNING)], ABSORBS, SPAN_STEPS)) == 2
    assert len(absorb([replace(root, severity=Severity.INFO), note], ABSORBS, SPAN_STEPS)) == 2


def test_what_explains_a_plateau_explains_what_else_is_said_of_a_loss_that_stands_still() -> None:
    for name in ("underfitting", "overtraining", "schedule-never-decays"):
        (kept,) = absorb([found("diverging-loss", 500), found(name, 600)], ABSORBS, SPAN_STEPS)
        assert kept.consequences == (name,)
        assert len(absorb([found("non-finite-loss", 500), found(name, 600)], ABSORBS, SPAN_STEPS)) == 2


def test_a_note_explains_no_alarm() -> None:
    root, symptom = replace(found("non-finite-loss", 500), severity=Severity.INFO), found("diverging-loss", 510)
    assert len(absorb([root, symptom], ABSORBS, SPAN_STEPS)) == 2
    assert len(absorb([root, replace(symptom, severity=Severity.INFO)], ABSORBS, SPAN_STEPS)) == 1


def test_a_root_matters_as_much_as_the_worst_that_it_explains() -> None:
    """Else a training in which nothing is learnt would pass for less once it is known why."""
    error = replace(found("loss-spikes", 600), severity=Severity.ERROR)
    (kept,) = absorb([found("non-finite-loss", 500), found("diverging-loss", 510), error], ABSORBS, SPAN_STEPS)
    assert (kept.name, kept.severity) == ("non-finite-loss", Severity.ERROR)
    (kept,) = absorb([found("non-finite-loss", 500), found("diverging-loss", 510)], ABSORBS, SPAN_STEPS)
    assert kept.severity is Severity.WARNING


def test_a_sparse_symptom_that_may_have_begun_with_the_root_goes_to_it() -> None:
    root, symptom = found("non-finite-loss", 500), found("diverging-loss", 400)
    assert len(absorb([root, symptom], ABSORBS, SPAN_STEPS)) == 2
    assert len(absorb([root, replace(symptom, begins_by=500)], ABSORBS, SPAN_STEPS)) == 1
    assert len(absorb([root, replace(symptom, begins_by=470)], ABSORBS, SPAN_STEPS)) == 2


def test_a_chain_goes_to_its_last_root() -> None:
    chain = [found("plateau", 520), found("diverging-loss", 510), found("non-finite-loss", 500)]
    (kept,) = absorb(chain, ABSORBS, SPAN_STEPS)
    assert kept.consequences == ("diverging-loss", "plateau")


def test_findings_without_steps_are_taken_to_belong_together() -> None:
    assert len(absorb([found("non-finite-loss", None), found("loss-spikes", 3)], ABSORBS, SPAN_STEPS)) == 1


def test_rules_that_name_each_other_do_not_make_both_vanish() -> None:
    kept = absorb([found("chicken", 5), found("egg", 5)], ABSORBS, SPAN_STEPS)
    assert len(kept) == 1


def test_nothing_to_absorb_changes_nothing() -> None:
    findings = (found("plateau", 1), found("overfitting", 2))
    assert absorb(findings, ABSORBS, SPAN_STEPS) == findings
