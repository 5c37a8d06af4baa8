"""What our own hooks write is understood by its exact name, in every company, and never taken for something else."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.monitor.naming.made_runs import falling, run_of

from trainvitals import read_run, tags
from trainvitals.eventfile import EventFileWriter
from trainvitals.model import Run
from trainvitals.signals import understand

HAND_PICKED = {
    tags.TRAIN_LOSS: "train_loss",
    tags.VALIDATION_LOSS: "val_loss",
    tags.learning_rate(1): "learning_rate",
    tags.weight_decay(0): "recorded",
    tags.of_optimizer(tags.GRADIENT_NORM, 1): "grad_norm",
    tags.of_optimizer(tags.NON_FINITE_GRADIENTS, 1): "recorded",
    tags.STEP_TIME_S: "step_time",
    tags.of_rank(tags.STEP_TIME_S, 0): "recorded",
    tags.PROBE_SET_LOSS: "recorded",
}
ROLES_OF_UNITS = {
    "s": {"step_time", "data_time", "time"},
    "samples / s": {"throughput"},
    "tokens / s": {"throughput"},
    "bytes": {"memory"},
    "loss / weight": {"grad_norm"},
}
"""What is measured in such a unit has one of these roles, and nothing else has."""
PLAIN = [tag for tag in tags.TAGS if tag not in (tags.LEARNING_RATE, tags.WEIGHT_DECAY)]
WHOLE_RUN = [*PLAIN, tags.learning_rate(0), tags.learning_rate(1), tags.weight_decay(0)]
WHOLE_RUN += [tags.of_rank(tags.STEP_TIME_S, 0), tags.of_rank(tags.STEP_TIME_S, 1)]
WHOLE_RUN += [tags.of_optimizer(tags.GRADIENT_NORM, 1), tags.of_optimizer(tags.NON_FINITE_GRADIENTS, 1)]
LAYERS = ["0", "encoder.1.weight", "head", "loss", "val", "norm", "lr"]
PER_LAYER = [tags.per_layer(kind, layer) for kind in tags.PER_LAYER_KINDS for layer in LAYERS]

HOSTILE_NAMES = [
    *("val", "test", "train", "total", "all", "data", "batch", "loss", "accuracy", "reward", "lr", "ema"),
    *("generator", "discriminator", "policy", "value", "wiki-103", "a/b"),
]
"""Names of domains and suites that mean something else elsewhere."""


def recorded_by_us(*names: str) -> Run:
    return replace(run_of({tag: falling() for tag in names}), hyper_parameters={"trainvitals": "0.1.0"})


def roles_of(run: Run) -> dict[str, str]:
    return {role.tag: role.role for role in understand(run).roles}


def role_alone(tag: str) -> str:
    (role,) = understand(run_of({tag: falling()})).roles
    assert role.tag == tag
    return role.role


ALONE = {tag: role_alone(tag) for tag in WHOLE_RUN}


@pytest.mark.parametrize("tag", PLAIN)
def test_every_tag_of_the_catalogue_has_a_role_that_fits_its_unit(tag: str) -> None:
    fitting = ROLES_OF_UNITS.get(tags.TAGS[tag].unit, set())
    of_other_units = set().union(*ROLES_OF_UNITS.values()) - fitting
    assert not fitting or ALONE[tag] in fitting
    assert ALONE[tag] not in {"other", *of_other_units}


@pytest.mark.parametrize(("tag", "role"), HAND_PICKED.items())
def test_the_role_of_a_tag_is_that_of_its_kind_and_what_is_of_one_rank_is_none_of_the_runs(tag: str, role: str) -> None:
    assert role_alone(tag) == role


@given(st.lists(st.sampled_from([*WHOLE_RUN, *PER_LAYER]), unique=True))
def test_every_tag_of_the_catalogue_has_its_role_in_every_company(names: list[str]) -> None:
    run = run_of({tag: falling() for tag in names})
    signals = understand(run)
    layers = {tag: f"per_layer.{tag.partition('/')[0]}" for tag in names if tag in PER_LAYER}
    assert roles_of(run) == {tag: layers.get(tag) or ALONE[tag] for tag in names}
    assert signals.train_loss == ((tags.TRAIN_LOSS,) if tags.TRAIN_LOSS in names else ())
    assert signals.val_loss == ({"": tags.VALIDATION_LOSS} if tags.VALIDATION_LOSS in names else {})
    assert signals.metrics == ()
    assert signals.rewards == ()
    assert signals.supervised
    assert {tag for found in signals.per_layer.values() for tag in found.tags} == set(layers)


def test_the_reason_that_is_shown_is_the_meaning_in_the_catalogue() -> None:
    (role,) = understand(run_of({tags.PROBE_SET_LOSS: falling()})).roles
    assert role.why == tags.TAGS[tags.PROBE_SET_LOSS].meaning


def test_a_bare_learning_rate_of_another_logger_is_read_as_before() -> None:
    assert roles_of(run_of({"learning_rate": falling(), "weight_decay": falling()})) == {
        "learning_rate": "learning_rate",
        "weight_decay": "other",
    }


@given(st.lists(st.sampled_from(HOSTILE_NAMES), unique=True, min_size=1))
def test_what_a_domain_has_is_no_total_and_no_validation_whatever_the_domain_is_called(domains: list[str]) -> None:
    own = [tags.train_metric(name, domain) for domain in domains for name in ("loss", "tokens", "samples")]
    signals = understand(recorded_by_us(tags.TRAIN_LOSS, tags.VALIDATION_LOSS, *own))
    assert signals.train_loss == (tags.TRAIN_LOSS,)
    assert dict(signals.val_loss) == {"": tags.VALIDATION_LOSS}
    assert (signals.metrics, signals.tokens) == ((), ())
    assert signals.supervised
    assert {role.tag for role in signals.roles if role.role == "domain"} == set(own)


@given(st.lists(st.sampled_from(HOSTILE_NAMES), unique=True, min_size=1))
def test_a_suite_keeps_its_loss_and_its_metrics_whatever_it_is_called(suites: list[str]) -> None:
    losses = {suite: tags.validation_loss(suite) for suite in suites}
    measures = {tags.validation_metric("accuracy", suite): suite for suite in suites}
    signals = understand(recorded_by_us(tags.TRAIN_LOSS, *losses.values(), *measures))
    assert signals.train_loss == (tags.TRAIN_LOSS,)
    assert signals.val_loss == losses
    assert {(metric.tag, metric.split, metric.suite) for metric in signals.metrics} == {
        (tag, "val", suite) for tag, suite in measures.items()
    }


def test_texts_of_ours_are_no_numbers(tmp_path) -> None:
    with EventFileWriter(tmp_path) as writer:
        writer.write_scalars(0, {tags.TRAIN_LOSS: 1.0})
        writer.write_text(0, tags.event("checkpoint"), "{}")
        writer.write_text(0, "trainvitals/diagnosis", "loss 3.1, accuracy 0.5")
    run = read_run(tmp_path)
    assert set(run.texts) == {"event/checkpoint", "trainvitals/diagnosis"}
    assert roles_of(run) == {tags.TRAIN_LOSS: "train_loss"}
