"""Causes that lie in the optimizer, the schedule and the step."""

from __future__ import annotations

from collections.abc import Mapping

from trainvitals.causes.signature import CLEAR, HINT, STRONG, Signature

SIGNATURES: Mapping[str, Signature] = {
    "learning-rate-too-low": Signature(
        "the updates are too small to get anywhere",
        "train 2 % of the run at three times the rate: the loss falls faster",
        {
            ("update ratio", "slow"): STRONG,
            ("update ratio", "usual"): -STRONG,
            ("update ratio", "fast"): -STRONG,
            ("gradient direction", "aligned"): CLEAR,
            ("gradient direction", "opposed"): -CLEAR,
            ("gradient noise", "dominant"): -HINT,
            ("learning rate", "zero"): -STRONG,
            ("learning rate", "low"): -CLEAR,
            ("schedule", "ended"): -CLEAR,
            ("clipping", "throttled"): -CLEAR,
            ("Adam's epsilon", "dominant"): -CLEAR,
            ("weight decay", "strong"): -CLEAR,
            ("wiring", "broken"): -HINT,
            ("early updates", "starved"): -HINT,
            ("dormant units", "many"): -CLEAR,
            ("effective rank", "collapsed"): -HINT,
            ("validation digits", "same"): -CLEAR,
        },
        shown_by=("updates-too-small",),
    ),
    "learning-rate-too-high": Signature(
        "the updates overshoot whatever would be better",
        "train 2 % of the run at a third of the rate: the loss drops at once",
        {
            ("update ratio", "fast"): STRONG,
            ("update ratio", "slow"): -STRONG,
            ("gradient direction", "opposed"): CLEAR,
            ("gradient direction", "aligned"): -CLEAR,
            ("weight norms", "grown"): CLEAR,
            ("dormant units", "many"): HINT,
            ("gradient by depth", "vanishing"): -HINT,
            ("learning rate", "zero"): -STRONG,
            ("learning rate", "low"): -HINT,
        },
        shown_by=("updates-too-large", "oscillating-loss"),
    ),
    "learning-rate-exhausted": Signature(
        "the learning rate is (nearly) zero, so nothing moves any more",
        "raise the rate to a tenth of its peak for 2 % of the run: the loss falls again",
        {
            ("learning rate", "zero"): STRONG,
            ("learning rate", "low"): CLEAR,
            ("learning rate", "open"): -STRONG,
            ("schedule", "ended"): CLEAR,
            ("update ratio", "slow"): HINT,
            ("update ratio", "usual"): -CLEAR,
            ("loss level", "start"): -HINT,
        },
    ),
    "schedule-never-decays": Signature(
        "the rate never comes down, so the loss rests where the noise of the steps holds it",
        "train 2 % of the run at a third of the rate: the loss drops at once",
        {("learning rate", "low"): -STRONG, ("learning rate", "zero"): -STRONG, ("loss level", "start"): -STRONG},
    ),
    "missing-warmup": Signature(
        "the first steps were so large that what they broke was never mended",
        "start again with the rate rising over the first 2 % of the run",
        {("update ratio", "usual"): -HINT, ("schedule", "ended"): -HINT},
    ),
    "gradient-noise-dominates": Signature(
        "the batch is so small that steps cancel each other at this rate",
        "train 2 % of the run with four times the batch, or a third of the rate: the loss drops",
        {
            ("gradient noise", "dominant"): CLEAR,
            ("gradient noise", "negligible"): -STRONG,
            ("gradient direction", "free"): HINT,
            ("gradient direction", "aligned"): -CLEAR,
            ("loss level", "start"): -CLEAR,
            # What is left of the gradient where nothing is left to learn is noise, and holds nothing up.
            ("loss level", "zero"): -CLEAR,
            ("gradient norm", "gone"): -CLEAR,
            ("learning rate", "zero"): -CLEAR,
            ("learning rate", "low"): -HINT,
            ("schedule", "ended"): -CLEAR,
            ("update ratio", "slow"): -HINT,
        },
    ),
    "weight-decay-dominates": Signature(
        "decay takes away more than the gradients add",
        "train 2 % of the run with a third of the decay: the loss falls",
        {
            ("weight decay", "strong"): CLEAR,
            ("weight decay", "usual"): -STRONG,
            ("weight norms", "shrunk"): CLEAR,
            ("weight norms", "kept"): -CLEAR,
            ("weight norms", "grown"): -STRONG,
        },
    ),
    "clipping-saturated": Signature(
        "every step is clipped to a fraction of the gradient",
        "raise the limit to the 90th percentile of the norm before clipping for 2 % of the run: the loss falls",
        {("clipping", "throttled"): STRONG, ("clipping", "free"): -STRONG, ("update ratio", "slow"): HINT},
    ),
    "adam-epsilon-dominates": Signature(
        "epsilon, not the gradient's size, sets Adam's step",
        "lower epsilon to 1e-8 for 2 % of the run: the updates grow",
        {("Adam's epsilon", "dominant"): STRONG, ("Adam's epsilon", "small"): -STRONG},
    ),
    "parameters-not-updated": Signature(
        "a part of the model is not trained",
        "compare each parameter before and after one step",
        {
            ("wiring", "broken"): STRONG,
            ("wiring", "sound"): -STRONG,
            ("validation digits", "same"): STRONG,
            ("learning rate", "zero"): -STRONG,
        },
    ),
    "stale-gradients": Signature(
        "the gradients of earlier steps are still in those of this one",
        "print the norm of a gradient before the backward pass: it is zero where it was emptied",
        {("wiring", "broken"): -HINT},
    ),
    "loss-scale-collapse": Signature(
        "steps are skipped because the scaled gradients overflow",
        "train 2 % of the run in bfloat16 or in full precision: no step is skipped and the loss falls",
        {("update ratio", "usual"): -CLEAR},
        shown_by=("non-finite-gradients", "low-precision-overflow"),
    ),
}
