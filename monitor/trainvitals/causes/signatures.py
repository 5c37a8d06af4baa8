"""The table of causes, those first that one thinks of first; what decides between two, and what excludes what."""

from __future__ import annotations

from collections.abc import Mapping

from trainvitals.causes import causes_in_data, causes_in_networks, causes_in_steps
from trainvitals.causes.signature import Signature

SIGNATURES: Mapping[str, Signature] = {
    **causes_in_steps.SIGNATURES,
    **causes_in_networks.SIGNATURES,
    **causes_in_data.SIGNATURES,
}

OPPOSITES: tuple[frozenset[str], ...] = tuple(
    frozenset(pair)
    for pair in (
        ("learning-rate-too-low", "learning-rate-too-high"),
        ("learning-rate-exhausted", "learning-rate-too-high"),
        ("learning-rate-exhausted", "schedule-never-decays"),
        ("clipping-saturated", "learning-rate-too-high"),
        ("adam-epsilon-dominates", "learning-rate-too-high"),
        ("vanishing-gradients", "exploding-gradients"),
        ("labels-without-signal", "converged"),
        ("capacity-limit", "overfitting"),
    )
)
"""What one says excludes the other: of the two only the likelier is told."""

DECIDES: Mapping[frozenset[str], str] = {
    frozenset(("capacity-limit", "gradient-noise-dominates")): (
        "train 2 % of the run at a third of the rate: noise gives way at once, a model that is too small does not"
    ),
    frozenset(("learning-rate-too-high", "gradient-noise-dominates")): (
        "train 2 % of the run with four times the batch at this rate: only noise gives way"
    ),
    frozenset(("labels-without-signal", "learning-rate-too-low")): (
        "train on one batch at three times the rate: targets without a signal are learnt by heart at any rate"
    ),
    frozenset(("labels-without-signal", "capacity-limit")): (
        "hold the loss against that of the best constant answer: only targets without a signal stay there"
    ),
    frozenset(("labels-without-signal", "gradient-noise-dominates")): (
        "hold the loss against that of the best constant answer: only targets without a signal stay there"
    ),
    frozenset(("converged", "gradient-noise-dominates")): (
        "train 2 % of the run at a third of the rate: what has converged gains nothing"
    ),
    frozenset(("converged", "capacity-limit")): "train a model of twice the width: only a limit of capacity gives way",
    frozenset(("label-noise-floor", "capacity-limit")): (
        "train a model of twice the width for a fifth of the run: wrong targets hold it at the same loss"
    ),
    frozenset(("schedule-never-decays", "gradient-noise-dominates")): (
        "train 2 % of the run with four times the batch at this rate: if the loss drops, the batch is the cheaper way, "
        "else the rate"
    ),
    frozenset(("dead-units", "learning-rate-too-high")): (
        "recycle the dead units and train 2 % of the run: at a rate that is too high they die again"
    ),
    frozenset(("clipping-saturated", "learning-rate-too-low")): (
        "raise the limit of clipping to the 90th percentile of the norms for 2 % of the run, at this rate: if the loss "
        "falls it was the clipping"
    ),
    frozenset(("adam-epsilon-dominates", "learning-rate-too-low")): (
        "lower epsilon to 1e-8 for 2 % of the run, at this rate: if the loss falls it was epsilon"
    ),
    frozenset(("vanishing-gradients", "learning-rate-too-low")): (
        "train 2 % of the run at three times the rate: vanishing gradients leave the early layers as they are"
    ),
    frozenset(("vanishing-gradients", "parameters-not-updated")): (
        "compare each parameter of the early layers before and after one step: what is not wired does not move at all"
    ),
}
"""Between two causes; elsewhere what decides the first one decides."""
