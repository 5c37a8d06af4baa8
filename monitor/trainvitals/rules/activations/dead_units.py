"""ACT001: units that put out zero for every example."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from trainvitals.model import Evidence, Finding, Severity
from trainvitals.rules import logging_lines
from trainvitals.rules.activations.affected_layer import AffectedLayer
from trainvitals.rules.activations.layer_records import NAMED_LAYERS, LayerRecords, not_recorded, place_of, records_of
from trainvitals.rules.activations.loss_since import LossSince, loss_since
from trainvitals.rules.rule import NotEnough, Rule, Threshold
from trainvitals.view import RunView

NONE_ALIVE = 0.9995
"""Share of zeros from which no output of the sample of about a thousand is alive."""

NEARLY_ALL_ZERO = 0.95
"""Share of zeros that sparse layers (50 to 90 %) do not reach."""

SMALLEST_RISE = 0.05
"""Of the share of zeros over the layer's own past."""


@dataclass(frozen=True, slots=True)
class Deaths:
    """What died, and what the loss did.

    Args:
        entirely: layers without any output but zero; mostly: layers with nearly none; dormant: layers many of whose
            units have gone quiet. Each in the order of the model.
        loss: since the first of them, by the name of the group.
        worst_zero: largest late share of zeros; worst_dormant: largest late share of dormant units, None where not
            recorded.
        last_step: of the records.
    """

    entirely: tuple[AffectedLayer, ...]
    mostly: tuple[AffectedLayer, ...]
    dormant: tuple[AffectedLayer, ...]
    loss: Mapping[str, LossSince | None]
    worst_zero: LayerRecords | None
    worst_dormant: LayerRecords | None
    last_step: int


