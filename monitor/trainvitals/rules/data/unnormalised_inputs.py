"""DAT007: the inputs lie far from zero, or on another scale than one, and it hurts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from trainvitals import tags
from trainvitals.model import Evidence, Finding, Severity
from trainvitals.rules import logging_lines
from trainvitals.rules.rule import NotEnough, Rule, Threshold
from trainvitals.view import RunView

MINIMUM_RECORDS = 5
FIRST_LOSSES = 5
"""Losses whose median is a level: that at which the training begins, and later ones."""

BEGINNING_SHARE = 0.1
"""Of the curve: what large inputs do to the first losses is undone by then, or is stuck."""

LARGEST_GUESS = 12.5
"""Nats. What guessing costs among the largest vocabularies in use (ln 256,000): more is no guess."""

SILENT_KINDS = {
    "activation_saturated_fraction": "of the outputs of {layer} are saturated",
    "dormant_unit_fraction": "of the units of {layer} are dormant",
}
SURE, LIKELY, HARMLESS = 0.9, 0.75, 0.6
"""Inputs far from zero with two kinds of harm; with one, or merely large or small ones; with none."""


@dataclass(frozen=True, slots=True)
class Beginning:
    """How a loss began: its first level, that after a tenth of the curve, and that at the end."""

    tag: str
    first: float
    early: float
    last: float
    finite: bool


@dataclass(frozen=True, slots=True)
class Silence:
    """The layer with the largest share of saturated outputs or dormant units over the second half."""

    tag: str
    text: str
    share: float


@dataclass(frozen=True, slots=True)
class Inputs:
    """Where the inputs lie, and how the training began.

    Args:
        mean, spread: medians over all records. first_step, last_step: of the records.
    """

    mean: float
    spread: float
    first_step: int
    last_step: int
    loss: Beginning | None
    silence: Silence | None

    @property
    def distance(self) -> float:
        """Of the mean from zero, in spreads."""
        return abs(self.mean) / self.spread if self.spread > 0 else 0.0

    @property
    def size(self) -> float:
        """The root of the mean square."""
        return float(np.hypot(self.mean, self.spread))


class UnnormalisedInputs(Rule[Inputs]):
    """The inputs lie far from zero, or are far larger or smaller than one, and the training suffers.

    What it finds
    -------------
    A warning: inputs whose mean lies many of their spreads from zero, or whose size is far from one, in a training
    whose first losses are huge, that does not leave its first level, that gets worse, or whose units are saturated or
    dormant. As an information: such inputs in a training that does well all the same.

    Why it matters
    --------------
    A common offset of all inputs makes all examples look alike to the first layer: it saturates its units or switches
    them off, and makes the loss so much steeper in one direction than in the others that no learning rate suits both.

    How it is detected
    ------------------
    Mean and spread of the recorded batches, the medians over the run. Far: the mean at least `largest_distance` spreads
    from zero. Large or small: a root mean square of at least `largest_size`, or at most `smallest_size`. Harm is any
    of: a loss that is not finite; first losses `huge_first_loss` times as high as after a tenth of the curve, and
    higher than a guess among 256,000 classes costs; a loss that has lost less than `smallest_gain` of its first level,
    or ended above it; a layer with at least `largest_silent_share` of its outputs saturated or its units dormant over
    the second half.

    False alarms
    ------------
    Images from 0 to 1 or from 0 to 255, counts and prices are harmless where the network normalises first (batch
    normalisation, a scaling layer): without harm it is an information only. Token ids have no mean and are not looked
    at. A training that is stuck for another reason, with such inputs beside it, is blamed on them; normalising them is
    then no loss.

    What to try
    -----------
    Subtract the mean and divide by the spread, of each feature or channel, with the values of the training set; or
    normalise in the first layer.

    Sources
    -------
    LeCun et al. 1998, "Efficient BackProp", section 4.3, on centring and scaling inputs; Schoop et al. 2021 (UMLAUT),
    which checks the range of the inputs.
    """

    code = "DAT007"
    name = "unnormalised-inputs"
    summary = "The inputs lie far from zero or from size one, and the training suffers."
    reads = (
        tags.BATCH_MEAN,
        tags.BATCH_STD,
        "train_loss",
        *(f"per_layer.{kind}" for kind in SILENT_KINDS),
    )
    thresholds = (
        Threshold(
            "largest_distance",
            5.0,
            "Spreads from zero. Images from 0 to 1 or 255 lie at about 1.7; beyond five no example is near zero.",
            "ours; five standard deviations of a normal feature",
        ),
        Threshold(
            "largest_size",
            30.0,
            "Root mean square. Initialisations assume one; thirty makes first squared losses a thousand times larger.",
            "He et al. 2015: the variance of each layer is proportional to that of its input",
        ),
        Threshold(
            "smallest_size",
            0.01,
            "Root mean square, below which biases and rounding outweigh the input: images divided by 255 twice.",
            "as above, from the other side",
        ),
        Threshold(
            "huge_first_loss",
            100.0,
            "Times the loss after a tenth of the curve: more than learning gives in so short a time.",
            "convention: two orders of magnitude",
        ),
        Threshold(
            "smallest_gain",
            0.05,
            "Share of its first level that a loss must have lost not to be stuck.",
            "as for vanishing-gradients",
        ),
        Threshold(
            "largest_silent_share",
            0.5,
            "Of the outputs or units of a layer. Where half are constant, the layer has lost half of its width.",
            "convention",
        ),
    )
    absorbs = (
        "not-learning",
        "plateau",
        "diverging-loss",
        "loss-spikes",
        "oscillating-loss",
        "vanishing-gradients",
        "exploding-gradients",
        "dead-units",
        "saturated-activations",
        "activation-growth",
        "representation-collapse",
        "poor-initialisation",
        "updates-too-large",
        "updates-too-small",
        "learning-rate-too-high",
        "learning-rate-too-low",
        "missing-warmup",
        "clipping-saturated",
        "underfitting",
    )
    interventions = ("normalise-inputs", "check-loss-inputs")

    def measure(self, view: RunView) -> Inputs | NotEnough:
        mean, spread = (view.recorded(tag) for tag in (tags.BATCH_MEAN, tags.BATCH_STD))
        if mean is None or spread is None:
            return NotEnough((tags.BATCH_MEAN, tags.BATCH_STD), logging_lines.WATCH)
        mean, spread = mean.finite(), spread.finite()
        if min(len(mean), len(spread)) < MINIMUM_RECORDS:
            return NotEnough((f"{tags.BATCH_MEAN} at {MINIMUM_RECORDS} steps or more",), logging_lines.WATCH)
        return Inputs(
            mean=float(np.median(mean.value)),
            spread=float(np.median(spread.value)),
            first_step=int(mean.step[0]),
            last_step=int(mean.step[-1]),
            loss=_beginning(view),
            silence=_silence(view),
        )

    def judge(self, measurement: Inputs, limits: Mapping[str, float]) -> list[Finding]:
        if not _odd(measurement, limits):
            return []
        harms = tuple(_harms(measurement, limits))
        where = f"the input has mean {measurement.mean:.3g} and spread {measurement.spread:.3g}"
        far = measurement.distance >= limits["largest_distance"]
        evidence = (
            Evidence(
                f"{where}: {measurement.distance:.2g} spreads from zero",
                signal=tags.BATCH_MEAN,
                value=measurement.distance,
                threshold=limits["largest_distance"],
                step=measurement.first_step,
            ),
            Evidence(
                f"its size (root mean square) is {measurement.size:.3g}",
                signal=tags.BATCH_STD,
                value=measurement.size,
                threshold=limits["largest_size" if measurement.size > 1 else "smallest_size"],
            ),
        )
        return [
            self.finding(
                Severity.WARNING if harms else Severity.INFO,
                (SURE if far and len(harms) > 1 else LIKELY) if harms else HARMLESS,
                f"{where}; {harms[0].text}" if harms else f"{where}, and does no visible harm",
                first_step=measurement.first_step,
                last_step=measurement.last_step,
                evidence=(*evidence, *harms),
            )
        ]

    def rule_out(self, measurement: Inputs, limits: Mapping[str, float]) -> Evidence | None:
        text = f"the input is centred: mean {measurement.mean:.2g}, spread {measurement.spread:.2g}"
        return Evidence(text, tags.BATCH_MEAN, measurement.distance, limits["largest_distance"])


def _odd(inputs: Inputs, limits: Mapping[str, float]) -> bool:
    far = inputs.distance >= limits["largest_distance"]
    return inputs.size > 0 and (far or not limits["smallest_size"] < inputs.size < limits["largest_size"])


def _harms(inputs: Inputs, limits: Mapping[str, float]) -> Iterator[Evidence]:
    loss, silence = inputs.loss, inputs.silence
    if loss is not None and not loss.finite:
        yield Evidence(f"{loss.tag} is not finite", loss.tag)
    if loss is not None and loss.first > max(LARGEST_GUESS, limits["huge_first_loss"] * abs(loss.early)):
        times = loss.first / max(abs(loss.early), 1e-300)
        text = f"the first losses ({loss.first:.3g}) are {times:.3g} times the later"
        yield Evidence(text, loss.tag, loss.first, limits["huge_first_loss"] * abs(loss.early))
    elif loss is not None and loss.first - loss.last < limits["smallest_gain"] * abs(loss.first):
        text = f"the loss went from {loss.first:.3g} to {loss.last:.3g} only"
        yield Evidence(text, loss.tag, (loss.first - loss.last) / abs(loss.first or 1.0), limits["smallest_gain"])
    if silence is not None and silence.share >= limits["largest_silent_share"]:
        yield Evidence(silence.text, silence.tag, silence.share, limits["largest_silent_share"])


def _beginning(view: RunView) -> Beginning | None:
    loss = view.train_loss
    if loss is None:
        return None
    finite = len(loss.curve) == len(loss.recorded)
    if len(loss) < 3 * FIRST_LOSSES:
        return None if finite else Beginning(loss.tag, np.nan, np.nan, np.nan, finite=False)
    value = np.asarray(loss.curve.value, dtype=np.float64)
    early = max(FIRST_LOSSES, int(BEGINNING_SHARE * len(value)))
    parts = value[:FIRST_LOSSES], value[early : early + FIRST_LOSSES], value[-early:]
    first, later, last = (float(np.median(part)) for part in parts)
    return Beginning(loss.tag, first, later, last, finite=finite)


def _silence(view: RunView) -> Silence | None:
    found = []
    for kind, text in SILENT_KINDS.items():
        layers = view.layers(kind)
        if layers is None:
            continue
        late = layers.value[len(layers) // 2 :]
        known = np.isfinite(late).any(axis=0)
        if known.any():
            share = np.nanmedian(np.where(np.isfinite(late), late, np.nan)[:, known], axis=0)
            worst, names = int(np.argmax(share)), np.array(layers.layers)[known]
            words = f"{share[worst]:.0%} {text.format(layer=names[worst])}"
            found.append(Silence(tags.per_layer(kind, str(names[worst])), words, float(share[worst])))
    return max(found, key=lambda silence: silence.share, default=None)
