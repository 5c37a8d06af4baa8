"""ACT004: outputs that no longer differ from input to input."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from trainvitals.maths.robust import running_median
from trainvitals.model import Evidence, Finding, Severity
from trainvitals.rules import logging_lines
from trainvitals.rules.activations.layer_records import NAMED_LAYERS, LayerRecords, not_recorded, place_of, records_of
from trainvitals.rules.activations.loss_since import EXCUSING_GAIN, LossSince, loss_since
from trainvitals.rules.rule import NotEnough, Rule, Threshold
from trainvitals.view import RunView

SMOOTHED_RECORDS = 3
NO_DIRECTION = 0.5
"""Between 0, the rank of outputs that are all the same, and 1, the least that any others have."""

LARGEST_SHARE = 0.5
"""Of the layer's own largest rank. More is never looked at."""


@dataclass(frozen=True, slots=True)
class RankLoss:
    """A layer whose outputs spread over far fewer directions than they did, until the end.

    Args:
        step: the earliest at which it can have begun; record_step: the first record at which it is seen.
        largest: directions that it had; late: those that are left.
        is_last: whether it is the last layer looked at.
    """

    layer: str
    tag: str
    step: int
    record_step: int
    largest: float
    late: float
    is_last: bool

    @property
    def share(self) -> float:
        return self.late / self.largest

    @property
    def is_constant(self) -> bool:
        return self.late < NO_DIRECTION


@dataclass(frozen=True, slots=True)
class RankLosses:
    """Layers that lost directions, in the order of the model, and what the loss did since each kind.

    Args:
        loss: since the first layer; loss_of_constant: since the first whose outputs are all the same.
        lowest: the smallest share of its own largest rank that any layer keeps; tag: its signal.
    """

    layers: tuple[RankLoss, ...]
    loss: LossSince | None
    loss_of_constant: LossSince | None
    lowest: float
    tag: str
    last_step: int


