"""What is tried first is what is cheapest and most easily undone, as the literature ranks it for each cause."""

from __future__ import annotations

import pytest

from trainvitals.rules.registry import all_rules

RANKS = {
    "learning-rate-too-low": ("raise-learning-rate",),
    "learning-rate-too-high": ("lower-learning-rate", "lower-adam-beta2", "clip-gradients", "longer-warmup"),
    "oscillating-loss": ("lower-learning-rate", "lower-adam-beta2", "clip-gradients", "longer-warmup"),
    "gradient-noise-dominates": ("anneal-learning-rate", "raise-batch-size", "average-weights"),
    "exploding-gradients": ("clip-gradients", "lower-learning-rate", "longer-warmup"),
    "vanishing-gradients": ("residual-connections", "better-initialisation", "other-activation"),
    "dead-units": (
        "recycle-units",
        "lower-learning-rate",
        "longer-warmup",
        "other-activation",
        "better-initialisation",
    ),
    "saturated-activations": ("normalise-layers", "better-initialisation", "lower-learning-rate", "other-activation"),
    "attention-logit-growth": ("clip-queries-and-keys", "lower-attention-rate", "z-loss", "normalise-queries-and-keys"),
    "attention-collapse": ("clip-queries-and-keys", "lower-attention-rate", "z-loss", "normalise-queries-and-keys"),
    "output-logit-drift": ("z-loss",),
    "loss-spikes": (
        "skip-bad-batches",
        "clip-gradients",
        "lower-learning-rate",
        "lower-adam-beta2",
        "restore-checkpoint",
    ),
    "overfitting": ("restore-checkpoint", "early-stopping", "more-data", "more-regularisation"),
    "limited-diversity": ("more-data", "data-mixing", "dynamic-curriculum"),
    "forgetting": ("replay-old-data", "lower-learning-rate"),
    "loss-scale-collapse": ("use-bfloat16", "anomaly-detection", "clip-gradients", "lower-learning-rate"),
    "clipping-saturated": ("raise-clip-limit",),
    "weight-decay-dominates": ("lower-weight-decay",),
    "straggler": ("check-slow-device",),
    "missing-warmup": ("longer-warmup",),
    "poor-initialisation": ("better-initialisation",),
}


@pytest.mark.parametrize("name", RANKS)
def test_what_is_suggested_comes_in_the_order_of_the_literature(name: str) -> None:
    (rule,) = [rule for rule in all_rules() if rule.name == name]
    order = [each for each in rule.interventions if each in RANKS[name]]
    assert tuple(order) == RANKS[name]


def test_every_intervention_is_suggested_by_some_rule() -> None:
    from trainvitals.interventions.registry import all_interventions
    from trainvitals.rules.learning_rate import learning_rate_exhausted
    from trainvitals.rules.loss import plateau
    from trainvitals.rules.updates import parameters_not_updated

    named = {each for rule in all_rules() for each in rule.interventions}
    for module in (plateau, learning_rate_exhausted, parameters_not_updated):
        named |= {each for value in vars(module).values() if isinstance(value, tuple) for each in value}
    assert set(all_interventions()) <= named
