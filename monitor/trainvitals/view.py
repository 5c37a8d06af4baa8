"""One run as the rules see it: cleaned curves and shared analyses, each computed once and only when asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from trainvitals.dialect import dialect_of
from trainvitals.leading_rate import leading_rate
from trainvitals.maths.foreign_row import last_row
from trainvitals.model import Dialect, LayerSeries, Progress, Reason, Restart, Run, Series, Verdict

if TYPE_CHECKING:
    from trainvitals.maths.spikes import Spike
    from trainvitals.progress import Assessment, Judgement
    from trainvitals.rules.rule import Rule
    from trainvitals.signals import Signals


@dataclass(frozen=True, slots=True, eq=False)
class LossCurve:
    """One loss, cleaned for judging.

    Args:
        split: on which data; suite: which validation set, ``""`` for the unnamed one.
        recorded: the latest value at each step, non-finite ones included, steps strictly increasing.
        curve: its finite points. A last validation row measured on other data is in neither.
        restarts: the steps at which this curve continues after a restart.
    """

    split: Literal["train", "val"]
    suite: str
    recorded: Series
    curve: Series
    restarts: tuple[int, ...] = ()

    @property
    def tag(self) -> str:
        return self.recorded.tag

    def __len__(self) -> int:
        return len(self.curve)


class RunView:
    """A run, its signals, and what several rules need of both.

    Args:
        run: as it was read.
        signals: what its tags mean.
        thresholds: what is set for a rule, by its name or code.
    """

    def __init__(self, run: Run, signals: Signals, thresholds: Mapping[str, Mapping[str, float]] | None = None) -> None:
        self.run = run
        self.signals = signals
        self._thresholds = thresholds or {}
        self._judgements: dict[str, Judgement] = {}
        self._spikes: dict[str, tuple[Spike, ...]] = {}
        self._layers: dict[str, LayerSeries] = {}

    @cached_property
    def train_loss(self) -> LossCurve | None:
        """The training loss to judge by."""
        tag = next(iter(self.signals.train_loss), None)
        return None if tag is None else self._loss_curve(tag, "train", "")

    @cached_property
    def val_losses(self) -> Mapping[str, LossCurve]:
        """The validation loss of each suite, the one to judge by first."""
        return {suite: self._loss_curve(tag, "val", suite) for suite, tag in self.signals.val_loss.items()}

    @property
    def val_loss(self) -> LossCurve | None:
        """The validation loss to judge by."""
        return next(iter(self.val_losses.values()), None)

    @property
    def losses(self) -> tuple[LossCurve, ...]:
        """The training loss, then every validation loss."""
        train = () if self.train_loss is None else (self.train_loss,)
        return (*train, *self.val_losses.values())

    @cached_property
    def learning_rate(self) -> Series | None:
        """The learning rate that speaks for the model: the group closest to the median schedule of all groups."""
        rates = [self.run.series[tag].latest().finite() for tag in self.signals.learning_rate]
        return leading_rate([rate for rate in rates if len(rate)])

    @cached_property
    def dialect(self) -> Dialect:
        """The framework that code for this run is to be written for."""
        return dialect_of(self.run)

    def settings_of(self, rule: Rule[Any]) -> Mapping[str, float]:
        """What is set for a rule; one that another rule asks is to be held to the same limits."""
        return next((limits for name, limits in self._thresholds.items() if name in (rule.name, rule.code)), {})

    @property
    def restarts(self) -> tuple[Restart, ...]:
        return self.run.restarts

    @cached_property
    def span_steps(self) -> int:
        """From the first to the last step of anything recorded; at least 1."""
        first, last = self.run.first_step, self.run.last_step
        return 1 if first is None or last is None else max(1, last - first)

    def series(self, tag: str) -> Series:
        """The latest value of a tag at each step, steps strictly increasing."""
        return self.run.series[tag].latest()

    def recorded(self, tag: str) -> Series | None:
        """What stands under a tag of our own hooks, the latest value at each step; None where it was not recorded."""
        return self.run.series[tag].latest() if tag in self.run.series else None

    def layers(self, kind: str) -> LayerSeries | None:
        """One per-layer signal as ``[T, L]``, or None where it was not logged."""
        if kind not in self.signals.per_layer:
            return None
        if kind not in self._layers:
            self._layers[kind] = self.signals.per_layer[kind].load(self.run)
        return self._layers[kind]

    def assess(self, loss: LossCurve) -> Assessment:
        """Is this loss still getting better? Restarts and the learning rate are taken into account."""
        return self.judge(loss).assessment

    def judge(self, loss: LossCurve) -> Judgement:
        """The same, with what the answer was computed from."""
        from trainvitals.progress import judge_progress

        if loss.tag not in self._judgements:
            rate = self.learning_rate
            self._judgements[loss.tag] = judge_progress(
                loss.curve.step,
                np.asarray(loss.curve.value, dtype=np.float64),
                learning_rate=None if rate is None else (rate.step, np.asarray(rate.value, dtype=np.float64)),
                breaks=loss.restarts,
            )
        return self._judgements[loss.tag]

    def spikes(self, loss: LossCurve) -> tuple[Spike, ...]:
        """The short upward excursions of this loss, in order."""
        from trainvitals.maths.spikes import find_spikes

        if loss.tag not in self._spikes:
            self._spikes[loss.tag] = find_spikes(loss.curve.step, loss.curve.value, breaks=loss.restarts)
        return self._spikes[loss.tag]

    @cached_property
    def judged_loss(self) -> LossCurve | None:
        """The loss whose progress speaks for the run: one with a clear verdict, the less noisy before the other.

        A validation loss is what the training is for, but is often logged too rarely or too noisily to tell.
        """
        enough = [loss for loss in self.losses[:2] if self.assess(loss).reason is not Reason.TOO_FEW_POINTS]
        return min(enough or self.losses[:1], key=self._uncertainty, default=None)

    @cached_property
    def progress(self) -> Progress:
        """The progress verdict of the run."""
        loss = self.judged_loss
        if loss is None or not self.signals.supervised:
            return Progress(signal=None, verdict=Verdict.INCONCLUSIVE, reason=Reason.TOO_FEW_POINTS)
        judgement = self.judge(loss)
        assessment = judgement.assessment
        return Progress(
            signal=loss.tag,
            verdict=assessment.verdict,
            reason=assessment.reason,
            gain=assessment.gain,
            gain_low=assessment.gain_low,
            gain_high=assessment.gain_high,
            horizon_steps=assessment.horizon_steps,
            delta=assessment.delta,
            minimum_detectable_gain=assessment.minimum_detectable_gain,
            since_step=assessment.since_step,
            turned_step=judgement.turned_step,
            level=assessment.level,
            points=len(loss),
            points_needed=assessment.points_needed,
        )

    def _uncertainty(self, loss: LossCurve) -> tuple[bool, float]:
        assessment = self.assess(loss)
        if assessment.minimum_detectable_gain is None or not assessment.delta:
            return True, float("inf")
        return assessment.verdict is Verdict.INCONCLUSIVE, assessment.minimum_detectable_gain / assessment.delta

    def _loss_curve(self, tag: str, split: Literal["train", "val"], suite: str) -> LossCurve:
        recorded = self._own_rows(self.run.series[tag], split).latest()
        curve = recorded.finite()
        restarts = tuple(restart.step for restart in self.restarts if self._touches(restart, curve))
        return LossCurve(split, suite, recorded, curve, restarts)

    @staticmethod
    def _own_rows(series: Series, split: Literal["train", "val"]) -> Series:
        """The series without a last row that a final evaluation on other data appended."""
        row = last_row(series.step, series.value) if split == "val" else None
        return series if row is None or not row.is_foreign() else series.take(slice(0, -1))

    @staticmethod
    def _touches(restart: Restart, curve: Series) -> bool:
        return len(curve) > 0 and int(curve.step[0]) < restart.step <= int(curve.step[-1])
