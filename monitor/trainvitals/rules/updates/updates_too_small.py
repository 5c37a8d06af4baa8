"""UPD003: single layers are hardly updated though they have gradients, while the others learn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from trainvitals.maths.depth_profile import row_medians
from trainvitals.model import Evidence, Finding, Severity
from trainvitals.rules import logging_lines
from trainvitals.rules.rule import NotEnough, Rule, Threshold
from trainvitals.rules.updates.outcome import Outcome, outcome_of
from trainvitals.rules.updates.sizes import equilibrium_ratio, update_sizes
from trainvitals.rules.updates.small_updates import FEWEST, while_open
from trainvitals.view import RunView

FEWEST_LAYERS = 3
WEAK_GRADIENT = 1e-2
"""Of the median matrix, each over its weights. Below it the gradient is what is missing, not the update."""


@dataclass(frozen=True, slots=True)
class SlowLayer:
    """One weight matrix with its usual update ratio, over that of the others or of the equilibrium, and that itself.

    Args:
        gradient: norm of its gradient over that of its weights, over the same of the median matrix; None where
            not recorded.
    """

    layer: str
    tag: str
    ratio: float
    share: float
    gradient: float | None


@dataclass(frozen=True, slots=True)
class SlowLayers:
    """Each matrix that moves at all, the slowest first.

    Args:
        equilibrium: what they are held against is sqrt(2 lr wd), and not the median matrix.
        loss: what became of it; None with too few points. first_step, last_step: of the records.
    """

    layers: tuple[SlowLayer, ...]
    equilibrium: bool
    loss: Outcome | None
    first_step: int
    last_step: int


class UpdatesTooSmall(Rule[SlowLayers]):
    """Single layers are hardly updated though they have gradients, while the others learn.

    What it finds
    -------------
    Weight matrices that move at a thousandth of the pace of the others, although their gradient is as large as theirs,
    in a training that is stuck. As an information where the loss goes down all the same.

    Why it matters
    --------------
    A layer that keeps its random weights is one that the others have to work around. A parameter group with a wrong
    rate is the usual reason, and no curve of the loss shows it.

    How it is detected
    ------------------
    Over the records in which the rate is at 30 % of its peak or more, the median update ratio of the matrix (norm of
    the update over that of the weights) is below `largest_share` of what it is held against: sqrt(2 x rate x decay)
    where AdamW has had time to come to its equilibrium, else the median matrix. Its gradient, over its weights, is at
    least a hundredth of that of the median matrix. For a warning the loss has gained less than `smallest_gain` of
    its first level.

    False alarms
    ------------
    Warm-ups, the end of a schedule, frozen layers (which do not move at all), biases, gains and embeddings are left
    out. Layer-wise decay of the rate in fine-tuning is on purpose and stays well above a thousandth. Where
    the gradient itself is missing, `vanishing-gradients` says so; where all layers are slow, `learning-rate-too-low`.

    What to try
    -----------
    Look at the learning rate of the parameter group that holds these layers.

    Sources
    -------
    Karpathy, CS231n notes (ratio of about 1e-3); Kosson et al. 2024 (sqrt(2 lr wd) in equilibrium); Howard and Ruder
    2018 (layer-wise rates, a factor of 2.6 from layer to layer).
    """

    code = "UPD003"
    name = "updates-too-small"
    summary = "Single layers are hardly updated though they have gradients, while the others learn."
    reads = (
        "per_layer.update_ratio",
        "per_layer.weight_norm",
        "per_layer.grad_norm",
        "learning_rate",
        "train_loss",
        "val_loss",
    )
    thresholds = (
        Threshold(
            "largest_share",
            1e-3,
            "Of what is usual in this run. Layers of healthy networks share their ratio within a factor of ten, "
            "layer-wise rates of fine-tuning spread it to a hundred.",
            "as for vanishing-gradients; Howard and Ruder 2018",
        ),
        Threshold("smallest_gain", 0.05, "Of its first level; what has gained more is not stuck.", "convention"),
    )
    absorbs = ("plateau", "not-learning")
    interventions = ("check-wiring", "raise-learning-rate")

    def measure(self, view: RunView) -> SlowLayers | NotEnough:
        if not view.signals.supervised:
            return NotEnough()
        loss, sizes = outcome_of(view), update_sizes(view)
        if sizes is None:
            return NotEnough(("update_ratio of each layer",), logging_lines.WATCH)
        ratio = sizes.ratio[while_open(view, sizes.step)]
        if len(sizes.layers) < FEWEST_LAYERS or len(ratio) < FEWEST:
            return NotEnough()
        usual = row_medians(ratio.T)
        moving = np.flatnonzero(usual > 0)
        if len(moving) < FEWEST_LAYERS:
            return NotEnough()
        rest = equilibrium_ratio(view)
        middle = float(np.median(usual[moving]))
        held_against = middle if rest is None else rest
        gradients = _gradients(view, sizes.layers)
        found = [
            SlowLayer(
                sizes.layers[index],
                sizes.tags[index],
                float(usual[index]),
                float(usual[index] / held_against),
                None if gradients is None or np.isnan(gradients[index]) else float(gradients[index]),
            )
            for index in moving
        ]
        return SlowLayers(
            layers=tuple(sorted(found, key=lambda layer: layer.share)),
            equilibrium=rest is not None,
            loss=loss,
            first_step=int(sizes.step[0]),
            last_step=int(sizes.step[-1]),
        )

    def judge(self, measurement: SlowLayers, limits: Mapping[str, float]) -> list[Finding]:
        slow = [
            layer
            for layer in measurement.layers
            if layer.share < limits["largest_share"] and layer.gradient is not None and layer.gradient >= WEAK_GRADIENT
        ]
        # Where most are slow, it is not single layers that are out of step.
        if not slow or 2 * len(slow) > len(measurement.layers):
            return []
        loss, first = measurement.loss, slow[0]
        stuck = loss is not None and loss.hardly_moved(limits["smallest_gain"])
        against = "the equilibrium sqrt(2 lr wd)" if measurement.equilibrium else "the median matrix"
        evidence = [
            Evidence(
                f"the update of {first.layer} is {first.ratio:.2g} of its size, {first.share:.2g} of {against}",
                signal=first.tag,
                value=first.share,
                threshold=limits["largest_share"],
            ),
            Evidence(
                f"its gradient is {first.gradient:.2g} of that of the median matrix, each over its weights",
                value=first.gradient,
                threshold=WEAK_GRADIENT,
            ),
        ]
        if loss is not None:
            evidence.append(loss.gain_against(limits["smallest_gain"]))
        return [
            self.finding(
                Severity.WARNING if stuck else Severity.INFO,
                0.8,
                f"{first.layer} is updated at {first.share:.2g} of the pace of {against}, though it has a gradient",
                first_step=measurement.first_step,
                last_step=measurement.last_step,
                layers=tuple(layer.layer for layer in slow),
                evidence=tuple(evidence),
            )
        ]


def _gradients(view: RunView, layers: tuple[str, ...]) -> np.ndarray[tuple[int], np.dtype[np.float64]] | None:
    """Gradient over weights of each layer, over that of the median one ``[L]``; None where not recorded."""
    gradients, weights = view.layers("grad_norm"), view.layers("weight_norm")
    if gradients is None or weights is None or not set(layers) <= set(gradients.layers) & set(weights.layers):
        return None
    sizes = [
        row_medians(np.where(np.isfinite(each.value), each.value, np.nan).T)[
            [each.layers.index(name) for name in layers]
        ]
        for each in (gradients, weights)
    ]
    with np.errstate(divide="ignore", invalid="ignore"):
        share = sizes[0] / sizes[1]
        middle = np.nanmedian(share) if not np.isnan(share).all() else np.nan
        return np.asarray(share / middle, np.float64)