class DeadUnits(Rule[Deaths]):
    """Units that put out zero for every example, so that no gradient comes through them.

    What it finds
    -------------
    A layer whose outputs are all zero, and since when: one such layer blocks everything in front of it. Also layers
    in which nearly all outputs became zero, or half of the units went quiet, while the loss got worse.

    Why it matters
    --------------
    The slope of ReLU is zero where its output is. A unit that is zero for every example gets no gradient, so it cannot
    come back by itself; behind an entirely dead layer the network puts out a constant.

    How it is detected
    ------------------
    Each layer is judged over its own records. It is dead where every sampled output was zero at the last five records
    at least, over 2 % of the run or more. It is reported where the layer had been alive and the loss became worse when
    it died, or where it never was alive and the loss has not moved either: what blocks a network shows in the loss.

    Short of that, nearly all outputs must be zero (`nearly_all_zero`) or many units dormant (`many_dormant`, against
    the layer's mean), clearly more than in the layer's own past, and the loss must have become worse since.

    False alarms
    ------------
    Sparse layers: 50 to 90 % zeros, and a share of dormant units that was there from the start, are healthy in ReLU
    networks and not reported. Sparse autoencoders and mixtures of experts, whose units wait for their examples. A
    branch that is skipped at random (stochastic depth) is zero now and then, not at every record; one that is dead in a
    network that learns around it is missed on purpose.

    What to try
    -----------
    Recycle dead units, or go back to before they died; lower the rate or warm it up for longer, so that they do not die
    again; leaky activations.

    Sources
    -------
    Sokar et al. 2023, "The dormant neuron phenomenon in deep reinforcement learning" (dormancy of 0.025 of the mean,
    recycling); Lu et al. 2019, "Dying ReLU and initialization". That the whole layer or the loss must go along is ours:
    the shares alone are as high in healthy networks.
    """

    code = "ACT001"
    name = "dead-units"
    summary = "Units put out zero for every example and get no gradient any more."
    reads = ("per_layer.activation_zero_fraction", "per_layer.dormant_unit_fraction", "train_loss")
    thresholds = (
        Threshold(
            "nearly_all_zero",
            NEARLY_ALL_ZERO,
            "Share of zeros in a layer that still has some outputs. Less than the default is never looked at.",
            "sparse ReLU layers of healthy networks have 50 to 90 %",
        ),
        Threshold(
            "many_dormant",
            0.5,
            "Half of the units of a layer do nothing.",
            "our reading of Sokar et al. 2023, whose networks lose their plasticity from there on",
        ),
        Threshold(
            "dormant_rise",
            0.3,
            "By how much more of the units are dormant than were in the layer's own past: small healthy networks can "
            "do without half of their units from the start.",
            "convention",
        ),
    )
    absorbs = (
        *("diverging-loss", "loss-spikes", "plateau", "not-learning", "vanishing-gradients", "exploding-gradients"),
        *("overfitting", "underfitting", "representation-collapse", "parameters-not-updated", "updates-too-small"),
        *("learning-rate-too-low", "adam-epsilon-dominates", "capacity-limit", "activation-growth"),
    )
    interventions = (
        "recycle-units",
        "restore-checkpoint",
        "lower-learning-rate",
        "longer-warmup",
        "other-activation",
        "better-initialisation",
    )

    def measure(self, view: RunView) -> Deaths | NotEnough:
        zeros = records_of(view, "activation_zero_fraction")
        quiet = records_of(view, "dormant_unit_fraction")
        if not zeros and not quiet:
            what = "activation_zero_fraction of each layer"
            return not_recorded(view, "activations", what, logging_lines.ACTIVATIONS)
        span = view.span_steps
        entirely = _deaths(zeros, NONE_ALIVE, span)
        dead = {death.layer for death in entirely}
        mostly = [death for death in _deaths(zeros, NEARLY_ALL_ZERO, span) if death.layer not in dead]
        dormant = _dormant(quiet, span)
        groups = {"entirely": entirely, "mostly": mostly, "dormant": dormant}
        return Deaths(
            entirely=tuple(entirely),
            mostly=tuple(mostly),
            dormant=tuple(dormant),
            loss={name: _loss(view, group) for name, group in groups.items()},
            worst_zero=max(zeros, key=lambda layer: layer.late, default=None),
            worst_dormant=max(quiet, key=lambda layer: layer.late, default=None),
            last_step=max(int(layer.step[-1]) for layer in (*zeros, *quiet)),
        )

    def judge(self, measurement: Deaths, limits: Mapping[str, float]) -> list[Finding]:
        return (
            self._entirely(measurement)
            or self._in_part(measurement, _risen_zeros(measurement, limits), "mostly", limits["nearly_all_zero"])
            or self._in_part(measurement, _risen_dormant(measurement, limits), "dormant", limits["many_dormant"])
        )

    def rule_out(self, measurement: Deaths, limits: Mapping[str, float]) -> Evidence | None:
        dormant, zero = measurement.worst_dormant, measurement.worst_zero
        if dormant is None or zero is None or zero.late >= NEARLY_ALL_ZERO or dormant.late >= limits["many_dormant"]:
            return None
        return Evidence(
            f"at most {dormant.late:.0%} of the units of a layer are dormant, and {zero.late:.0%} of its outputs zero",
            signal=dormant.tag,
            value=dormant.late,
            threshold=limits["many_dormant"],
        )

    def _entirely(self, deaths: Deaths) -> list[Finding]:
        layers = deaths.entirely
        if not layers:
            return []
        died = [death for death in layers if not death.from_start]
        loss = deaths.loss["entirely"]
        hurts = (loss is None or loss.worse) if died else (loss is not None and loss.stuck_at_start)
        if not hurts:
            return []
        return [self._found(deaths, died or layers, 0.75 if loss is None else 0.97, loss, NONE_ALIVE)]

    def _in_part(self, deaths: Deaths, layers: Sequence[AffectedLayer], group: str, limit: float) -> list[Finding]:
        loss = deaths.loss[group]
        if not layers or loss is None:
            return []
        never_learnt = group == "mostly" and all(death.from_start for death in layers) and loss.stuck_at_start
        if not (loss.worse or never_learnt):
            return []
        return [self._found(deaths, layers, 0.75, loss, limit, group)]

    def _found(
        self,
        deaths: Deaths,
        layers: Sequence[AffectedLayer],
        confidence: float,
        loss: LossSince | None,
        limit: float,
        group: str = "entirely",
    ) -> Finding:
        first = min(layers, key=lambda death: death.step)
        worst = max(layers, key=lambda death: death.now)
        names = [death.layer for death in layers]
        where = place_of(names)
        what = {
            "entirely": f"every output of {where} is zero",
            "mostly": f"{worst.now:.0%} of the outputs of {where} are zero",
            "dormant": f"{worst.now:.0%} of the units of {where} are dormant",
        }[group]
        return self.finding(
            Severity.WARNING,
            confidence,
            what + first.since_when,
            first_step=first.step,
            last_step=deaths.last_step,
            begins_by=first.record_step,
            layers=tuple(names[:NAMED_LAYERS]),
            evidence=(
                worst.evidence(limit),
                *(() if loss is None else (loss.evidence(),)),
            ),
        )


def _deaths(layers: Sequence[LayerRecords], limit: float, span_steps: int) -> list[AffectedLayer]:
    """Layers at or above a share until the end."""
    found = (AffectedLayer.since(layer, layer.lasting_tail(layer.value >= limit, span_steps)) for layer in layers)
    return [death for death in found if death is not None]


def _dormant(layers: Sequence[LayerRecords], span_steps: int) -> list[AffectedLayer]:
    """Each layer since its share of dormant units lies nearer to what it is now than to what it was."""
    found = []
    for layer in layers:
        first = float(np.median(layer.value[: max(3, len(layer) // 10)]))
        death = AffectedLayer.since(layer, layer.lasting_tail(layer.value > (first + layer.late) / 2, span_steps))
        if death is not None and death.before is not None:
            found.append(death)
    return found


def _risen_zeros(deaths: Deaths, limits: Mapping[str, float]) -> list[AffectedLayer]:
    return [
        death
        for death in deaths.mostly
        if death.now >= limits["nearly_all_zero"] and (death.before is None or death.now - death.before > SMALLEST_RISE)
    ]


def _risen_dormant(deaths: Deaths, limits: Mapping[str, float]) -> list[AffectedLayer]:
    return [
        death
        for death in deaths.dormant
        if death.now >= limits["many_dormant"]
        and death.before is not None
        and death.now - death.before >= limits["dormant_rise"]
    ]


def _loss(view: RunView, layers: Sequence[AffectedLayer]) -> LossSince | None:
    if view.train_loss is None or not layers:
        return None
    began = [death.step for death in layers if not death.from_start]
    return loss_since(view, min(began) if began else None)
