"""GRD003: gradients are NaN or infinite while the loss is not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainvitals import tags
from trainvitals.model import Evidence, Finding, Series, Severity
from trainvitals.non_finite_origin import Origin, non_finite_origin
from trainvitals.rules import logging_lines
from trainvitals.rules.rule import NotEnough, Rule, Threshold
from trainvitals.view import LossCurve, RunView

CALIBRATING_RECORDS = 20
"""A GradScaler begins at 65536 and halves its scale until nothing overflows: at most so many updates are skipped."""

LASTING_RECORDS = 3
"""In a row, until the end."""

NEXT_RECORDS = 3
"""A loss that breaks within so many records is the same event, and a finding of its own."""


@dataclass(frozen=True, slots=True, eq=False)
class BrokenGradients:
    """Records at which a gradient was not finite and no scaler skipped the update.

    Args:
        tag: that says so. records: how many were judged. step: ``[B]`` of the broken ones.
        parameters: the largest number of parameters concerned; None where only the whole norm was logged.
        lasting: whether they last until the end. loss_tag: the loss that stayed finite.
        origin: what the hooks found out.
    """

    tag: str
    records: int
    step: NDArray[np.int64]
    last_step: int
    parameters: int | None
    lasting: bool
    loss_tag: str
    origin: Origin | None


class NonFiniteGradients(Rule[BrokenGradients]):
    """Gradients become NaN or infinite although the loss is finite.

    What it finds
    -------------
    Steps whose gradient is NaN or infinite while the loss is a number: lasting until the end, or again and again.

    Why it matters
    --------------
    Such an update destroys the weights, or is skipped and the batch is lost. The loss shows nothing yet: the fault is
    in the backward pass (a square root or a division at zero, a norm of zeros, an overflow in half precision).

    How it is detected
    ------------------
    From the number of parameters whose gradient is not finite, as our hooks record it; else from a norm of the whole
    gradient that is not. Steps that a GradScaler skipped are normal and do not count: those between whose records the
    count of skipped updates rose. Nor do the first twenty records of a log without that count, in which a scaler finds
    its scale. Lasting is an error. Single ones are a warning where they are `isolated_share` of the records and
    `fewest` or more, else an information.

    False alarms
    ------------
    Logs of mixed precision that say nothing of the scaler and write the norm of skipped steps: about one step in 2,000.
    A loss that breaks at the same time or within three records is the finding non-finite-loss instead.

    What to try
    -----------
    Let autograd name the operation; add an epsilon inside roots, norms and divisions; bfloat16 instead of float16.

    Sources
    -------
    PyTorch documentation: automatic mixed precision, and `torch.autograd.set_detect_anomaly`.
    """

    code = "GRD003"
    name = "non-finite-gradients"
    summary = "Gradients are NaN or infinite while the loss is not."
    reads = (tags.NON_FINITE_GRADIENTS, tags.SKIPPED_STEPS, "grad_norm", "train_loss")
    thresholds = (
        Threshold(
            "isolated_share",
            0.01,
            "Of the records: twenty times what dynamic loss scaling meets in a healthy run.",
            "growth interval of torch.amp.GradScaler; the factor is ours",
        ),
        Threshold("fewest", 3, "Single ones: two may be one bad batch seen twice.", "convention"),
    )
    interventions = ("anomaly-detection", "use-bfloat16", "skip-bad-batches", "clip-gradients")

    def measure(self, view: RunView) -> BrokenGradients | NotEnough:
        loss = view.train_loss
        counted = view.recorded(tags.NON_FINITE_GRADIENTS)
        series = counted if counted is not None and len(counted) else _norm(view)
        if series is None:
            return NotEnough(("grad_norm",), logging_lines.GRADIENT_NORM)
        if loss is None or len(loss) == 0:
            return NotEnough(("train_loss",), logging_lines.TRAIN_LOSS)
        own = series is counted
        broken = series.value > 0 if own else ~np.isfinite(series.value)
        if bool(broken.all()) and not own:
            return NotEnough()
        broken = broken & ~_skipped(view, series) & _loss_stays_finite(loss, series)
        at = np.flatnonzero(broken)
        lasting = bool(len(at)) and bool(broken[-LASTING_RECORDS:].all()) and len(at) >= LASTING_RECORDS
        return BrokenGradients(
            tag=series.tag,
            records=len(series),
            step=series.step[at],
            last_step=int(series.step[-1]),
            parameters=int(series.value[at].max()) if own and len(at) else None,
            lasting=lasting,
            loss_tag=loss.tag,
            origin=non_finite_origin(view.run),
        )

    def judge(self, measurement: BrokenGradients, limits: Mapping[str, float]) -> list[Finding]:
        count, origin = len(measurement.step), measurement.origin
        if count == 0:
            return []
        share = count / measurement.records
        often = share >= limits["isolated_share"] and count >= limits["fewest"]
        what = "" if measurement.parameters is None else f" of up to {measurement.parameters:,} parameters"
        first = int(measurement.step[0])
        evidence = [
            Evidence(
                f"{measurement.tag} tells of gradients{what} that are NaN or infinite at {count:,} of "
                f"{measurement.records:,} records, while {measurement.loss_tag} is finite",
                signal=measurement.tag,
                value=share,
                threshold=limits["isolated_share"],
                step=first,
            )
        ]
        if origin is not None:
            evidence.append(Evidence(origin.text, signal=tags.NON_FINITE_ORIGIN, step=origin.step))
        how = "until the end" if measurement.lasting else f"at {count:,} of {measurement.records:,} records"
        severity = Severity.WARNING if often else Severity.INFO
        return [
            self.finding(
                Severity.ERROR if measurement.lasting else severity,
                0.95 if measurement.lasting or measurement.parameters is not None else 0.75,
                f"gradients are not finite {how}, while the loss is",
                first_step=first,
                last_step=measurement.last_step if measurement.lasting else int(measurement.step[-1]),
                layers=() if origin is None or origin.module is None else (origin.module,),
                evidence=tuple(evidence),
            )
        ]

    def rule_out(self, measurement: BrokenGradients, limits: Mapping[str, float]) -> Evidence | None:  # noqa: ARG002
        return Evidence(f"the gradient is finite at all {measurement.records:,} records", signal=measurement.tag)


def _norm(view: RunView) -> Series | None:
    return next((view.series(tag) for tag in view.signals.grad_norm if len(view.series(tag))), None)


def _skipped(view: RunView, series: Series) -> NDArray[np.bool_]:
    """``[T]`` whether a scaler may have skipped the update of a record."""
    counted = view.recorded(tags.SKIPPED_STEPS)
    if counted is None or len(counted) == 0:
        calibrating = np.arange(len(series)) < CALIBRATING_RECORDS
        return calibrating if series.tag != tags.NON_FINITE_GRADIENTS else np.zeros(len(series), dtype=bool)
    before = np.interp(np.append(series.step[0] - 1, series.step[:-1]), counted.step, counted.value)
    after = np.interp(np.append(series.step[1:], series.step[-1]), counted.step, counted.value)
    return np.asarray(after > before)


def _loss_stays_finite(loss: LossCurve, series: Series) -> NDArray[np.bool_]:
    """``[T]`` whether the loss has a finite value after each record, and no other one until some records later."""
    recorded = loss.recorded
    bad = recorded.step[~np.isfinite(recorded.value)]
    until = series.step[np.minimum(np.arange(len(series)) + NEXT_RECORDS, len(series) - 1)]
    start = np.append(series.step[0] - 1, series.step[:-1])
    none_bad = np.searchsorted(bad, start, side="right") == np.searchsorted(bad, until, side="right")
    return np.asarray(none_bad & (series.step <= loss.curve.step[-1]))
