"""ACT003: outputs of layers that grow and grow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from trainvitals.maths.excess import OVERFLOW_DECADES, sustained_excess
from trainvitals.model import Evidence, Finding, Series, Severity
from trainvitals.rules import logging_lines
from trainvitals.rules.activations.layer_records import (
    FEWEST_RECORDS,
    NAMED_LAYERS,
    LayerRecords,
    not_recorded,
    place_of,
    records_of,
)
from trainvitals.rules.activations.loss_since import EXCUSING_GAIN, LossSince, loss_since
from trainvitals.rules.loss.explanations import rate_raised
from trainvitals.rules.rule import NotEnough, Rule, Threshold
from trainvitals.view import RunView

WARM_UP_SHARE = 0.02
"""Of the records: outputs of random weights."""

PAST_SHARE = 0.1
"""Of the records after warm-up: what the layer is measured against before anything is looked at closely."""

SMALLEST_DECADES = 1.0
"""Ten times the past. Less is never measured."""

STILL_GROWING_DECADES = 0.05
"""Last quarter of the stretch over the third one: an eighth more, where a level that was found gains nothing."""

SMALLEST_SPREAD = 1e-30
RATE_RECORDS = 3
"""Records around the onset in which a raised learning rate is the better explanation."""


@dataclass(frozen=True, slots=True)
class LayerGrowth:
    """A layer whose outputs left the range of its own past and of its neighbours', until the end.

    Args:
        step: the earliest at which it can have begun; record_step: the first record at which it is seen.
        past, late: levels, in decades; past is that of the layer or the median one of all layers, the larger one.
        pace: decades from the third quarter of the stretch to the last.
        rate_raised: the learning rate was raised at the onset.
    """

    layer: str
    tag: str
    step: int
    record_step: int
    past: float
    late: float
    pace: float
    rate_raised: bool

    @property
    def factor(self) -> float:
        return float(10.0 ** min(self.late - self.past, 300.0))


@dataclass(frozen=True, slots=True)
class Growths:
    """Layers that grew, in the order of the model; the loss since the first of them; the largest change of any layer.

    Args:
        largest: late level over the past, of the layer where that is most; tag: its signal.
    """

    layers: tuple[LayerGrowth, ...]
    loss: LossSince | None
    largest: float
    tag: str
    last_step: int


class ActivationGrowth(Rule[Growths]):
    """The outputs of layers grow without finding a level.

    What it finds
    -------------
    Layers whose outputs spread over ten or a hundred times what they did, and go on growing, with the step since when.

    Why it matters
    --------------
    Growing outputs saturate what comes behind them, run out of the range of half precision (65,504 in float16) and make
    the gradients of earlier layers useless. Behind a norm nothing of it shows in the loss until it is too late.

    How it is detected
    ------------------
    On the logarithm of the standard deviation of each layer's output. The first 2 % of the records do not count. The
    rest is cut into blocks, whose medians must lie at least ten times, and six robust standard deviations, above all of
    the layer's past, three times in a row and until the end; and ten times above what the median layer had, so that a
    layer that wakes up from almost nothing is not meant. The last quarter of that stretch must lie above the third.
    From `smallest_growth` times on the loss must have become worse; from `certain_growth` times on the growth speaks
    for itself, unless the loss lost a third of its level since and the growth is less than `certain_growth` squared.

    False alarms
    ------------
    The logits of a classifier grow while it becomes confident, and residual streams while they learn; by a factor of
    a few after the beginning. Jumps that come to rest are left to the rules about the loss. Where the learning rate was
    raised in the same records, or the loss had blown up before, that comes first, and this rule is silent.

    What to try
    -----------
    A lower rate; back to before the growth; a norm inside the block that grows; weight decay.

    Sources
    -------
    Molybog et al. 2023, arXiv 2304.09871, and Wortsman et al. 2023, arXiv 2309.14322, on growing outputs before
    instabilities. The factors and the comparison with the layer's past and its neighbours are ours.
    """

    code = "ACT003"
    name = "activation-growth"
    summary = "The outputs of layers grow without finding a level."
    reads = ("per_layer.activation_std", "train_loss", "learning_rate")
    thresholds = (
        Threshold(
            "smallest_growth",
            10.0,
            "Times the past, with a loss that suffers. Less than the default is never measured.",
            "outputs of healthy networks grow by a factor of a few once they have begun to learn",
        ),
        Threshold(
            "certain_growth",
            100.0,
            "Times the past, and still growing, whatever the loss does.",
            "convention: two decades",
        ),
    )
    absorbs = (
        *("exploding-gradients", "diverging-loss", "non-finite-loss", "loss-spikes", "plateau", "not-learning"),
        *("output-logit-drift", "low-precision-overflow", "overfitting", "vanishing-gradients"),
        *("saturated-activations", "representation-collapse"),
    )
    interventions = ("restore-checkpoint", "lower-learning-rate", "residual-connections", "more-regularisation")

    def measure(self, view: RunView) -> Growths | NotEnough:
        rate = view.learning_rate
        layers = records_of(view, "activation_std")
        if view.train_loss is None or not layers:
            what = "activation_std of each layer"
            return NotEnough() if layers else not_recorded(view, "activations", what, logging_lines.ACTIVATIONS)
        levels = [_decades(layer) for layer in layers]
        pasts = np.array([float(np.median(_past(level))) for level in levels])
        usual = float(np.median(pasts))
        changes = [float(np.median(level[-FEWEST_RECORDS:])) - past for level, past in zip(levels, pasts, strict=True)]
        most = int(np.argmax(changes))
        found = []
        for layer, level, past, change in zip(layers, levels, pasts, changes, strict=True):
            if change >= SMALLEST_DECADES and change + past - usual >= SMALLEST_DECADES:
                growth = _growth(layer, level, usual, rate)
                if growth is not None:
                    found.append(growth)
        return Growths(
            layers=tuple(found),
            loss=loss_since(view, min(growth.step for growth in found)) if found else None,
            largest=float(10.0 ** min(changes[most], 300.0)),
            tag=layers[most].tag,
            last_step=max(int(layer.step[-1]) for layer in layers),
        )

    def judge(self, measurement: Growths, limits: Mapping[str, float]) -> list[Finding]:
        loss = measurement.loss
        worse = loss is not None and loss.worse
        excused = loss is not None and loss.gained >= EXCUSING_GAIN
        certain = limits["certain_growth"] ** (2 if excused else 1)
        limit = limits["smallest_growth"] if worse else certain
        grown = [growth for growth in measurement.layers if growth.factor >= limit and not growth.rate_raised]
        if not grown or (loss is not None and loss.ill_before):
            return []
        first = min(grown, key=lambda growth: growth.step)
        most = max(grown, key=lambda growth: growth.factor)
        names = [growth.layer for growth in grown]
        where = place_of(names)
        return [
            self.finding(
                Severity.WARNING,
                0.95 if most.factor >= certain and (worse or most.factor >= certain**2) else 0.8,
                f"the outputs of {where} grow since step {first.record_step:,}, {most.factor:.3g} times by now",
                first_step=first.step,
                last_step=measurement.last_step,
                begins_by=first.record_step,
                layers=tuple(names[:NAMED_LAYERS]),
                evidence=(
                    Evidence(
                        f"{most.tag} is {most.factor:.3g} times what was usual, and {10.0**most.pace:.3g} times what "
                        "it was a quarter of the growth ago",
                        signal=most.tag,
                        value=most.factor,
                        threshold=limit,
                        step=most.record_step,
                    ),
                    *(() if loss is None else (loss.evidence(),)),
                ),
            )
        ]

    def rule_out(self, measurement: Growths, limits: Mapping[str, float]) -> Evidence | None:
        if measurement.layers or measurement.largest >= limits["smallest_growth"]:
            return None
        return Evidence(
            f"no layer's outputs have grown more than {measurement.largest:.3g} times since the beginning",
            signal=measurement.tag,
            value=measurement.largest,
            threshold=limits["smallest_growth"],
        )


def _decades(layer: LayerRecords) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    with np.errstate(over="ignore"):
        return np.minimum(np.log10(np.maximum(layer.value, SMALLEST_SPREAD)), OVERFLOW_DECADES)


def _warm_up(records: int) -> int:
    return round(WARM_UP_SHARE * records)


def _past(level: np.ndarray[tuple[int], np.dtype[np.float64]]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    first = _warm_up(len(level))
    return level[first : first + max(FEWEST_RECORDS, round(PAST_SHARE * len(level)))]


def _growth(
    layer: LayerRecords, level: np.ndarray[tuple[int], np.dtype[np.float64]], usual: float, rate: Series | None
) -> LayerGrowth | None:
    excess = sustained_excess(level, _warm_up(len(level)), SMALLEST_DECADES)
    if excess is None or not excess.to_the_end:
        return None
    stretch = level[excess.begin :]
    quarter = max(1, len(stretch) // 4)
    late = float(np.median(stretch[-quarter:]))
    pace = late - float(np.median(stretch[-2 * quarter : -quarter]))
    if pace < STILL_GROWING_DECADES and late < OVERFLOW_DECADES:
        return None
    series = Series(layer.tag, layer.step, np.full(len(layer), np.nan), layer.value)
    return LayerGrowth(
        layer=layer.layer,
        tag=layer.tag,
        step=layer.begin_step(excess.begin),
        record_step=int(layer.step[excess.begin]),
        past=max(excess.past, usual),
        late=float(np.median(level[-FEWEST_RECORDS:])),
        pace=pace,
        rate_raised=rate_raised(rate, series, excess.begin, within=RATE_RECORDS),
    )
