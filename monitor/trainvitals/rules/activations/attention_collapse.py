"""ACT005: attention that looks at one place only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from trainvitals.maths.robust import running_median
from trainvitals.model import Evidence, Finding, Severity
from trainvitals.rules import logging_lines
from trainvitals.rules.activations.layer_records import NAMED_LAYERS, LayerRecords, not_recorded, place_of, records_of
from trainvitals.rules.activations.loss_since import EXCUSING_GAIN, LossSince, loss_since
from trainvitals.rules.rule import NotEnough, Rule, Threshold
from trainvitals.view import RunView

LEAST_SPREAD_NATS = 0.7
"""Entropy of two equal weights: attention that has never been spread wider cannot collapse."""

SMOOTHED_RECORDS = 3
LARGEST_SHARE = 0.5
"""Of a layer's largest entropy. More is never measured."""


@dataclass(frozen=True, slots=True)
class Collapse:
    """A layer whose entropy is far below what it was, until the end.

    Args:
        step: the earliest at which it can have begun; record_step: the first record at which it is seen.
        share: of its largest entropy that is left; largest: that entropy.
        logit: largest logits of late, median; None where not recorded.
    """

    layer: str
    tag: str
    step: int
    record_step: int
    share: float
    largest: float
    logit: float | None


@dataclass(frozen=True, slots=True)
class Attention:
    """What became of the attention of all layers.

    Args:
        collapses: layers below ``LARGEST_SHARE`` of their largest entropy, in the order of the model.
        loss: since the first of them.
        lowest: the share that is left of the layer with the least; tag: its signal.
    """

    collapses: tuple[Collapse, ...]
    loss: LossSince | None
    lowest: float
    tag: str
    last_step: int


