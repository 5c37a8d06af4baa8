"""What a suggestion takes from the run: rates, norms, levels, steps, and text that is safe inside code."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass

import numpy as np

from trainvitals import tags
from trainvitals.maths.noise import difference_noise_sd
from trainvitals.model import Finding, Marker, Run, Series, Verify
from trainvitals.view import LossCurve, RunView

RECENT_SHARE = 0.1
"""Of a curve: its present level and noise."""

VISIBLE_SHARE = 0.01
"""Of the level of a loss: the smallest change that is worth calling a success."""

TRIAL_SHARE = 0.02
"""Of the run: long enough to see a change against the noise of a loss, short enough to throw away."""


FEWEST_BEFORE = 5
"""Learning rates that say which one was usual."""


@dataclass(frozen=True, slots=True)
class Level:
    """Where a loss stands: its tag, the median of its last tenth, and the noise of one point around it."""

    tag: str
    value: float
    noise: float

    @property
    def tolerance(self) -> float:
        """By how much one point may differ without meaning anything."""
        return self.noise or max(VISIBLE_SHARE * abs(self.value), float(np.finfo(np.float64).tiny))

    @property
    def visible_change(self) -> float:
        """The smallest change of the level that one would see and care for."""
        return max(VISIBLE_SHARE * abs(self.value), self.noise, float(np.finfo(np.float64).tiny))


def quoted(text: str) -> str:
    """Text from a log as a Python string in plain ASCII, without line breaks: it cannot end a string or a comment."""
    return ascii(text)


def short(value: float) -> str:
    """Three significant digits, as Python reads them."""
    return f"{value:.3g}"


BATCH_SIZE_NAMES = ("batch_size", "train_batch_size", "per_device_train_batch_size")


def batch_size(view: RunView) -> float | None:
    """The batch size among the settings of the run."""
    sizes = (setting(view.run, name) for name in BATCH_SIZE_NAMES)
    return next((size for size in sizes if size is not None and size >= 1), None)


def rate_now(view: RunView) -> float | None:
    """The last learning rate that was not zero."""
    rate = view.learning_rate
    positive = np.empty(0) if rate is None else rate.value[rate.value > 0]
    return float(positive[-1]) if len(positive) else None


OPTIMIZERS = ("Adadelta", "Adagrad", "Adam", "AdamW", "Adamax", "NAdam", "RAdam", "RMSprop", "SGD")
WITH_BETAS = ("Adam", "AdamW", "Adamax", "NAdam", "RAdam")


def optimizer_name(view: RunView, needed: Container[str] = ()) -> str:
    """The run's optimizer, as `torch.optim` calls it; AdamW where it is unknown or lacks the settings needed."""
    told = str(view.run.hyper_parameters.get("optimizer", ""))
    known = OPTIMIZERS if "betas" not in needed and "eps" not in needed else WITH_BETAS
    return told if told in known else "AdamW"


def setting(run: Run, name: str) -> float | None:
    """A number among the settings of the run."""
    value = run.hyper_parameters.get(name)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def rate_in_force(view: RunView, step: int | None) -> float | None:
    """The learning rate at a step, as of the first point there or behind it; the last one where no step is given."""
    rate = view.learning_rate
    if step is None or rate is None or not len(rate):
        return rate_now(view)
    at = min(int(np.searchsorted(rate.step, step)), len(rate) - 1)
    return float(rate.value[at]) if rate.value[at] > 0 else rate_now(view)


def usual_rate_before(view: RunView, step: int | None) -> float | None:
    """The median of the learning rates before a step; None with fewer than five of them."""
    rate = view.learning_rate
    before = np.empty(0) if rate is None or step is None else rate.value[rate.step < step]
    before = before[before > 0]
    return float(np.median(before)) if len(before) >= FEWEST_BEFORE else None


def checkpoint_before(view: RunView, step: int) -> Marker | None:
    """The last checkpoint marked at a step or before it."""
    marked = [each for each in view.run.markers if each.kind == tags.CHECKPOINT and each.step <= step]
    return marked[-1] if marked else None


def power_of_two(value: float, smallest: int, largest: int) -> int:
    """The nearest power of two on a logarithmic scale, within limits."""
    return int(np.clip(2.0 ** np.round(np.log2(max(value, 1e-9))), smallest, largest))


def peak_rate(view: RunView) -> float | None:
    """The largest learning rate; None where none was logged or all are zero."""
    rate = view.learning_rate
    peak = 0.0 if rate is None else float(rate.value.max())
    return peak if peak > 0 else None


def gradient_norm(view: RunView, before_step: int | None = None) -> Series | None:
    """The positive finite norms of the whole gradient; only those before the step, where there are any."""
    for tag in view.signals.grad_norm:
        norm = view.series(tag).finite()
        norm = norm.take(norm.value > 0)
        early = norm if before_step is None else norm.take(norm.step < before_step)
        if len(norm):
            return early if len(early) else norm
    return None


def loss_of(view: RunView, finding: Finding) -> LossCurve | None:
    """The loss that the evidence of the finding names first, else the one to judge by."""
    by_tag = {loss.tag: loss for loss in view.losses}
    named = [by_tag[item.signal] for item in finding.evidence if item.signal in by_tag]
    return next(iter([*named, *view.losses]), None)


def level_of(loss: LossCurve | None) -> Level | None:
    """Where a loss stands now; None where it has no finite point."""
    if loss is None or len(loss) == 0:
        return None
    recent = loss.curve.value[-max(3, round(RECENT_SHARE * len(loss))) :].astype(np.float64)
    noise = difference_noise_sd(recent)
    return Level(loss.tag, float(np.median(recent)), noise if np.isfinite(noise) else 0.0)


def steps(view: RunView, share: float = TRIAL_SHARE) -> int:
    """A share of the run in steps, at least one."""
    return max(1, round(share * view.span_steps))


def loss_falls(view: RunView, finding: Finding, share: float = TRIAL_SHARE) -> Verify:
    """Success is a loss that falls visibly within a share of the run."""
    level = level_of(loss_of(view, finding))
    if level is None:
        return Verify(tags.TRAIN_LOSS, "finite", 0.0, steps(view, share))
    return Verify(level.tag, "down", level.visible_change, steps(view, share))


def loss_is_finite(view: RunView, finding: Finding, share: float = TRIAL_SHARE) -> Verify:
    """Success is a loss that is recorded and finite for a share of the run."""
    loss = loss_of(view, finding)
    return Verify(tags.TRAIN_LOSS if loss is None else loss.tag, "finite", 0.0, steps(view, share))