class RepresentationCollapse(Rule[RankLosses]):
    """The outputs of a layer have collapsed onto few directions, or onto a single point.

    What it finds
    -------------
    Layers that put out the same for every input, and layers whose outputs came to spread over a fraction of the
    directions that they had while the loss got worse.

    Why it matters
    --------------
    What a layer puts out alike for different inputs no later layer can tell apart. Where the last layer is constant the
    model has stopped looking at its input.

    How it is detected
    ------------------
    The effective rank of each layer's outputs, over its own records, is compared with the largest that the layer itself
    has had. A rank of 0, outputs that are the same but for rounding, at the last five records at least and over 2 % of
    the run or more, is a finding where it is the last layer or the loss got worse, unless the loss lost a third of its
    level since. A rank below `smallest_share` of the largest needs a loss that got worse.

    False alarms
    ------------
    Classifiers that have fitted their training set bring each class to a point (neural collapse); the rank falls to the
    number of classes, the loss to zero, and nothing is reported. A small batch caps the rank. Features that collapse
    while a self-supervised loss falls cannot be told from that and are missed.

    What to try
    -----------
    A lower rate; a norm on the features; back to before the collapse; more diverse batches; less weight decay.

    Sources
    -------
    Bartlett et al. 2020, "Benign overfitting in linear regression" (the rank R_0 that is recorded); Lyle et al. 2022
    on rank and plasticity; Papyan et al. 2020 on neural collapse. That the loss must suffer is ours.
    """

    code = "ACT004"
    name = "representation-collapse"
    summary = "The outputs of a layer have collapsed onto few directions or a single point."
    reads = ("per_layer.effective_rank", "train_loss")
    thresholds = (
        Threshold(
            "smallest_share",
            0.2,
            "Of the layer's own largest rank, under a loss that got worse. More than a half is never looked at.",
            "ours; healthy training lowers the rank of a layer by a factor of two to three",
        ),
    )
    absorbs = ("plateau", "not-learning", "capacity-limit", "underfitting", "loss-spikes", "vanishing-gradients")
    interventions = ("lower-learning-rate", "normalise-layers", "restore-checkpoint", "more-data")

    def measure(self, view: RunView) -> RankLosses | NotEnough:
        layers = records_of(view, "effective_rank")
        if view.train_loss is None or not layers:
            what = "effective_rank of each layer"
            return NotEnough() if layers else not_recorded(view, "effective_rank", what, logging_lines.ALL_SIGNALS)
        found = []
        lowest, tag = 1.0, layers[0].tag
        for layer in layers:
            largest = float(running_median(layer.value, SMOOTHED_RECORDS).max())
            if largest < 1.0:
                continue
            if layer.late / largest < lowest:
                lowest, tag = layer.late / largest, layer.tag
            loss_of_rank = _rank_loss(layer, largest, view.span_steps, is_last=layer is layers[-1])
            if loss_of_rank is not None:
                found.append(loss_of_rank)
        constant = [each.step for each in found if each.is_constant]
        return RankLosses(
            layers=tuple(found),
            loss=loss_since(view, min(each.step for each in found)) if found else None,
            loss_of_constant=loss_since(view, min(constant)) if constant else None,
            lowest=lowest,
            tag=tag,
            last_step=max(int(layer.step[-1]) for layer in layers),
        )

    def judge(self, measurement: RankLosses, limits: Mapping[str, float]) -> list[Finding]:
        constant = [each for each in measurement.layers if each.is_constant]
        loss = measurement.loss_of_constant
        worse = loss is not None and loss.worse
        excused = loss is not None and loss.gained >= EXCUSING_GAIN
        if constant and not excused and (worse or any(each.is_last for each in constant)):
            what = "put out the same for every input"
            return [self._found(measurement, constant, loss, limits, what, 0.95 if worse else 0.8)]
        fewer = [each for each in measurement.layers if each.share < limits["smallest_share"]]
        loss = measurement.loss
        if fewer and loss is not None and loss.worse:
            return [self._found(measurement, fewer, loss, limits, "spread over few directions", 0.75)]
        return []

    def rule_out(self, measurement: RankLosses, limits: Mapping[str, float]) -> Evidence | None:
        if measurement.lowest < LARGEST_SHARE:
            return None
        return Evidence(
            f"every layer keeps at least {measurement.lowest:.0%} of its largest effective rank",
            signal=measurement.tag,
            value=measurement.lowest,
            threshold=limits["smallest_share"],
        )

    def _found(
        self,
        measurement: RankLosses,
        layers: list[RankLoss],
        loss: LossSince | None,
        limits: Mapping[str, float],
        what: str,
        confidence: float,
    ) -> Finding:
        first = min(layers, key=lambda each: each.step)
        worst = min(layers, key=lambda each: each.share)
        names = [each.layer for each in layers]
        where = place_of(names)
        return self.finding(
            Severity.WARNING,
            confidence,
            f"the outputs of {where} {what} since step {first.record_step:,}",
            first_step=first.step,
            last_step=measurement.last_step,
            begins_by=first.record_step,
            layers=tuple(names[:NAMED_LAYERS]),
            evidence=(
                Evidence(
                    f"the effective rank of {worst.layer} is {worst.late:.2g}, and was {worst.largest:.3g}",
                    signal=worst.tag,
                    value=worst.share,
                    threshold=limits["smallest_share"],
                    step=worst.record_step,
                ),
                *(() if loss is None else (loss.evidence(),)),
            ),
        )


def _rank_loss(layer: LayerRecords, largest: float, span_steps: int, *, is_last: bool) -> RankLoss | None:
    late = layer.late
    limit = NO_DIRECTION if late < NO_DIRECTION else LARGEST_SHARE * largest
    begin = layer.lasting_tail(layer.value < limit, span_steps)
    if not begin:
        return None
    return RankLoss(
        layer.layer, layer.tag, layer.begin_step(begin), int(layer.step[begin]), largest, late, is_last=is_last
    )
