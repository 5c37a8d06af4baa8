"""GRD001: the gradient does not reach the early layers, or none of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainvitals.maths.depth_profile import MINIMUM_LAYERS, first_third_over_last, growth_with_depth, row_medians
from trainvitals.maths.robust import running_median
from trainvitals.maths.tail import begin_of_tail
from trainvitals.model import Evidence, Finding, Severity, StepArray, Verdict
from trainvitals.rules import logging_lines
from trainvitals.rules.gradients.early_updates import LATE, EarlyUpdates, early_updates, late_median
from trainvitals.rules.gradients.layer_gradients import Unit, layer_gradients
from trainvitals.rules.rule import NotEnough, Rule, Threshold
from trainvitals.view import RunView

MINIMUM_RECORDS = 3
"""One or two looks may be a batch without signal."""

NAMED_LAYERS = 8

CLEARLY = 10.0
"""Times the limit: a share so far above it rules vanishing out."""


@dataclass(frozen=True, slots=True, eq=False)
class GradientProfile:
    """What reaches which layer.

    Args:
        layers: ``[L]`` that train, input side first; tags: ``[L]``; unit: of the gradients.
        step: ``[T]``.
        share: ``[T]`` gradient in the first third of the layers over that in the last third.
        strength: ``[T]`` median gradient of all layers.
        level: ``[L]`` median gradient of each layer in the second half, over that of the last third of the layers.
        growth: rank correlation of depth and level: 1 where the gradient shrinks from layer to layer towards the input.
        updates: of the early layers; None where update ratios were not logged.
        loss_tag: the training loss; None without one.
        loss_gained: share of its first level that it has lost by the end; None without a loss.
        progressing: whether the loss still falls.
        frozen: how many layers at the input side are frozen.
    """

    layers: tuple[str, ...]
    tags: tuple[str, ...]
    unit: Unit
    step: StepArray
    share: NDArray[np.float64]
    strength: NDArray[np.float64]
    level: NDArray[np.float64]
    growth: float
    updates: EarlyUpdates | None
    loss_tag: str | None
    loss_gained: float | None
    progressing: bool
    frozen: int


class VanishingGradients(Rule[GradientProfile]):
    """The gradient shrinks from layer to layer, so that the early layers receive almost none of it.

    What it finds
    -------------
    Networks whose early layers get a gradient far smaller than that of the late layers, with the layers and the step
    since when. Also networks in which no layer gets a gradient worth the name while the loss has not moved.

    Why it matters
    --------------
    Layers without a gradient keep their random weights. The late layers learn on top of noise, and the loss stops
    early at a level that has nothing to do with the capacity of the model.

    How it is detected
    ------------------
    The norm of each layer's gradient is divided by that of its weights, or by the root of its number of parameters,
    whichever the log allows. The median of the first third of the layers is divided by that of the last third. A
    finding needs this share below `largest_share` at three recordings in a row until the end and over the median of
    the second half, and a gradient that shrinks towards the input in order (rank correlation with depth of at least
    `smallest_growth`).

    Where update ratios were logged they decide: an optimizer such as Adam turns small gradients into full updates,
    so nothing is found if the updates of the early layers are at least `smallest_update_share` of those of the late
    ones, or at least `usual_update_ratio` of the weights. A layer that moves no faster than weight decay alone would
    move it counts as standing still. Where they were not logged and the loss still falls, it is an information only.

    The whole network is without a gradient where the median layer has less than `smallest_strength` from the first
    recording on, and more than exactly zero, and the loss has lost less than 5 % of its first level.

    False alarms
    ------------
    Frozen layers, whose gradient is exactly zero from the start, are left out; so a block that is dead from the very
    first step looks frozen too. Adapters and tied or sparsely used embeddings can have small gradients and be fine.
    A gradient that goes to zero because the loss is fitted is not vanishing. Nor is one that goes from all layers at
    once later on: units that died, weights that decayed and a blow-up take it away, and are findings of their own. At
    least three layers are needed.

    What to try
    -----------
    Residual connections or normalisation before each block; an initialisation that keeps the variance; activations
    that do not saturate.

    Sources
    -------
    Glorot and Bengio 2010; He et al. 2015 and 2016. Zhang et al. 2021 (AUTOTRAINER): first over last layer below
    1e-3. The comparison of thirds, the order along the depth and the part of the updates are ours.
    """

    code = "GRD001"
    name = "vanishing-gradients"
    summary = "The early layers receive almost no gradient."
    reads = ("per_layer.grad_norm", "per_layer.weight_norm", "per_layer.update_ratio", "train_loss", "learning_rate")
    thresholds = (
        Threshold(
            "largest_share",
            1e-3,
            "Gradient of the first third of the layers over that of the last; healthy networks lie within a factor "
            "of a hundred.",
            "AUTOTRAINER (ICSE 2021) uses 1e-3 for the first layer over the last",
        ),
        Threshold(
            "smallest_growth",
            0.6,
            "Vanishing works layer by layer, so depth and gradient go together; a single weak layer does not.",
            "rank correlation; 0.6 is significant at 5 % from nine layers on",
        ),
        Threshold(
            "smallest_update_share",
            1e-2,
            "Update ratio of the early layers over that of the late ones, below which they practically stand still.",
            "healthy layers share the ratio within a factor of ten; a hundred leaves room for layer-wise rates",
        ),
        Threshold(
            "usual_update_ratio",
            1e-4,
            "Update over weight a step: layers that move by this much learn, whatever the size of their gradient.",
            "a tenth of the usual 1e-3 (Karpathy, CS231n notes on the ratio of updates to weights)",
        ),
        Threshold(
            "smallest_strength",
            1e-7,
            "Gradient of the median layer in the unit of the comparison; below it rounding and epsilon take over.",
            "the vanishing-gradient rule of SageMaker Debugger uses a mean of 1e-7",
        ),
        Threshold(
            "largest_gain",
            0.05,
            "Share of its first level that the loss may have lost for a silent network to be stuck and not done.",
            "convention",
        ),
    )
    absorbs = ("not-learning", "plateau", "learning-rate-too-low", "updates-too-small")
    interventions = ("residual-connections", "better-initialisation", "normalise-layers", "other-activation")

    def measure(self, view: RunView) -> GradientProfile | NotEnough:
        gradients = layer_gradients(view)
        if gradients is None:
            return NotEnough(("grad_norm of each layer",), logging_lines.GRADIENT_NORM_OF_EACH_LAYER)
        if len(gradients.layers) < MINIMUM_LAYERS:
            return NotEnough()
        share = first_third_over_last(gradients.value)
        known = ~np.isnan(share)
        if int(known.sum()) < MINIMUM_RECORDS:
            return NotEnough((f"grad_norm of each layer at {MINIMUM_RECORDS} steps or more",), "log it every ten steps")
        late = gradients.value[known][int(LATE * known.sum()) :]
        level = row_medians(late.T)
        third = len(level) // 3
        with np.errstate(over="ignore"):
            # Behind layers without any gradient the share of the others is infinite, and rightly so.
            relative = level / max(float(np.nanmedian(level[-third:])), np.finfo(np.float64).tiny)
        loss_tag, gained, progressing = _loss(view)
        return GradientProfile(
            layers=gradients.layers,
            tags=gradients.tags,
            unit=gradients.unit,
            step=gradients.step[known],
            share=share[known],
            strength=row_medians(gradients.value)[known],
            level=relative,
            growth=growth_with_depth(level),
            updates=early_updates(view, gradients),
            loss_tag=loss_tag,
            loss_gained=gained,
            progressing=progressing,
            frozen=len(gradients.frozen),
        )

    def rule_out(self, measurement: GradientProfile, limits: Mapping[str, float]) -> Evidence | None:
        if measurement.strength[-1] < limits["smallest_strength"]:
            return None
        share, updates = late_median(measurement.share), measurement.updates
        if share < CLEARLY * limits["largest_share"]:
            if updates is None or not _moves(updates, limits):
                return None
            text = f"early layers move by {updates.pace:.1e} of their weights a step, whatever their gradient"
            return Evidence(text, value=updates.pace, threshold=limits["usual_update_ratio"])
        return Evidence(
            f"the gradient {_in_unit(measurement.unit)} in the first third of the layers is {share:.1e} of the last's",
            signal=measurement.tags[0],
            value=share,
            threshold=limits["largest_share"],
        )

    def judge(self, measurement: GradientProfile, limits: Mapping[str, float]) -> list[Finding]:
        along_depth = self._along_the_depth(measurement, limits)
        return along_depth or self._everywhere(measurement, limits)

    def _along_the_depth(self, profile: GradientProfile, limits: Mapping[str, float]) -> list[Finding]:
        onset = begin_of_tail(running_median(profile.share, 3) < limits["largest_share"])
        late = late_median(profile.share)
        vanishes = late < limits["largest_share"] and profile.growth >= limits["smallest_growth"]
        if onset is None or len(profile.share) - onset < MINIMUM_RECORDS or not vanishes:
            return []
        updates = profile.updates
        if updates is not None and _moves(updates, limits):
            return []
        quiet = [index for index in range(len(profile.level)) if profile.level[index] < limits["largest_share"]]
        layers = tuple(profile.layers[index] for index in quiet)
        certain = updates is not None
        span = layers[0] if len(layers) == 1 else f"{layers[0]} … {layers[-1]}" if layers else "the early layers"
        evidence = [
            Evidence(
                f"the gradient {_in_unit(profile.unit)} in the first third of the layers is {late:.1e} of the last's",
                signal=profile.tags[0],
                value=late,
                threshold=limits["largest_share"],
                step=int(profile.step[onset]),
            ),
            Evidence(
                f"it grows with depth in order: rank correlation {profile.growth:.2f}",
                signal=profile.tags[-1],
                value=profile.growth,
                threshold=limits["smallest_growth"],
            ),
        ]
        if updates is not None:
            evidence.append(
                Evidence(
                    f"the updates there are {updates.share:.1e} of the last third's, each over its weights",
                    value=updates.share,
                    threshold=limits["smallest_update_share"],
                )
            )
        return [
            self.finding(
                Severity.INFO if profile.progressing and not certain else Severity.WARNING,
                0.95 if certain else 0.75,
                f"the gradient vanishes in {span}: {late:.1e} of what the last layers get",
                first_step=int(profile.step[onset]),
                last_step=int(profile.step[-1]),
                layers=layers,
                evidence=tuple(evidence),
            )
        ]

    def _everywhere(self, profile: GradientProfile, limits: Mapping[str, float]) -> list[Finding]:
        silent = bool(np.all(running_median(profile.strength, 3) < limits["smallest_strength"]))
        late, gained = late_median(profile.strength), profile.loss_gained
        if not silent or late == 0 or gained is None or gained > limits["largest_gain"]:
            return []
        return [
            self.finding(
                Severity.WARNING,
                0.8,
                f"no layer gets a gradient worth the name ({late:.1e} {profile.unit}), and the loss has not moved",
                first_step=int(profile.step[0]),
                last_step=int(profile.step[-1]),
                layers=profile.layers[:NAMED_LAYERS],
                evidence=(
                    Evidence(
                        f"the median layer's gradient is {late:.1e} {profile.unit}",
                        signal=profile.tags[0],
                        value=late,
                        threshold=limits["smallest_strength"],
                        step=int(profile.step[0]),
                    ),
                    Evidence(
                        f"{profile.loss_tag} has lost {gained:.1%} of its first level",
                        signal=profile.loss_tag,
                        value=gained,
                        threshold=limits["largest_gain"],
                    ),
                ),
            )
        ]


def _in_unit(unit: Unit) -> str:
    return {"of the weights": "over the weights", "a parameter": "a parameter", "as logged": "norm"}[unit]


def _moves(updates: EarlyUpdates, limits: Mapping[str, float]) -> bool:
    return updates.share >= limits["smallest_update_share"] or updates.pace >= limits["usual_update_ratio"]


def _loss(view: RunView) -> tuple[str | None, float | None, bool]:
    """The training loss, the share of its first level that it has lost, and whether it still falls."""
    loss = view.train_loss
    if loss is None or len(loss) < MINIMUM_RECORDS:
        return None, None, False
    tenth = max(1, len(loss) // 10)
    first, last = float(np.median(loss.curve.value[:tenth])), float(np.median(loss.curve.value[-tenth:]))
    gained = (first - last) / abs(first) if first else 0.0
    return loss.tag, gained, view.assess(loss).verdict in (Verdict.PROGRESSING, Verdict.SLOW)
