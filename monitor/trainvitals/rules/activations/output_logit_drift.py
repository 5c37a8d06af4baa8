"""ACT007: all outputs together drift away, which the loss does not see."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainvitals import tags
from trainvitals.model import Evidence, Finding, Series, Severity
from trainvitals.rules import logging_lines
from trainvitals.rules.activations.layer_records import FEWEST_RECORDS, not_recorded
from trainvitals.rules.rule import NotEnough, Rule, Threshold
from trainvitals.view import RunView

FEWEST_FOR_TREND = 20
"""Records: four groups of five, each with a median that a wild batch does not move."""

LOGITS_TOLERANCE_NATS = 0.5
"""First loss against first log Z: the loss of logits that know nothing yet is their log Z. A first loss that is off by
more (science notes: a mis-scaled head) is not one of these outputs, or not one of an untrained model."""

FIRST_LOSSES = 3
"""Steps after which even a fast training has not learnt half a nat."""

BEGUN, DONE = 0.1, 0.9
"""Shares of the shift between which its pace is measured, so that a rest before or after does not count."""

ONSET_NATS = 1.0
"""A shift that is for good: a nat is many times what the mean over a sample of rows wavers by."""

NATS_PER_STEPS = 1000


@dataclass(frozen=True, slots=True)
class Drift:
    """How the outputs moved.

    Args:
        shift: by how many nats all logits moved alike since the start: what log Z and the mean logit have in common.
        pace: of that, nats in a thousand steps, while it was made.
        log_z, mean: at the end. first_log_z: at the start.
        step: since when it is more than a nat.
    """

    shift: float
    pace: float
    log_z: float
    first_log_z: float
    mean: float
    step: int
    last_step: int


class OutputLogitDrift(Rule[Drift]):
    """All outputs of a classifier or language model drift the same way, without any use.

    What it finds
    -------------
    Logits that have moved away from zero all together, with the step since when.

    Why it matters
    --------------
    Softmax does not change when all logits move alike, so the loss neither shows nor stops it. In half precision large
    numbers have wide gaps: between 16 and 32 bfloat16 knows steps of an eighth of a nat only, more than most runs still
    have to gain. Large language models have become unstable in this way.

    How it is detected
    ------------------
    From log Z and from the sum of the outputs of a row, both recorded. The number of outputs follows from the start,
    where log Z is its logarithm; so does that the outputs are logits of the loss, which then begins at log Z too. The
    shift is the smaller one of the changes of log Z and of the mean output, where both go the same way: a network that
    becomes confident raises log Z and lowers the mean. It must exceed `smallest_shift`, and `smallest_pace` while
    it is made.

    False alarms
    ------------
    Rare tokens of a language model are pushed down and pull the mean with them, but not log Z. In single precision
    outputs far from zero do no harm yet. Where the outputs are numbers to be regressed, or where the training began
    from a trained model, nothing is judged.

    What to try
    -----------
    Add the square of log Z to the loss with a weight of 1e-4; decay the weights of the output layer.

    Sources
    -------
    Chowdhery et al. 2022 (PaLM) on the auxiliary loss of 1e-4 log² Z; Wortsman et al. 2023, arXiv 2309.14322, on the
    divergence of output logits. That gradients of cross entropy sum to zero over the outputs, so that a common shift is
    no work of the loss, is the reason for comparing with the mean.
    """

    code = "ACT007"
    name = "output-logit-drift"
    summary = "All outputs drift away together, which the loss does not see."
    reads = (tags.OUTPUT_LOG_Z, tags.OUTPUT_ROW_SUM, "train_loss")
    thresholds = (
        Threshold(
            "smallest_shift",
            10.0,
            "Nats by which all outputs moved alike. From 8 on bfloat16 has steps of a sixteenth of a nat.",
            "eight significant bits; healthy networks keep the mean of their outputs within a few nats",
        ),
        Threshold(
            "smallest_pace",
            1.0,
            "Nats in a thousand steps.",
            "science notes of this project after Wortsman et al. 2023",
        ),
    )
    interventions = ("z-loss",)

    def measure(self, view: RunView) -> Drift | NotEnough:
        log_z, row_sum = view.recorded(tags.OUTPUT_LOG_Z), view.recorded(tags.OUTPUT_ROW_SUM)
        loss = view.train_loss
        if log_z is None or row_sum is None or loss is None:
            return not_recorded(view, "outputs", tags.OUTPUT_LOG_Z, logging_lines.ALL_SIGNALS)
        step, z, total = _together(log_z, row_sum)
        if len(step) < FEWEST_FOR_TREND or not len(loss):
            return NotEnough()
        first_z, first_loss = float(z[0]), float(np.median(loss.curve.value[:FIRST_LOSSES]))
        if first_z <= 0 or abs(first_loss - first_z) > LOGITS_TOLERANCE_NATS:
            return NotEnough()
        mean = total / np.exp(first_z)
        return _drift(step, z, mean)

    def judge(self, measurement: Drift, limits: Mapping[str, float]) -> list[Finding]:
        shift, pace = abs(measurement.shift), abs(measurement.pace)
        if shift < limits["smallest_shift"] or pace < limits["smallest_pace"]:
            return []
        way = "up" if measurement.shift > 0 else "down"
        return [
            self.finding(
                Severity.WARNING,
                0.9 if shift >= 2 * limits["smallest_shift"] else 0.75,
                f"all outputs have drifted {way} together by {shift:.3g} nats",
                first_step=measurement.step,
                last_step=measurement.last_step,
                evidence=(
                    Evidence(
                        f"{tags.OUTPUT_LOG_Z} went from {measurement.first_log_z:.3g} to {measurement.log_z:.3g}, and "
                        f"the mean output to {measurement.mean:.3g}: {shift:.3g} nats in common",
                        signal=tags.OUTPUT_LOG_Z,
                        value=shift,
                        threshold=limits["smallest_shift"],
                        step=measurement.step,
                    ),
                    Evidence(
                        f"that is {pace:.3g} nats in {NATS_PER_STEPS:,} steps",
                        signal=tags.OUTPUT_ROW_SUM,
                        value=pace,
                        threshold=limits["smallest_pace"],
                    ),
                ),
            )
        ]


def _together(first: Series, second: Series) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """The steps at which both were recorded and are finite, and both values."""
    step, one, other = np.intersect1d(first.step, second.step, return_indices=True)
    values = np.asarray(first.value[one], np.float64), np.asarray(second.value[other], np.float64)
    finite = np.isfinite(values[0]) & np.isfinite(values[1])
    return step[finite].astype(np.int64), values[0][finite], values[1][finite]


def _drift(step: NDArray[np.int64], log_z: NDArray[np.float64], mean: NDArray[np.float64]) -> Drift:
    change_z, change_mean = (value - value[0] for value in (log_z, mean))
    same_way = change_z * change_mean > 0
    common = np.where(same_way, np.sign(change_z) * np.minimum(np.abs(change_z), np.abs(change_mean)), 0.0)
    shift = float(np.median(common[-FEWEST_RECORDS:]))
    sign = 1.0 if shift >= 0 else -1.0
    begin, end = (_index_since(sign * common >= share * abs(shift)) for share in (BEGUN, DONE))
    onset = _index_since(sign * common >= min(ONSET_NATS, BEGUN * abs(shift)))
    thousands = max(float(step[end] - step[begin]), 1.0) / NATS_PER_STEPS
    return Drift(
        shift=shift,
        pace=(DONE - BEGUN) * shift / thousands,
        log_z=float(np.median(log_z[-FEWEST_RECORDS:])),
        first_log_z=float(log_z[0]),
        mean=float(np.median(mean[-FEWEST_RECORDS:])),
        step=int(step[onset - 1]) + 1 if onset else int(step[0]),
        last_step=int(step[-1]),
    )


def _index_since(holds: NDArray[np.bool_]) -> int:
    """Index of the first record after the last at which it does not hold."""
    broken = np.flatnonzero(~holds)
    return min(int(broken[-1]) + 1, len(holds) - 1) if len(broken) else 0
