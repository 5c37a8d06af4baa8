"""Causes that lie in the network: its start, its depth, its units, its attention, its size."""

from __future__ import annotations

from collections.abc import Mapping

from trainvitals.causes.signature import CLEAR, HINT, STRONG, Signature

SIGNATURES: Mapping[str, Signature] = {
    "vanishing-gradients": Signature(
        "the early layers receive almost no gradient, so they cannot learn",
        "train 2 % of the run with a residual connection around each early layer: their updates grow",
        {
            ("gradient by depth", "vanishing"): STRONG,
            ("gradient by depth", "even"): -STRONG,
            ("gradient by depth", "growing"): -STRONG,
            ("early updates", "starved"): CLEAR,
            ("early updates", "even"): -CLEAR,
        },
    ),
    "exploding-gradients": Signature(
        "gradients grow on their way to the first layers, so that these are torn about",
        "clip the gradient at a tenth of its median norm for 2 % of the run: the loss falls",
        {
            ("gradient by depth", "growing"): CLEAR,
            ("gradient by depth", "even"): -CLEAR,
            ("gradient by depth", "vanishing"): -STRONG,
            ("update ratio", "slow"): -CLEAR,
        },
    ),
    "poor-initialisation": Signature(
        "the weights began so large or so small that the signal does not pass the layers",
        "scale the weights so that each layer's outputs spread over about one, and start again",
        {("loss level", "zero"): -CLEAR},
    ),
    "symmetric-initialisation": Signature(
        "the units of a layer began alike and get the same gradient, so that it acts as one unit",
        "compare the rows of a weight matrix: they are equal, or all but equal",
        {("loss level", "zero"): -CLEAR},
    ),
    "dead-units": Signature(
        "units that put out zero for every example pass no gradient on",
        "run one batch and count the units that are zero for all of its examples",
        {
            ("dormant units", "many"): STRONG,
            ("dormant units", "few"): -STRONG,
            ("saturated units", "many"): -HINT,
        },
    ),
    "saturated-activations": Signature(
        "units at the flat ends of their activation pass no gradient on",
        "scale the weights of one layer down to a third: the loss falls again",
        {("saturated units", "many"): STRONG, ("saturated units", "few"): -STRONG, ("update ratio", "slow"): HINT},
    ),
    "representation-collapse": Signature(
        "the layers' outputs have collapsed onto few directions",
        "fit a fresh head to the features of this checkpoint: it is no better than this one",
        {("effective rank", "collapsed"): CLEAR, ("effective rank", "kept"): -STRONG, ("loss level", "zero"): -CLEAR},
    ),
    "loss-of-plasticity": Signature(
        "weights have grown and units fallen silent, so that the network can no longer fit what is new",
        "train a fresh network and this one 200 steps on the same new data: the fresh one learns faster",
        {
            ("weight norms", "grown"): CLEAR,
            ("weight norms", "kept"): -STRONG,
            ("weight norms", "shrunk"): -STRONG,
            ("dormant units", "many"): HINT,
            ("dormant units", "some"): HINT,
            ("dormant units", "few"): -CLEAR,
            ("effective rank", "collapsed"): CLEAR,
            ("effective rank", "kept"): -CLEAR,
            ("gradient norm", "gone"): HINT,
            ("update ratio", "fast"): -CLEAR,
        },
        surest=0.5,
        to_try=("recycle-units", "lower-learning-rate"),
    ),
    "attention-collapse": Signature(
        "attention looks at single tokens only, and passes no gradient to where else it could look",
        "scale the queries and keys of the layer named down to a third: the loss falls again",
        {("gradient direction", "aligned"): -HINT},
    ),
    "attention-logit-growth": Signature(
        "attention logits have grown so large that the softmax is all but fixed",
        "clip the queries and keys of the layer named to logits of 100 for 2 % of the run: the loss falls again",
        {("gradient direction", "aligned"): -HINT},
    ),
    "activation-growth": Signature(
        "outputs grow from step to step, until the layers behind them no longer see differences",
        "put a norm behind the layer named for 2 % of the run: the loss falls again",
        {("loss level", "zero"): -CLEAR},
    ),
    "output-logit-drift": Signature(
        "all logits drift off together, at the expense of the precision and of the gradient",
        "add a z-loss of 1e-4 for 2 % of the run: the drift stops, and the loss with it if this was the cause",
        {("update ratio", "slow"): -HINT},
        surest=0.5,
    ),
    "training-in-eval-mode": Signature(
        "dropout and batch norm are switched off while the weights are updated",
        "call `model.train()` after each evaluation",
        {("loss level", "start"): -CLEAR},
        surest=0.5,
    ),
    "capacity-limit": Signature(
        "the model is too small for what is left to learn",
        "train a model of twice the width for a fifth of the run: it goes below this loss",
        {
            ("validation gap", "close"): HINT,
            ("validation gap", "above"): -CLEAR,
            ("loss level", "between"): HINT,
            ("loss level", "start"): -STRONG,
            ("loss level", "zero"): -STRONG,
            ("gradient noise", "dominant"): -HINT,
            ("learning rate", "zero"): -CLEAR,
            ("schedule", "ended"): -HINT,
            ("update ratio", "slow"): -CLEAR,
        },
        by_elimination=True,
        surest=0.5,
    ),
}
