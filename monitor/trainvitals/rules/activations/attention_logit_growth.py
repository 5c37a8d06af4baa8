"""ACT006: attention logits that grow and grow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from trainvitals.maths.robust import running_median
from trainvitals.model import Evidence, Finding, Severity
from trainvitals.rules import logging_lines
from trainvitals.rules.activations.layer_records import (
    FEWEST_RECORDS,
    NAMED_LAYERS,
    LayerRecords,
    not_recorded,
    records_of,
)
from trainvitals.rules.activations.loss_since import LossSince, loss_since
from trainvitals.rules.rule import NotEnough, Rule, Threshold
from trainvitals.view import RunView

SMOOTHED_RECORDS = 5
SMALLEST_LOGIT = 50.0
"""Below, no softmax is in danger. Less is never measured."""

PAST_SHARE = 0.1
"""Of the records: what the layer began with."""

STILL_GROWING = 1.1
"""Last quarter over the third one. A logit that has found its level does not grow by a tenth in a quarter of a run."""

COLLAPSED_SHARE = 0.1
"""Of the entropy before. Attention that collapses in the very records in which its logits become large is the matter of
attention-collapse."""


@dataclass(frozen=True, slots=True)
class Growth:
    """A layer with large logits.

    Args:
        step: since when they are above ``SMALLEST_LOGIT``. past: the level at the start. late: at the end.
        pace: the level of the last quarter of the run over that of the third.
    """

    layer: str
    tag: str
    step: int
    past: float
    late: float
    pace: float

    @property
    def factor(self) -> float:
        return self.late / max(self.past, 1.0)


@dataclass(frozen=True, slots=True)
class LogitGrowth:
    """Layers with large logits in the order of the model, the loss since, and the largest level of any layer."""

    layers: tuple[Growth, ...]
    loss: LossSince | None
    largest: float
    tag: str
    last_step: int


class AttentionLogitGrowth(Rule[LogitGrowth]):
    """The logits of the attention grow without finding a level.

    What it finds
    -------------
    Layers whose largest attention logit has grown many times over its start, is large by itself, and still grows.

    Why it matters
    --------------
    Queries and keys that grow together make logits that grow with the square. From about a hundred on the softmax is a
    choice, and its gradients come in bursts; in half precision the logits lose their digits. Runs of large models
    diverged after such a growth, thousands of steps later.

    How it is detected
    ------------------
    Of the largest logit of each layer, as recorded of a sample of the queries, the running median is taken. It must be
    above `large_logit` at the last five records at least and over 2 % of the run, be `smallest_growth` times what the
    layer began with (counted from 1 where that is less), and either still grow, its last quarter a tenth above the
    third one, or have made the loss worse.

    False alarms
    ------------
    Large logits that have found their level are healthy, and not reported: many large models live at 20 to 50. A model
    without scaling by the root of the head's width has larger ones. A growth that stops soon after is one for which
    this rule came too early.

    What to try
    -----------
    Scale queries and keys back where they exceed a limit (QK-clip), at any step; a lower rate for them; a
    penalty on log Z; a norm on both at the next start.

    Sources
    -------
    Kimi K2 technical report, 2025 (QK-clip at 100, logits above 1,000 in the run that failed); Dehghani et al. 2023;
    Wortsman et al. 2023, arXiv 2309.14322 (logit growth as one of two instabilities). The condition that the growth
    goes on is ours.
    """

    code = "ACT006"
    name = "attention-logit-growth"
    summary = "The largest attention logits grow without finding a level."
    reads = ("per_layer.attention_logit_max", "per_layer.attention_entropy", "train_loss")
    thresholds = (
        Threshold(
            "large_logit",
            100.0,
            "From here on the softmax is a choice, exp(-100) being nothing.",
            "the Kimi K2 report clips at 100",
        ),
        Threshold(
            "smallest_growth",
            5.0,
            "Times what the layer began with: five times is more than the learning of a pattern asks for.",
            "convention; logits of healthy models grow from below 1 to about 20",
        ),
    )
    absorbs = (
        *("loss-spikes", "diverging-loss", "plateau", "not-learning", "exploding-gradients", "activation-growth"),
        *("attention-collapse", "low-precision-overflow"),
    )
    interventions = ("clip-queries-and-keys", "lower-attention-rate", "z-loss", "normalise-queries-and-keys")

    def measure(self, view: RunView) -> LogitGrowth | NotEnough:
        layers = records_of(view, "attention_logit_max")
        entropy = {layer.layer: layer for layer in records_of(view, "attention_entropy")}
        if view.train_loss is None or not layers:
            what = "attention_logit_max of each layer"
            return NotEnough() if layers else not_recorded(view, "attention", what, logging_lines.ALL_SIGNALS)
        growths = (_growth(layer, view.span_steps) for layer in layers)
        found = [each for each in growths if each is not None and not _collapses(entropy.get(each.layer), each.step)]
        largest = max(layers, key=lambda layer: layer.late)
        return LogitGrowth(
            layers=tuple(found),
            loss=loss_since(view, min(growth.step for growth in found)) if found else None,
            largest=largest.late,
            tag=largest.tag,
            last_step=max(int(layer.step[-1]) for layer in layers),
        )

    def judge(self, measurement: LogitGrowth, limits: Mapping[str, float]) -> list[Finding]:
        loss = measurement.loss
        worse = loss is not None and loss.worse
        grown = [
            growth
            for growth in measurement.layers
            if growth.late >= limits["large_logit"]
            and growth.factor >= limits["smallest_growth"]
            and (growth.pace >= STILL_GROWING or worse)
        ]
        if not grown:
            return []
        largest = max(grown, key=lambda growth: growth.late)
        names = [growth.layer for growth in grown]
        return [
            self.finding(
                Severity.WARNING,
                0.9 if worse else 0.75,
                f"the largest attention logit of {largest.layer} has grown from {largest.past:.3g} to "
                f"{largest.late:.3g}" + (" and still grows" if largest.pace >= STILL_GROWING else ""),
                first_step=min(growth.step for growth in grown),
                last_step=measurement.last_step,
                layers=tuple(names[:NAMED_LAYERS]),
                evidence=(
                    Evidence(
                        f"{largest.tag} is at {largest.late:.3g}, {largest.factor:.3g} times what it began with; its "
                        f"last quarter is {largest.pace:.3g} times the one before",
                        signal=largest.tag,
                        value=largest.late,
                        threshold=limits["large_logit"],
                        step=largest.step,
                    ),
                    *(() if loss is None else (loss.evidence(),)),
                ),
            )
        ]

    def rule_out(self, measurement: LogitGrowth, limits: Mapping[str, float]) -> Evidence | None:
        if measurement.largest >= SMALLEST_LOGIT:
            return None
        return Evidence(
            f"the largest attention logit of any layer is {measurement.largest:.3g}",
            signal=measurement.tag,
            value=measurement.largest,
            threshold=limits["large_logit"],
        )


def _growth(layer: LayerRecords, span_steps: int) -> Growth | None:
    level = running_median(layer.value, SMOOTHED_RECORDS)
    begin = layer.lasting_tail(level >= SMALLEST_LOGIT, span_steps)
    if begin is None:
        return None
    quarter = max(1, len(level) // 4)
    past = float(np.median(layer.value[: max(3, round(PAST_SHARE * len(layer)))]))
    third = float(np.median(level[-2 * quarter : -quarter]))
    pace = float(np.median(level[-quarter:])) / third if third > 0 else 1.0
    return Growth(layer.layer, layer.tag, layer.begin_step(begin), past, layer.late, pace)


def _collapses(entropy: LayerRecords | None, step: int) -> bool:
    """Whether the attention collapses within the records that follow a step."""
    if entropy is None:
        return False
    before, after = entropy.value[entropy.step < step], entropy.value[entropy.step >= step][:FEWEST_RECORDS]
    return bool(len(before) and len(after) and np.median(after) < COLLAPSED_SHARE * np.median(before))
