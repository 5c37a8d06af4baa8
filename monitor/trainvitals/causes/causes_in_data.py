"""Causes that lie in the data, in how they are fed, and in what there is to learn."""

from __future__ import annotations

from collections.abc import Mapping

from trainvitals.causes.signature import BY_ELIMINATION, CLEAR, HINT, STRONG, Signature

NOT_FROM_THE_START = {("loss level", "start"): -STRONG}
"""What can be learnt at all is learnt first; this stops a training later."""

SIGNATURES: Mapping[str, Signature] = {
    "wrong-loss-input": Signature(
        "the loss is fed probabilities where it expects logits",
        "look at one output: its rows add up to one before the loss",
        {("output rows", "one"): STRONG, ("output rows", "any"): -STRONG},
    ),
    "unnormalised-inputs": Signature(
        "the inputs lie far from zero, so that units saturate or act alike",
        "subtract the mean and divide by the spread for 2 % of the run",
        {("inputs", "far"): STRONG, ("inputs", "centred"): -STRONG},
    ),
    "unshuffled-data": Signature(
        "neighbouring batches are alike, so that each step undoes what the ones before have learnt",
        "shuffle the training data and train 2 % of the run: the loss falls",
        {("gradient direction", "free"): -HINT},
        shown_by=("periodic-loss",),
    ),
    "repeated-data": Signature(
        "the same examples come again and again, and hold nothing new",
        "measure the loss on data that were never seen: it stands still or rises while this one falls",
        NOT_FROM_THE_START,
    ),
    "overfitting": Signature(
        "what is still learnt is learnt by heart, and helps on no other data",
        "measure the loss on data that were never seen: it stands still or rises while this one falls",
        {
            **NOT_FROM_THE_START,
            ("validation gap", "close"): -CLEAR,
            ("validation gap", "below"): -STRONG,
        },
    ),
    "limited-diversity": Signature(
        "the examples are too much alike to hold more",
        "add a tenth of other data for 2 % of the run: the loss on held-out data falls",
        NOT_FROM_THE_START,
    ),
    "starved-domain": Signature(
        "one part of the data is drawn so seldom that it is not learnt",
        "draw that part three times as often for 2 % of the run: its loss falls",
        NOT_FROM_THE_START,
    ),
    "label-noise-floor": Signature(
        "many targets are wrong, so that no model can go below this loss",
        "look at the fifty examples of the largest loss: their targets are wrong",
        {**NOT_FROM_THE_START, ("loss level", "zero"): -STRONG, ("update ratio", "slow"): -CLEAR},
    ),
    "labels-without-signal": Signature(
        "the targets do not depend on the inputs, so that a constant answer is best",
        "train on one batch only: if the loss falls there and nowhere else, look at how targets are joined to inputs",
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
        by_elimination=True,
        surest=BY_ELIMINATION,
        to_try=("overfit-one-batch", "check-loss-inputs"),
    ),
    "converged": Signature(
        "there is little left to learn: the gradient is gone",
        "measure on held-out data whether this loss is what the task allows",
        {
            ("gradient norm", "gone"): CLEAR,
            ("loss level", "zero"): CLEAR,
            ("loss level", "start"): -STRONG,
            ("gradient noise", "dominant"): HINT,
        },
        by_elimination=True,
        surest=BY_ELIMINATION,
        to_try=("stop-and-keep-best",),
    ),
}
