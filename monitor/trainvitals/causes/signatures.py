"""Which facts speak for and against each cause of a training that is stuck.

The weights are logarithms of likelihood ratios, in three sizes. The table is ours; which facts belong to which cause is
known from the literature: Glorot and Bengio 2010 (saturation, initialisation), Zhang et al. ICSE 2021 (vanishing,
dying), McCandlish et al. 2018 (noise scale), Sokar et al. 2023 (dormant units), Wortsman et al. 2023 (attention),
Kosson et al. 2024 (weight decay), Schoenholz et al. 2017 (depth).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

HINT, CLEAR, STRONG = 1.0, 2.0, 3.5
"""exp(1) = 2.7, exp(2) = 7 and exp(3.5) = 33 times as likely with the cause as without it."""

PRIOR = -2.0
"""Of each cause against "something else": one in eight before anything is known."""


@dataclass(frozen=True, slots=True)
class Signature:
    """One cause.

    Args:
        mechanism: why it stops a training, in one clause.
        weights: by fact and state; facts that are not listed say nothing of it.
        would_decide: the measurement or short experiment that shows whether it is this.
        by_elimination: nothing speaks for it that would not be so without it; it is what is left where no other
            cause has much for it.
        surest: the highest confidence that facts of this kind can give.
    """

    mechanism: str
    weights: Mapping[tuple[str, str], float]
    would_decide: str
    by_elimination: bool = False
    surest: float = 1.0


SIGNATURES: Mapping[str, Signature] = {
    "vanishing-gradients": Signature(
        "the early layers receive almost no gradient, so they cannot learn",
        {
            ("gradient by depth", "vanishing"): STRONG,
            ("gradient by depth", "even"): -STRONG,
            ("gradient by depth", "growing"): -STRONG,
            ("early updates", "starved"): CLEAR,
            ("early updates", "even"): -CLEAR,
        },
        "log each layer's update-to-weight ratio: below 1e-4 in the early layers only",
    ),
    "learning-rate-too-low": Signature(
        "the updates are too small to get anywhere",
        {
            ("update ratio", "slow"): STRONG,
            ("update ratio", "usual"): -STRONG,
            ("update ratio", "fast"): -STRONG,
            ("gradient direction", "aligned"): CLEAR,
            ("gradient direction", "opposed"): -CLEAR,
            ("gradient noise", "dominant"): -HINT,
            ("learning rate", "zero"): -STRONG,
            ("clipping", "throttled"): -CLEAR,
            ("Adam's epsilon", "dominant"): -CLEAR,
            ("wiring", "broken"): -HINT,
            ("early updates", "starved"): -HINT,
        },
        "train 2 % of the run at three times the rate: the loss falls faster",
    ),
    "learning-rate-too-high": Signature(
        "the updates overshoot whatever would be better",
        {
            ("update ratio", "fast"): STRONG,
            ("update ratio", "slow"): -STRONG,
            ("gradient direction", "opposed"): CLEAR,
            ("gradient direction", "aligned"): -CLEAR,
            ("dormant units", "many"): HINT,
            ("gradient by depth", "vanishing"): -HINT,
        },
        "train 2 % of the run at a third of the rate: the loss drops at once",
    ),
    "learning-rate-exhausted": Signature(
        "the learning rate is (nearly) zero, so nothing moves any more",
        {
            ("learning rate", "zero"): STRONG,
            ("learning rate", "low"): HINT,
            ("learning rate", "open"): -STRONG,
            ("update ratio", "slow"): HINT,
            ("update ratio", "usual"): -CLEAR,
        },
        "raise the rate to a tenth of its peak for 2 % of the run: the loss falls again",
    ),
    "gradient-noise-dominates": Signature(
        "the batch is so small that steps cancel each other at this rate",
        {
            ("gradient noise", "dominant"): CLEAR,
            ("gradient noise", "negligible"): -STRONG,
            ("gradient direction", "free"): HINT,
            ("gradient direction", "aligned"): -CLEAR,
            ("loss level", "start"): -CLEAR,
            ("learning rate", "zero"): -CLEAR,
            ("learning rate", "low"): -HINT,
            ("update ratio", "slow"): -HINT,
        },
        "train 2 % of the run with four times the batch, or a third of the rate: the loss drops",
    ),
    "dead-units": Signature(
        "units that put out zero for every example pass no gradient on",
        {
            ("dormant units", "many"): STRONG,
            ("dormant units", "few"): -STRONG,
            ("saturated units", "many"): -HINT,
        },
        "run one batch and count the units that are zero for all of its examples",
    ),
    "saturated-activations": Signature(
        "units at the flat ends of their activation pass no gradient on",
        {("saturated units", "many"): STRONG, ("saturated units", "few"): -STRONG, ("update ratio", "slow"): HINT},
        "scale the weights of one layer down to a third: the loss falls again",
    ),
    "representation-collapse": Signature(
        "the layers' outputs have collapsed onto few directions",
        {("effective rank", "collapsed"): CLEAR, ("effective rank", "kept"): -STRONG, ("loss level", "zero"): -CLEAR},
        "fit a fresh head to the features of this checkpoint: it is no better than this one",
    ),
    "weight-decay-dominates": Signature(
        "decay takes away more than the gradients add",
        {
            ("weight decay", "strong"): CLEAR,
            ("weight decay", "usual"): -STRONG,
            ("weight norms", "shrunk"): CLEAR,
            ("weight norms", "kept"): -CLEAR,
        },
        "train 2 % of the run with a third of the decay: the loss falls",
    ),
    "clipping-saturated": Signature(
        "every step is clipped to a fraction of the gradient",
        {("clipping", "throttled"): STRONG, ("clipping", "free"): -STRONG, ("update ratio", "slow"): HINT},
        "raise the limit to the 90th percentile of the norm before clipping for 2 % of the run",
    ),
    "adam-epsilon-dominates": Signature(
        "epsilon, not the gradient's size, sets Adam's step",
        {("Adam's epsilon", "dominant"): STRONG, ("Adam's epsilon", "small"): -STRONG},
        "lower epsilon to 1e-8 for 2 % of the run: the updates grow",
    ),
    "parameters-not-updated": Signature(
        "a part of the model is not trained",
        {
            ("wiring", "broken"): STRONG,
            ("wiring", "sound"): -STRONG,
            ("validation digits", "same"): STRONG,
            ("learning rate", "zero"): -STRONG,
        },
        "compare each parameter before and after one step",
    ),
    "wrong-loss-input": Signature(
        "the loss is fed probabilities where it expects logits",
        {("output rows", "one"): STRONG, ("output rows", "any"): -STRONG},
        "look at one output: its rows add up to one before the loss",
    ),
    "unnormalised-inputs": Signature(
        "the inputs lie far from zero, so that units saturate or act alike",
        {("inputs", "far"): STRONG, ("inputs", "centred"): -STRONG},
        "subtract the mean and divide by the spread for 2 % of the run",
    ),
    "labels-without-signal": Signature(
        "the targets do not depend on the inputs, so that a constant answer is best",
        {
            ("loss level", "start"): CLEAR,
            ("loss level", "zero"): -STRONG,
            ("loss level", "between"): -CLEAR,
            ("update ratio", "usual"): CLEAR,
            ("update ratio", "slow"): -CLEAR,
            ("gradient by depth", "even"): HINT,
            ("gradient by depth", "vanishing"): -CLEAR,
            ("gradient noise", "dominant"): HINT,
            ("gradient direction", "aligned"): -CLEAR,
            ("dormant units", "many"): -CLEAR,
            ("saturated units", "many"): -CLEAR,
            ("wiring", "broken"): -CLEAR,
            ("output rows", "one"): -HINT,
        },
        "train on one batch only: if the loss falls there and nowhere else, look at how targets are joined to inputs",
        by_elimination=True,
    ),
    "capacity-limit": Signature(
        "the model is too small for what is left to learn",
        {
            ("validation gap", "close"): HINT,
            ("validation gap", "above"): -CLEAR,
            ("loss level", "between"): HINT,
            ("loss level", "start"): -STRONG,
            ("loss level", "zero"): -STRONG,
            ("gradient noise", "dominant"): -HINT,
            ("learning rate", "zero"): -CLEAR,
            ("update ratio", "slow"): -CLEAR,
        },
        "train a model of twice the width for a fifth of the run: it goes below this loss",
        by_elimination=True,
        surest=0.5,
    ),
    "converged": Signature(
        "there is little left to learn: the gradient is gone",
        {
            ("gradient norm", "gone"): CLEAR,
            ("loss level", "zero"): CLEAR,
            ("loss level", "start"): -STRONG,
            ("gradient noise", "dominant"): HINT,
        },
        "measure on held-out data whether this loss is what the task allows",
        by_elimination=True,
    ),
}

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
    frozenset(("converged", "gradient-noise-dominates")): (
        "train 2 % of the run at a third of the rate: what has converged gains nothing"
    ),
    frozenset(("converged", "capacity-limit")): "train a model of twice the width: only a limit of capacity gives way",
}
"""Between two causes; elsewhere what decides the first one decides."""
