"""LOS008: the loss is fed probabilities where it expects logits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import e, exp, log

import numpy as np

from trainvitals import tags
from trainvitals.model import Evidence, Finding, Severity
from trainvitals.rules import logging_lines
from trainvitals.rules.rule import NotEnough, Rule, Threshold
from trainvitals.view import RunView

MINIMUM_RECORDS = 5
MOST_CLASSES = 5000
"""Beyond that single precision, in which log Z is recorded, leaves no digits of what sets the outputs apart."""

ROUNDING = 0.01
"""Nats, and parts of exp(log Z): what half precision leaves of both."""

RECENT_SHARE = 0.25
"""Of the records: how sharp the outputs are now."""

SURE, LIKELY = 0.95, 0.6


@dataclass(frozen=True, slots=True)
class Outputs:
    """What the model puts out, and what became of the loss.

    Args:
        farthest_sum, typical_sum: of the sums of the outputs of an example over the records.
        classes: as many as log Z of probabilities fits; None where it fits none.
        sharpness: of the probabilities: 0 where all are equal, 1 where one is 1.
        lowest, highest: of the losses of all steps; None where none was recorded.
    """

    farthest_sum: float
    typical_sum: float
    classes: int | None
    sharpness: float
    lowest: float | None
    highest: float | None
    loss_tag: str
    first_step: int
    last_step: int

    @property
    def floor(self) -> float:
        """Cross-entropy of a probability vector taken for logits, where each answer is right and certain."""
        return log(e + (self.classes or 2) - 1) - 1

    @property
    def ceiling(self) -> float:
        """The same where each answer is wrong and certain."""
        return self.floor + 1


class WrongLossInput(Rule[Outputs]):
    """The loss gets probabilities where it expects logits, so that it cannot fall below a floor.

    What it finds
    -------------
    A model that ends in a softmax and is trained with a cross-entropy that applies another one. As an information: a
    model whose outputs add up to one, of which it cannot be told yet whether the loss takes them for logits.

    Why it matters
    --------------
    The second softmax sees numbers between 0 and 1 only. With ten classes the loss cannot fall below 1.46, though every
    answer be right; the gradient is small, the model learns slowly and stops early. Nothing crashes.

    How it is detected
    ------------------
    The outputs of each recorded step add up to one within `largest_deviation`, and their log Z is one that only
    probabilities over K classes can have, from which K follows. Then the loss of every single step must lie between
    ln(e + K - 1) - 1 and ln(e + K - 1): outside of that no such loss exists, within it a loss that takes probabilities
    as what they are stays only by chance. Last, the outputs must be so sharp that such a loss would be well below that
    floor by now: `calibration_margin` times what it costs if the uncertain share of the answers were guesses.

    False alarms
    ------------
    A negative log-likelihood of probabilities, on purpose: it falls below the floor as it learns, and is then silent;
    before that it is an information at most. Outputs that add up to one and are no probabilities do not have that log
    Z. More than five thousand classes are not judged.

    What to try
    -----------
    Remove the softmax from the model and feed the loss with logits; or take the logarithm and NLLLoss.

    Sources
    -------
    torch.nn.CrossEntropyLoss, which documents that it expects unnormalised logits. Schoop et al. 2021 (UMLAUT), which
    counts it among the most frequent mistakes. The bounds follow from the definition.
    """

    code = "LOS008"
    name = "wrong-loss-input"
    summary = "The loss gets probabilities where it expects logits."
    reads = (tags.OUTPUT_ROW_SUM, tags.OUTPUT_LOG_Z, "train_loss")
    thresholds = (
        Threshold(
            "largest_deviation",
            1e-3,
            "Of the sum of an output from one, at any record: rounding, in half precision too.",
            "half precision has a relative step of 1e-3",
        ),
        Threshold(
            "calibration_margin",
            1.3,
            "Times the loss that outputs as sharp as these cost if it took them for probabilities.",
            "guesses for the uncertain share and uncertainty spread evenly differ by less than a third",
        ),
    )
    absorbs = (
        "not-learning",
        "plateau",
        "vanishing-gradients",
        "underfitting",
        "label-noise-floor",
        "updates-too-small",
        "learning-rate-too-low",
        "saturated-activations",
    )
    interventions = ("pass-logits", "check-loss-inputs")

    def measure(self, view: RunView) -> Outputs | NotEnough:
        if not view.signals.supervised:
            return NotEnough()
        loss = view.train_loss
        sums, log_z = (view.recorded(tag) for tag in (tags.OUTPUT_ROW_SUM, tags.OUTPUT_LOG_Z))
        if sums is None or log_z is None or min(len(sums), len(log_z)) < MINIMUM_RECORDS:
            return NotEnough((tags.OUTPUT_ROW_SUM, tags.OUTPUT_LOG_Z), logging_lines.ALL_SIGNALS)
        total = np.asarray(sums.value, dtype=np.float64)
        partition = np.exp(np.clip(np.asarray(log_z.value, dtype=np.float64), -700, 700))
        classes = _classes(partition)
        known = loss is not None and len(loss) > 0
        return Outputs(
            farthest_sum=float(np.max(np.abs(total - 1))),
            typical_sum=float(np.median(total)),
            classes=classes,
            sharpness=0.0 if classes is None else _sharpness(partition, classes),
            lowest=float(loss.curve.value.min()) if loss is not None and known else None,
            highest=float(loss.curve.value.max()) if loss is not None and known else None,
            loss_tag="" if loss is None else loss.tag,
            first_step=int(sums.step[0]),
            last_step=int(sums.step[-1]),
        )

    def judge(self, measurement: Outputs, limits: Mapping[str, float]) -> list[Finding]:
        lowest, highest, classes = measurement.lowest, measurement.highest, measurement.classes
        sums_to_one = measurement.farthest_sum <= limits["largest_deviation"]
        if not sums_to_one or classes is None or lowest is None or highest is None:
            return []
        if lowest < measurement.floor - ROUNDING or highest > measurement.ceiling + ROUNDING:
            return []
        as_probabilities = (1 - measurement.sharpness) * log(classes)
        certain = measurement.floor >= limits["calibration_margin"] * as_probabilities
        bounds = f"{measurement.floor:.3g} and {measurement.ceiling:.3g}"
        cannot = f"a cross-entropy that takes them for logits cannot leave {bounds}"
        evidence = (
            Evidence(
                f"the outputs of each example add up to {measurement.typical_sum:.4g}, as probabilities do",
                signal=tags.OUTPUT_ROW_SUM,
                value=measurement.farthest_sum,
                threshold=limits["largest_deviation"],
                step=measurement.first_step,
            ),
            Evidence(
                f"the loss never left {lowest:.3g} to {highest:.3g}; {cannot} with {classes} classes",
                signal=measurement.loss_tag,
                value=lowest,
                threshold=measurement.floor,
            ),
            Evidence(
                f"taken for probabilities, outputs as sharp as these would cost about {as_probabilities:.2g}",
                signal=tags.OUTPUT_LOG_Z,
                value=as_probabilities,
                threshold=measurement.floor / limits["calibration_margin"],
            ),
        )
        return [
            self.finding(
                Severity.WARNING if certain else Severity.INFO,
                SURE if certain else LIKELY,
                f"the model puts out probabilities, and the loss takes them for logits: it cannot fall below "
                f"{measurement.floor:.3g}"
                if certain
                else f"the model puts out probabilities; if the loss takes them for logits, it stays above "
                f"{measurement.floor:.3g}",
                first_step=measurement.first_step,
                last_step=measurement.last_step,
                evidence=evidence,
            )
        ]

    def rule_out(self, measurement: Outputs, limits: Mapping[str, float]) -> Evidence | None:
        if measurement.farthest_sum <= limits["largest_deviation"]:
            if measurement.classes is None or measurement.lowest is None:
                return None
            text = "the outputs are probabilities, and the loss takes them as such: it left the bounds of a mistake"
            return Evidence(text, measurement.loss_tag or None, measurement.lowest, measurement.floor)
        text = f"the outputs add up to {measurement.typical_sum:.3g}, not to one"
        return Evidence(text, tags.OUTPUT_ROW_SUM, measurement.farthest_sum, limits["largest_deviation"])


def _classes(partition: np.ndarray[tuple[int], np.dtype[np.float64]]) -> int | None:
    """How many probabilities have such sums of exponentials: between K exp(1/K), all equal, and e + K - 1."""
    if not np.isfinite(partition).all() or not partition[0] < MOST_CLASSES:
        return None
    classes = int(partition[0] + ROUNDING) - 1
    if classes < 2:
        return None
    low, high = classes * exp(1 / classes) - ROUNDING, e + classes - 1 + ROUNDING
    return classes if low <= partition.min() and partition.max() <= high else None


def _sharpness(partition: np.ndarray[tuple[int], np.dtype[np.float64]], classes: int) -> float:
    even, certain = classes * exp(1 / classes), e + classes - 1
    recent = float(np.median(partition[-max(MINIMUM_RECORDS, round(RECENT_SHARE * len(partition))) :]))
    return float(np.clip((recent - even) / (certain - even), 0.0, 1.0))