class AttentionCollapse(Rule[Attention]):
    """The attention of a layer falls onto single places.

    What it finds
    -------------
    Layers whose attention was spread over many places and now rests on one for every query, with the step since when.

    Why it matters
    --------------
    A softmax that has become a choice has no slope: the queries and keys get no gradient, so the layer cannot find its
    way back. Training often becomes unstable in the same steps.

    How it is detected
    ------------------
    The mean entropy of the attention weights of each layer is compared with the largest that the layer itself has had,
    so that the number of keys need not be known. Below `smallest_share` of it, at the last five records at least and
    over 2 % of the run or more, the attention has collapsed. Sharp attention can be what the task asks for; therefore
    the largest logit must have reached `hard_logit` as well, or the loss have become worse. A loss that lost a third
    of its level since shows that the task wants it so.

    False alarms
    ------------
    Heads that copy or look at the token before are sharp and healthy; they rarely make the mean of a whole layer fall
    to a twentieth, and the loss falls when they form. Attention over two or three places has no room to collapse.

    What to try
    -----------
    Scale queries and keys back (QK-clip), which works within a run; a lower rate for them; a penalty on log Z;
    a norm on both at the next start.

    Sources
    -------
    Zhai et al. 2023, "Stabilizing transformer training by preventing attention entropy collapse"; Dehghani et al.
    2023, "Scaling vision transformers to 22 billion parameters" (norm on queries and keys); Kimi K2 technical report,
    2025 (QK-clip at 100). The comparison with the layer's own largest entropy is ours.
    """

    code = "ACT005"
    name = "attention-collapse"
    summary = "The attention of a layer rests on single places for every query."
    reads = ("per_layer.attention_entropy", "per_layer.attention_logit_max", "train_loss")
    thresholds = (
        Threshold(
            "smallest_share",
            0.1,
            "Of the layer's own largest entropy: a tenth of the log of the number of keys is close to a choice.",
            "science notes of this project after Zhai et al. 2023: mean entropy over ln T below 0.1",
        ),
        Threshold(
            "hard_logit",
            100.0,
            "Largest logit from which the softmax is a choice whatever the task.",
            "the Kimi K2 report clips at 100; healthy models stay below 50",
        ),
    )
    absorbs = (
        *("attention-logit-growth", "diverging-loss", "loss-spikes", "plateau", "not-learning", "overfitting"),
        *("activation-growth", "representation-collapse", "vanishing-gradients", "exploding-gradients"),
        *("capacity-limit", "underfitting"),
    )
    interventions = (
        "clip-queries-and-keys",
        "lower-attention-rate",
        "z-loss",
        "restore-checkpoint",
        "normalise-queries-and-keys",
    )

    def measure(self, view: RunView) -> Attention | NotEnough:
        layers = records_of(view, "attention_entropy")
        logits = {layer.layer: layer for layer in records_of(view, "attention_logit_max")}
        if view.train_loss is None or not layers:
            what = "attention_entropy of each layer"
            return NotEnough() if layers else not_recorded(view, "attention", what, logging_lines.ALL_SIGNALS)
        collapses = []
        lowest, tag = np.inf, layers[0].tag
        for layer in layers:
            level = running_median(layer.value, SMOOTHED_RECORDS)
            largest = float(level.max())
            if not LEAST_SPREAD_NATS <= largest < np.inf:
                continue
            share = layer.late / largest
            if share < lowest:
                lowest, tag = share, layer.tag
            begin = layer.lasting_tail(layer.value < LARGEST_SHARE * largest, view.span_steps)
            if begin:
                logit = _since(logits.get(layer.layer), int(layer.step[begin]))
                record_step = int(layer.step[begin])
                at = layer.begin_step(begin)
                collapses.append(Collapse(layer.layer, layer.tag, at, record_step, share, largest, logit))
        if not np.isfinite(lowest):
            return NotEnough()
        loss = loss_since(view, min(each.step for each in collapses)) if collapses else None
        last_step = max(int(layer.step[-1]) for layer in layers)
        return Attention(tuple(collapses), loss, float(lowest), tag, last_step)

    def judge(self, measurement: Attention, limits: Mapping[str, float]) -> list[Finding]:
        collapsed = [each for each in measurement.collapses if each.share < limits["smallest_share"]]
        if not collapsed:
            return []
        loss = measurement.loss
        hard = [each for each in collapsed if each.logit is not None and each.logit >= limits["hard_logit"]]
        worse = loss is not None and loss.worse
        excused = loss is not None and loss.gained >= EXCUSING_GAIN
        if excused or not (hard or worse):
            return []
        first = min(collapsed, key=lambda each: each.step)
        worst = min(collapsed, key=lambda each: each.share)
        names = [each.layer for each in collapsed]
        where = place_of(names)
        evidence = [
            Evidence(
                f"the entropy of {worst.layer} is {worst.share:.1%} of the {worst.largest:.2f} nats that it had",
                signal=worst.tag,
                value=worst.share,
                threshold=limits["smallest_share"],
                step=worst.record_step,
            )
        ]
        if hard:
            hardest = max(hard, key=lambda each: each.logit or 0.0)
            evidence.append(
                Evidence(
                    f"the largest attention logit of {hardest.layer} is {hardest.logit:.3g} since",
                    signal=hardest.tag.replace("attention_entropy", "attention_logit_max", 1),
                    value=hardest.logit,
                    threshold=limits["hard_logit"],
                )
            )
        if loss is not None:
            evidence.append(loss.evidence())
        return [
            self.finding(
                Severity.WARNING,
                0.95 if hard and worse else 0.9 if hard else 0.75,
                f"the attention of {where} has collapsed since step {first.record_step:,}",
                first_step=first.step,
                last_step=measurement.last_step,
                begins_by=first.record_step,
                layers=tuple(names[:NAMED_LAYERS]),
                evidence=tuple(evidence),
            )
        ]

    def rule_out(self, measurement: Attention, limits: Mapping[str, float]) -> Evidence | None:
        if measurement.lowest < LARGEST_SHARE:
            return None
        return Evidence(
            f"every layer's attention keeps at least {measurement.lowest:.0%} of its largest entropy",
            signal=measurement.tag,
            value=measurement.lowest,
            threshold=limits["smallest_share"],
        )


def _since(logits: LayerRecords | None, step: int) -> float | None:
    late = np.empty(0) if logits is None else logits.value[logits.step >= step]
    return float(np.median(late)) if len(late) else None
