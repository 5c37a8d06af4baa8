"""The table of causes is sound: what it names exists, what it weighs can be measured, what rules explain is in it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.monitor.causes.stuck import STUCK, causes_of, constant, found, layers, view

import trainvitals.causes
from trainvitals import tags
from trainvitals.causes import SYMPTOMS
from trainvitals.causes.facts import facts_of
from trainvitals.causes.ranking import rank
from trainvitals.causes.signatures import DECIDES, OPPOSITES, SIGNATURES
from trainvitals.causes.stretch import Fact
from trainvitals.interventions.registry import all_interventions
from trainvitals.model import Evidence, Severity
from trainvitals.rules.registry import all_rules

WITHOUT_A_RULE = {"capacity-limit", "converged", "labels-without-signal", "loss-of-plasticity"}
TO_COME = {"schedule-never-decays", "limited-diversity", "starved-domain", "label-noise-floor"}
"""Names of DESIGN that the table knows and for which there may be no rule yet."""

ROOTS_BY_THEMSELVES = {
    *("non-finite-loss", "diverging-loss", "periodic-loss", "forgetting", "overtraining", "validation-shift"),
    *("updates-too-small", "updates-too-large"),
}
"""They explain a symptom by absorbing it and stand for themselves, or show another cause of the table."""


def test_each_fact_and_state_of_the_table_is_one_that_can_be_measured() -> None:
    source = "".join(path.read_text() for path in Path(trainvitals.causes.__file__).parent.glob("facts_of_*.py"))
    for name, signature in SIGNATURES.items():
        for fact, state in signature.weights:
            assert f'"{fact}"' in source, (name, fact)
            assert f'"{state}"' in source, (name, state)


def test_each_pair_is_of_known_causes_and_each_cause_says_what_would_decide() -> None:
    assert all(pair <= set(SIGNATURES) and len(pair) == 2 for pair in (*DECIDES, *OPPOSITES))
    assert all(signature.would_decide and signature.mechanism for signature in SIGNATURES.values())


def test_names_of_causes_and_of_what_shows_them_are_those_of_rules() -> None:
    names = {rule.name for rule in all_rules()}
    assert set(SIGNATURES) - names - TO_COME <= WITHOUT_A_RULE
    assert not WITHOUT_A_RULE & names
    shown_by = {name for signature in SIGNATURES.values() for name in signature.shown_by}
    assert shown_by - names <= TO_COME


def test_what_explains_a_symptom_away_is_a_cause_of_the_table() -> None:
    explaining = {rule.name for rule in all_rules() if set(rule.absorbs) & set(SYMPTOMS)} - set(SYMPTOMS)
    assert explaining - set(SIGNATURES) <= ROOTS_BY_THEMSELVES


def test_only_what_has_no_rule_brings_its_own_interventions() -> None:
    assert {name for name, signature in SIGNATURES.items() if signature.to_try} <= WITHOUT_A_RULE
    assert {each for signature in SIGNATURES.values() for each in signature.to_try} <= set(all_interventions())


@pytest.mark.parametrize("name", [name for name in SIGNATURES if name not in WITHOUT_A_RULE])
def test_whatever_a_rule_finds_is_named_first_with_its_evidence(name: str) -> None:
    first, *_ = causes_of({}, found(name))
    assert first.name == name
    assert f"measured {name}" in first.evidence_for
    assert first.confidence > 0.4


def test_rule_and_fact_on_one_signal_are_no_surer_than_the_surer_of_them() -> None:
    columns = STUCK["dead-units"]
    alone = causes_of(columns)[0]
    together = causes_of(columns, found("dead-units", 0.5))[0]
    assert together.confidence == pytest.approx(alone.confidence)
    assert causes_of(columns, found("dead-units", 0.95))[0].confidence > alone.confidence


def test_hints_alone_name_no_cause() -> None:
    slow = {"update ratio": Fact("update ratio", "slow", "they move by 1e-5", "updates")}
    other = {"gradient direction": Fact("gradient direction", "free", "cosine 0", "direction")}
    names = {cause.name for cause in rank(slow | other, [], {}) if not cause.is_ruled_out}
    assert names == {"learning-rate-too-low"}


def test_of_two_that_exclude_each_other_only_the_likelier_is_told() -> None:
    high, low = found("learning-rate-too-high", 0.95), found("learning-rate-too-low", 0.9)
    names = [cause.name for cause in causes_of({}, high, low)]
    assert names == ["learning-rate-too-high"]


def test_a_rule_that_looked_closer_speaks_alone_for_what_it_rules_out() -> None:
    number = Evidence("at most 3 % of the units are dormant")
    columns = STUCK["learning-rate-too-low"] | layers("dormant_unit_fraction", 0.01, 0.02, 0.03)
    excluded = next(cause for cause in causes_of(columns, **{"dead-units": number}) if cause.name == "dead-units")
    assert excluded.evidence_against == (number.text,)


def test_what_is_left_by_elimination_is_never_surer_than_likely() -> None:
    causes = causes_of(STUCK["labels-without-signal"])
    assert causes[0].name == "labels-without-signal"
    assert 0.5 < causes[0].confidence <= 0.75


def test_causes_that_no_fact_shows_take_nothing_from_the_others_unless_found() -> None:
    first, *_ = causes_of(STUCK["dead-units"])
    assert first.confidence > 0.55, "shared with all causes of the table it would be 0.45"


def test_decay_that_shrinks_dead_weights_is_no_movement() -> None:
    ratio = layers("update_ratio", *[1e-4] * 3, *[1e-3] * 3)
    columns = ratio | layers("grad_norm", *[1e-9] * 3, *[1e-1] * 3) | constant("learning_rate", 1e-2)
    seen = view(**columns)
    assert facts_of(seen, 0)["early updates"].state == "even"
    settings = {"weight_decay": 1e-2, "optimizer": "SGD"}
    seen.run.hyper_parameters.update(settings)  # type: ignore[attr-defined]
    assert facts_of(seen, 0)["early updates"].state == "starved"


def test_what_a_rule_knows_of_before_outweighs_what_is_left_behind() -> None:
    columns = layers("update_ratio", *[0.0] * 6) | layers("dormant_unit_fraction", 0.95, 0.9, 0.9)
    assert causes_of(columns)[0].name == "dead-units"
    assert causes_of(columns, found("learning-rate-too-high", 0.95))[0].name == "learning-rate-too-high"


def test_a_note_counts_less_than_a_warning() -> None:
    noise = found("gradient-noise-dominates", 0.6, Severity.INFO)
    assert causes_of({}, noise)[0].confidence < 0.7


def test_few_directions_and_grown_weights_are_a_loss_of_plasticity_and_no_more_than_possible() -> None:
    rank_of = {f"effective_rank/{name}": np.linspace(40.0, 4.0, 300) for name in "ab"}
    norms = {f"weight_norm/{name}.weight": np.linspace(1.0, 30.0, 300) for name in "ab"}
    columns = layers("update_ratio", *[1e-3] * 6) | rank_of | norms | constant(tags.GRADIENT_COSINE, 0.0)
    symptom = {cause.name: cause for cause in causes_of(columns | layers("dormant_unit_fraction", 0.4, 0.4))}
    assert symptom["loss-of-plasticity"].confidence <= 0.5
    assert not symptom["loss-of-plasticity"].is_ruled_out
