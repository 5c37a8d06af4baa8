"""ACT002: outputs at the flat ends of their activation function."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from trainvitals.model import Evidence, Finding, Severity
from trainvitals.rules import logging_lines
from trainvitals.rules.activations.affected_layer import AffectedLayer
from trainvitals.rules.activations.layer_records import NAMED_LAYERS, LayerRecords, not_recorded, place_of, records_of
from trainvitals.rules.activations.loss_since import LossSince, loss_since
from trainvitals.rules.rule import NotEnough, Rule, Threshold
from trainvitals.view import RunView

SMALLEST_SHARE = 0.5
"""Half of the outputs. Less is never looked at."""


@dataclass(frozen=True, slots=True)
class Saturations:
    """Layers with many saturated outputs, in the order of the model.

    Args:
        later: those that came to it; loss_later: what the loss did since the first of them.
        always: those that were so from the start; loss_always: what the loss did since the start.
        worst: the layer with the largest share of late.
    """

    later: tuple[AffectedLayer, ...]
    always: tuple[AffectedLayer, ...]
    loss_later: LossSince | None
    loss_always: LossSince | None
    worst: LayerRecords
    last_step: int


class SaturatedActivations(Rule[Saturations]):
    """Most outputs of a layer lie at the flat ends of its activation function, where there is no gradient.

    What it finds
    -------------
    Layers of tanh, sigmoid and the like whose outputs came to lie at the ends while the loss got worse, and layers that
    were so from the start under a loss that never moved.

    Why it matters
    --------------
    At the ends the function is flat: what goes in may change without anything coming out, and hardly any gradient comes
    back. The layer is stuck, and all in front of it.

    How it is detected
    ------------------
    The share of saturated outputs of each layer, over its own records, must be at least `mostly_saturated` at the last
    five and over 2 % of the run or more. Where it was smaller before, it must have risen by `smallest_rise`, and the
    loss must have become worse since. Where it was so from the start, the loss must not have moved. The output of the
    model itself is left out: a sure classifier ends there.

    False alarms
    ------------
    Gates and binary codes are saturated on purpose; under a loss that falls they are not reported. The last layer of a
    model that the log does not show in full may be taken for an inner one.

    What to try
    -----------
    Where it began on the way, back to before it; a norm in front of the activation; smaller initial weights; a lower
    rate; an activation that does not saturate.

    Sources
    -------
    Glorot and Bengio 2010, "Understanding the difficulty of training deep feedforward neural networks". SageMaker
    Debugger asks for half of the units far in the ends; the share and the part of the loss are ours.
    """

    code = "ACT002"
    name = "saturated-activations"
    summary = "Most outputs of a layer lie at the flat ends of its activation function."
    reads = ("per_layer.activation_saturated_fraction", "per_layer.activation_std", "train_loss")
    thresholds = (
        Threshold(
            "mostly_saturated",
            0.8,
            "Share of the outputs; a layer that keeps a fifth in the steep part still learns.",
            "convention; healthy tanh networks have up to a half at the ends",
        ),
        Threshold(
            "smallest_rise",
            0.3,
            "Over the layer's own past, for a layer that was not so from the start.",
            "convention",
        ),
    )
    absorbs = (
        *("diverging-loss", "loss-spikes", "plateau", "not-learning", "vanishing-gradients", "exploding-gradients"),
        *("overfitting", "representation-collapse", "updates-too-small", "learning-rate-too-low", "capacity-limit"),
        *("underfitting", "activation-growth"),
    )
    interventions = (
        "restore-checkpoint",
        "normalise-layers",
        "better-initialisation",
        "lower-learning-rate",
        "other-activation",
    )

    def measure(self, view: RunView) -> Saturations | NotEnough:
        everything = view.layers("activation_std")
        output = everything.layers[-1] if everything is not None and everything.layers else None
        layers = [layer for layer in records_of(view, "activation_saturated_fraction") if layer.layer != output]
        if view.train_loss is None or not layers:
            what = "activation_saturated_fraction of each layer"
            return NotEnough() if layers else not_recorded(view, "units", what, logging_lines.ACTIVATIONS)
        found = [each for layer in layers if (each := _saturation(layer, view.span_steps)) is not None]
        later = tuple(each for each in found if not each.from_start)
        always = tuple(each for each in found if each.from_start)
        return Saturations(
            later=later,
            always=always,
            loss_later=loss_since(view, min(each.step for each in later)) if later else None,
            loss_always=loss_since(view, None) if always else None,
            worst=max(layers, key=lambda layer: layer.late),
            last_step=max(int(layer.step[-1]) for layer in layers),
        )

    def judge(self, measurement: Saturations, limits: Mapping[str, float]) -> list[Finding]:
        limit = limits["mostly_saturated"]
        later = [
            each
            for each in measurement.later
            if each.now >= limit and each.before is not None and each.now - each.before >= limits["smallest_rise"]
        ]
        always = [each for each in measurement.always if each.now >= limit]
        loss = measurement.loss_later
        if later and loss is not None and loss.worse:
            return [self._found(measurement, later, loss, limit, 0.9)]
        loss = measurement.loss_always
        if always and loss is not None and loss.stuck_at_start:
            return [self._found(measurement, always, loss, limit, 0.8)]
        return []

    def rule_out(self, measurement: Saturations, limits: Mapping[str, float]) -> Evidence | None:
        worst = measurement.worst
        if worst.late >= SMALLEST_SHARE:
            return None
        return Evidence(
            f"at most {worst.late:.0%} of the outputs of a layer are saturated",
            signal=worst.tag,
            value=worst.late,
            threshold=limits["mostly_saturated"],
        )

    def _found(
        self, measurement: Saturations, layers: list[AffectedLayer], loss: LossSince, limit: float, confidence: float
    ) -> Finding:
        first = min(layers, key=lambda each: each.step)
        worst = max(layers, key=lambda each: each.now)
        names = [each.layer for each in layers]
        where = place_of(names)
        return self.finding(
            Severity.WARNING,
            confidence,
            f"{worst.now:.0%} of the outputs of {where} are saturated{first.since_when}",
            first_step=first.step,
            last_step=measurement.last_step,
            begins_by=first.record_step,
            layers=tuple(names[:NAMED_LAYERS]),
            evidence=(
                worst.evidence(limit),
                loss.evidence(),
            ),
        )


def _saturation(layer: LayerRecords, span_steps: int) -> AffectedLayer | None:
    """A layer since most of it is saturated; a little earlier than the limit, where the share lies halfway to it."""
    first = float(np.median(layer.value[:3]))
    if layer.late < SMALLEST_SHARE:
        return None
    halfway = min(layer.late / 2 + first / 2, layer.late - 0.05)
    return AffectedLayer.since(layer, layer.lasting_tail(layer.value >= halfway, span_steps))
