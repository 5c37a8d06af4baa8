"""A symptom names its causes, ranked, with what speaks against them; what nobody explains is its own root."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.monitor.causes.stuck import HEALTHY_LAYERS, POINTS, STUCK, causes_of, constant, found, view

from trainvitals.causes import explain_findings, root_causes
from trainvitals.causes.facts import facts_of
from trainvitals.causes.ranking import rank
from trainvitals.model import Cause, Evidence, Reason, Severity


@pytest.mark.parametrize("cause", STUCK)
def test_the_facts_of_each_cause_put_it_first(cause: str) -> None:
    causes = causes_of(STUCK[cause])
    assert causes[0].name == cause
    assert causes[0].confidence > 0.5
    assert causes[0].evidence_for
    assert causes[0].would_decide


@pytest.mark.parametrize("cause", STUCK)
def test_confidences_are_shares_of_one_whole_and_sorted(cause: str) -> None:
    causes = causes_of(STUCK[cause])
    likely = [each.confidence for each in causes if not each.is_ruled_out]
    assert sum(each.confidence for each in causes) < 1
    assert likely == sorted(likely, reverse=True)
    assert [each.is_ruled_out for each in causes] == sorted(each.is_ruled_out for each in causes)


def test_from_the_loss_alone_no_cause_is_named_and_what_to_log_is() -> None:
    (symptom,) = explain_findings([found("plateau")], view(), {})
    assert symptom.causes == ()
    assert symptom.unexplained is not None
    assert symptom.unexplained.startswith(
        "why cannot be told from the loss alone; log update_ratio, grad_norm, activations of "
    )


def test_a_note_on_a_loss_that_came_to_rest_asks_for_no_cause() -> None:
    loss = 1.0 + 4.0 * np.exp(-np.arange(POINTS) / 20.0) + 1e-4 * np.sin(np.arange(POINTS))
    rested = view(train_loss=loss)
    assert rested.progress.reason is Reason.CONVERGED
    (note,) = explain_findings([found("plateau", severity=Severity.INFO)], rested, {})
    assert note.unexplained is None
    (alarm,) = explain_findings([found("plateau")], rested, {})
    assert alarm.unexplained is not None


def test_one_signal_beside_the_loss_is_not_enough() -> None:
    assert causes_of(constant("learning_rate", 1e-3)) == ()


def test_a_mechanism_that_a_rule_found_is_named_even_where_little_was_logged() -> None:
    causes = causes_of({}, found("vanishing-gradients", 0.8))
    assert causes[0].name == "vanishing-gradients"
    assert "measured vanishing-gradients" in causes[0].evidence_for


def test_the_surer_mechanism_comes_first() -> None:
    causes = causes_of(HEALTHY_LAYERS, found("clipping-saturated", 0.6), found("dead-units", 0.95))
    assert [cause.name for cause in causes[:2]] == ["dead-units", "clipping-saturated"]


def test_what_a_number_rules_out_is_told_with_the_number_after_the_likely_ones() -> None:
    number = Evidence("at most 3 % of the units are dormant")
    causes = causes_of(STUCK["learning-rate-too-low"], **{"dead-units": number})
    excluded = next(cause for cause in causes if cause.name == "dead-units")
    assert number.text in excluded.evidence_against
    assert not excluded.evidence_for
    assert excluded.confidence < 0.05 < causes[0].confidence


def test_two_opposite_causes_are_never_both_likely() -> None:
    for columns in STUCK.values():
        likely = {cause.name for cause in causes_of(columns) if cause.confidence > 0.2}
        assert not {"learning-rate-too-low", "learning-rate-too-high"} <= likely


def test_a_validation_loss_that_still_falls_speaks_against() -> None:
    falling = 1.0 + 4.0 * (np.arange(POINTS) + 5.0) ** -0.5
    causes = causes_of({"val_loss": falling, **STUCK["dead-units"]})
    assert "val_loss still improves" in causes[0].evidence_against


def test_facts_are_those_of_the_stretch_in_which_it_is_stuck() -> None:
    ratio = np.where(np.arange(POINTS) < 150, 1e-3, 1e-6)
    columns = {f"update_ratio/layers.{index}.weight": ratio for index in range(6)}
    before, after = (facts_of(view(**columns), first)["update ratio"].state for first in (0, 150))
    assert after == "slow"
    assert before != "slow"


def test_a_validation_loss_frozen_to_the_last_digit_is_one_of_weights_that_do_not_move() -> None:
    columns = {"val_loss": np.full(POINTS, 1.5), "learning_rate": np.full(POINTS, 1e-3)}
    assert causes_of(columns)[0].name == "parameters-not-updated"


def test_what_began_after_the_symptom_is_not_its_cause() -> None:
    late = replace(found("learning-rate-exhausted"), first_step=200)
    assert causes_of({}, late) == ()
    assert causes_of({}, replace(late, first_step=3))[0].name == "learning-rate-exhausted"


def test_a_finding_that_is_no_symptom_is_left_as_it_is() -> None:
    _, mechanism = explain_findings([found("plateau"), found("dead-units")], view(), {})
    assert mechanism.causes == ()


def test_the_root_is_a_likely_cause_else_the_finding_itself() -> None:
    explained = replace(found("plateau"), causes=(Cause("vanishing-gradients", 0.8, ("seen",)),))
    guessed = replace(
        found("not-learning", 0.9),
        causes=(Cause("capacity-limit", 0.3, ("seen",)), Cause("dead-units", 0.9, (), ("none",))),
    )
    roots = root_causes([explained, guessed, found("overfitting", 0.95)])
    assert [(root.name, root.confidence) for root in roots] == [
        ("overfitting", 0.95),
        ("not-learning", 0.9),
        ("vanishing-gradients", 0.8),
    ]


def test_notes_and_accepted_findings_are_no_roots() -> None:
    assert (
        root_causes([found("plateau", severity=Severity.INFO), replace(found("overfitting"), state="accepted")]) == ()
    )


def test_nothing_known_ranks_nothing() -> None:
    assert rank({}, [], {}) == ()


def test_what_was_wrong_inside_before_comes_before_what_the_loss_did() -> None:
    nan = replace(found("non-finite-loss", 0.99), code="LOS001", first_step=700)
    start = replace(found("poor-initialisation", 0.9), code="UPD008", first_step=0)
    assert [root.name for root in root_causes([nan, start])] == ["poor-initialisation", "non-finite-loss"]
    late = replace(start, first_step=800)
    assert [root.name for root in root_causes([nan, late])] == ["non-finite-loss", "poor-initialisation"]
    slow_machine = replace(start, code="SYS001", name="input-bound")
    assert [root.name for root in root_causes([nan, slow_machine])] == ["non-finite-loss", "input-bound"]


def test_a_cause_of_two_findings_has_the_confidence_of_the_surer() -> None:
    stuck = replace(found("plateau", 0.9), causes=(Cause("dead-units", 0.7, ("seen",)),))
    again = replace(found("not-learning", 0.9), causes=(Cause("dead-units", 0.8, ("seen",)),))
    assert [(root.name, root.confidence) for root in root_causes([stuck, again])] == [("dead-units", 0.8)]
