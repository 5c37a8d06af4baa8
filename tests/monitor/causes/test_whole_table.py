"""Each cause of a plateau that is claimed can be reached: from made signals through all rules to the root cause.

The rows are those of the signature table that the design rests on, and the faults of the wiring. What cannot be known
from one run is written down below, and is never named as more than possible.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from trainvitals import diagnose, tags
from trainvitals.causes import SYMPTOMS
from trainvitals.causes.signatures import OPPOSITES, SIGNATURES
from trainvitals.model import Diagnosis, Run, Series
from trainvitals.rules.registry import all_rules

STEPS, RECORDS = 600, 60
EVERY = STEPS // RECORDS
RNG = np.random.default_rng(0)
Values = np.ndarray[Any, Any]
Columns = dict[str, Values]

LAYERS = ("0.weight", "2.weight", "4.weight", "6.weight", "8.weight", "10.weight")
MODULES = ("0", "2", "4", "6", "8", "10")
NEVER = np.log(5) + 0.002 * RNG.standard_normal(STEPS)
STUCK_LATER = np.maximum(5.0 * np.exp(-np.arange(STEPS) / 60.0), 0.9) + 0.002 * RNG.standard_normal(STEPS)
BACK_AT_GUESSING = np.where(np.arange(STEPS) < 200, 1.6 - np.arange(STEPS) / 250, 1.6) + 0.002 * RNG.standard_normal(
    STEPS
)
FALLS_FOR_A_THIRD = 5.0 * np.exp(-np.minimum(np.arange(STEPS), 200) / 150.0) + 0.002 * RNG.standard_normal(STEPS)
RATE_OF_A_THIRD = np.where(np.arange(RECORDS) < RECORDS // 3, 1e-2, 0.0)
OVERFITTED = 1.5 + 0.002 * (np.arange(RECORDS) - 15.0) ** 2 + 0.01 * RNG.standard_normal(RECORDS)


def flat(value: float, records: int = RECORDS, noise: float = 0.02) -> Values:
    return value * np.exp(noise * np.random.default_rng(1).standard_normal(records))


def by_layer(kind: str, *values: float, names: tuple[str, ...] = LAYERS) -> Columns:
    return {f"{kind}/{name}": flat(value) for name, value in zip(names, values, strict=False)}


def later(before: float, after: float, since: int = 20) -> Values:
    return np.where(np.arange(RECORDS) < since, flat(before), flat(after))


def ordinary(loss: Values) -> Columns:
    """A training in which nothing is wrong but that its loss stands still."""
    return {
        tags.TRAIN_LOSS: loss,
        tags.VALIDATION_LOSS: loss[::EVERY] + 0.01,
        "learning_rate/group0": np.full(RECORDS, 1e-2),
        tags.GRADIENT_NORM: flat(0.5),
        tags.GRADIENT_COSINE: 0.05 * np.random.default_rng(2).standard_normal(RECORDS),
        **by_layer("update_ratio", *[2e-3] * 6),
        **by_layer("grad_norm", *[0.2] * 6),
        **{f"weight_norm/{name}": np.full(RECORDS, 5.0) for name in LAYERS},
        tags.UNOWNED_PARAMETERS: np.zeros(RECORDS),
        tags.NO_GRADIENT: np.zeros(RECORDS),
        tags.NOT_MOVED: np.zeros(RECORDS),
        tags.GRADIENTS_KEPT: np.zeros(RECORDS),
        tags.MODEL_IN_EVAL_MODE: np.zeros(RECORDS),
        tags.OUTPUT_ROW_SUM: RNG.standard_normal(RECORDS),
        tags.BATCH_MEAN: flat(0.1),
        tags.BATCH_STD: flat(1.0),
        tags.BATCH_CHECKSUM: RNG.random(RECORDS),
        **by_layer("activation_zero_fraction", *[0.3] * 5, names=MODULES),
        **by_layer("dormant_unit_fraction", *[0.02] * 5, names=MODULES),
        **by_layer("activation_saturated_fraction", *[0.02] * 5, names=MODULES),
        **by_layer("activation_std", *[1.0] * 6, names=MODULES),
        **by_layer("effective_rank", *[20.0] * 5, names=MODULES),
        **by_layer("unit_similarity", *[0.2] * 6),
    }


SGD = {"optimizer": "SGD", "lr": 1e-2, "momentum": 0.0, "weight_decay": 0.0}
ADAMW = {"optimizer": "AdamW", "lr": 1e-2, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.01}


ROWS: Mapping[str, tuple[Columns, Mapping[str, Any]]] = {
    "vanishing-gradients": (
        by_layer("grad_norm", 1e-8, 1e-7, 1e-5, 1e-4, 1e-2, 0.2)
        | by_layer("update_ratio", 1e-10, 1e-9, 1e-7, 1e-6, 1e-4, 2e-3),
        SGD,
    ),
    "learning-rate-too-low": (
        by_layer("update_ratio", *[2e-7] * 6) | {tags.GRADIENT_COSINE: flat(0.8), "learning_rate/group0": flat(1e-8)},
        SGD | {"lr": 1e-8},
    ),
    "learning-rate-too-high": (
        by_layer("update_ratio", *[0.6] * 6) | {tags.GRADIENT_COSINE: flat(-0.5)},
        SGD,
    ),
    "gradient-noise-dominates": (
        {tags.GRADIENT_NOISE_SCALE_PROXY: flat(200.0), tags.TRAIN_LOSS: STUCK_LATER},
        ADAMW,
    ),
    "dead-units": (
        by_layer("activation_zero_fraction", *[1.0] * 5, names=MODULES)
        | by_layer("dormant_unit_fraction", *[1.0] * 5, names=MODULES),
        SGD,
    ),
    "saturated-activations": (by_layer("activation_saturated_fraction", *[0.97] * 5, names=MODULES), SGD),
    "representation-collapse": (
        {f"effective_rank/{name}": np.where(np.arange(RECORDS) < 2, 20.0, 0.0) for name in MODULES},
        SGD,
    ),
    "attention-collapse": (
        {f"attention_entropy/{name}": later(2.3, 0.01) for name in MODULES}
        | {f"attention_logit_max/{name}": later(3.0, 500.0) for name in MODULES},
        ADAMW,
    ),
    "attention-logit-growth": (
        {f"attention_entropy/{name}": flat(2.0) for name in MODULES}
        | {f"attention_logit_max/{name}": np.geomspace(3.0, 3e4, RECORDS) for name in MODULES}
        | {tags.TRAIN_LOSS: BACK_AT_GUESSING},
        ADAMW,
    ),
    "activation-growth": (
        {f"activation_std/{name}": np.geomspace(1e-3, 1e7, RECORDS).clip(1.0) for name in MODULES[3:]},
        ADAMW,
    ),
    "poor-initialisation": (
        by_layer("activation_std", *np.geomspace(1.0, 1e4, 6), names=MODULES)
        | {f"activation_mean/{MODULES[-1]}": np.random.default_rng(7).standard_normal(RECORDS)},
        SGD,
    ),
    "learning-rate-exhausted": (
        {
            tags.TRAIN_LOSS: FALLS_FOR_A_THIRD,
            "learning_rate/group0": RATE_OF_A_THIRD,
            **{f"update_ratio/{name}": 0.2 * RATE_OF_A_THIRD for name in LAYERS},
        },
        SGD,
    ),
    "overfitting": (
        {tags.TRAIN_LOSS: 2.0 * np.exp(-np.arange(STEPS) / 150.0), tags.VALIDATION_LOSS: OVERFITTED},
        SGD,
    ),
    "symmetric-initialisation": ({f"unit_similarity/{name}": np.ones(RECORDS) for name in LAYERS}, SGD),
    "clipping-saturated": (
        {
            tags.CLIPPED: np.ones(RECORDS),
            tags.GRADIENT_NORM_BEFORE_CLIPPING: flat(5.0),
            tags.GRADIENT_NORM: flat(1e-4),
            **by_layer("update_ratio", *[5e-7] * 6),
        },
        SGD,
    ),
    "adam-epsilon-dominates": (
        by_layer("epsilon_share", *[1.0] * 6) | by_layer("update_ratio", *[5e-7] * 6),
        ADAMW | {"eps": 10.0},
    ),
    "weight-decay-dominates": (
        {f"weight_norm/{name}": np.geomspace(5.0, 5e-3, RECORDS) for name in LAYERS},
        ADAMW | {"weight_decay": 60.0},
    ),
    "parameters-not-updated": (
        {tags.NO_GRADIENT: np.full(RECORDS, 5.0)}
        | {f"{kind}/{name}": np.full(RECORDS, np.nan) for kind in ("grad_norm", "update_ratio") for name in LAYERS[:5]},
        SGD,
    ),
    "stale-gradients": ({tags.GRADIENTS_KEPT: np.ones(RECORDS)}, SGD),
    "wrong-loss-input": ({tags.OUTPUT_ROW_SUM: np.ones(RECORDS)}, SGD),
    "unnormalised-inputs": ({tags.BATCH_MEAN: flat(300.0), tags.BATCH_STD: flat(1.0)}, SGD),
    "labels-without-signal": ({}, SGD),
}


def run_of(columns: Columns, settings: Mapping[str, Any]) -> Run:
    series = {}
    for tag, value in columns.items():
        step = np.arange(len(value), dtype=np.int64) * (1 if len(value) == STEPS else EVERY)
        series[tag] = Series(tag, step, step.astype(np.float64), np.asarray(value, np.float64))
    return Run(id="run", path="", name="run", format="columns", series=series, hyper_parameters=dict(settings))


def said_of(cause: str) -> Diagnosis:
    columns, settings = ROWS[cause]
    loss = columns.get(tags.TRAIN_LOSS, NEVER)
    return diagnose(run_of(ordinary(loss) | columns, settings))


@pytest.mark.parametrize("cause", ROWS)
def test_each_cause_is_reached(cause: str) -> None:
    diagnosis = said_of(cause)
    told = [root.name for root in diagnosis.root_causes] or [
        each.name for finding in diagnosis.findings for each in finding.causes
    ]
    assert told[0] == cause


CLAIMED = {
    "vanishing gradients": ("vanishing-gradients",),
    "rate too low, too high": ("learning-rate-too-low", "learning-rate-too-high"),
    "limited by noise": ("gradient-noise-dominates",),
    "dead, saturated units": ("dead-units", "saturated-activations"),
    "collapse of rank and of attention": ("representation-collapse", "attention-collapse", "attention-logit-growth"),
    "growth of outputs": ("activation-growth",),
    "bad initialisation": ("poor-initialisation", "symmetric-initialisation"),
    "overfitting": ("overfitting",),
    "rate decayed to zero": ("learning-rate-exhausted",),
    "weight decay, clipping, epsilon": ("weight-decay-dominates", "clipping-saturated", "adam-epsilon-dominates"),
    "wiring": ("parameters-not-updated", "stale-gradients", "wrong-loss-input", "unnormalised-inputs"),
    "targets": ("labels-without-signal",),
}

BY_A_RULE_ALONE = ("repeated-data", "unshuffled-data", "missing-warmup", "training-in-eval-mode")
"""Exhausted or sorted data, a start without warm-up, a mode: no fact shows them, and the tests of their rules do."""

NOT_KNOWABLE = {
    "capacity-limit": "a larger model would have to be trained beside it",
    "loss-of-plasticity": "a fresh network would have to be trained on the same new data",
}
"""Causes that one log cannot prove: told as possible at most, with the experiment that would."""


def test_every_cause_that_is_claimed_is_reached_here_or_by_its_own_rule() -> None:
    claimed = {name for names in CLAIMED.values() for name in names}
    assert claimed == set(ROWS)
    rules = {rule.name for rule in all_rules()}
    assert set(BY_A_RULE_ALONE) <= rules & set(SIGNATURES)
    assert all(not SIGNATURES[name].shows_in_facts for name in BY_A_RULE_ALONE)
    assert all(SIGNATURES[name].surest <= 0.5 for name in NOT_KNOWABLE)


@pytest.mark.parametrize("cause", ROWS)
def test_no_two_opposites_are_told_of_one_run(cause: str) -> None:
    diagnosis = said_of(cause)
    told = {each.name for finding in diagnosis.open_findings for each in finding.causes if not each.is_ruled_out}
    warned = {finding.name for finding in diagnosis.open_findings if finding.severity != "info"}
    assert not any(pair <= told | warned for pair in OPPOSITES)


@pytest.mark.parametrize("cause", ROWS)
def test_what_is_told_of_a_stuck_run_is_complete(cause: str) -> None:
    for finding in said_of(cause).open_findings:
        likely = [each for each in finding.causes if not each.is_ruled_out]
        assert all(each.evidence_for and each.would_decide for each in likely)
        assert all(each.evidence_against for each in finding.causes if each.is_ruled_out)
        if finding.name in SYMPTOMS:
            assert likely or finding.unexplained


def test_a_model_that_is_too_small_is_possible_and_no_more() -> None:
    columns = ordinary(STUCK_LATER) | {"learning_rate/group0": np.geomspace(1e-2, 1e-3, RECORDS)}
    told = {each.name: each for finding in diagnose(run_of(columns, SGD)).findings for each in finding.causes}
    assert not told["capacity-limit"].is_ruled_out
    assert told["capacity-limit"].confidence <= 0.5


def test_a_loss_that_came_to_zero_has_converged() -> None:
    nothing_left = 5.0 * np.exp(-np.arange(STEPS) / 25.0) + 2e-3 * (1 + 0.01 * RNG.standard_normal(STEPS))
    columns = ordinary(nothing_left) | {tags.GRADIENT_NORM: np.geomspace(0.5, 1e-4, RECORDS)}
    (first, *_) = [each for finding in diagnose(run_of(columns, SGD)).findings for each in finding.causes]
    assert first.name == "converged"


def test_clipping_explains_nothing_under_an_optimizer_that_divides_by_the_size() -> None:
    columns, settings = ROWS["clipping-saturated"]
    run = run_of(ordinary(NEVER) | columns | by_layer("update_ratio", *[2e-3] * 6), settings | {"optimizer": "AdamW"})
    told = [each.name for finding in diagnose(run).findings for each in finding.causes if not each.is_ruled_out]
    assert "clipping-saturated" not in told
