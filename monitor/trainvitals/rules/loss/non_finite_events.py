"""What is not finite in a loss, and what led to it: the measurement behind ``non-finite-loss``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainvitals.maths.comparison import comparison_scale
from trainvitals.maths.robust import mad_scale
from trainvitals.maths.rounding import quantum
from trainvitals.model import Series
from trainvitals.non_finite_origin import Origin, non_finite_origin
from trainvitals.rules.loss.diverging_loss import DivergingLoss
from trainvitals.rules.rule import NotEnough
from trainvitals.view import LossCurve, RunView

# The level before a blow-up is the median of so many finite points; the blow-up itself may take the last of them.
CONTEXT_POINTS = 50
BLOW_UP_POINTS = 10
# A point belongs to the blow-up when it is above that level by this many standard deviations and this factor.
BLOW_UP_SDS = 7.0
BLOW_UP_LOGARITHM = float(np.log(1.5))
# A trailing stretch that is no longer than twice an earlier gap is taken for another gap.
GAP_FACTOR = 2
# Where more of the values than this are NaN and finite ones keep returning, the value was not computed at these steps.
NOT_COMPUTED_SHARE = 0.3
# A loss that falls to zero by learning passes through small values: below this share of its median it may be zero.
NEAR_ZERO_SHARE = 0.05
POINTS_BEFORE_ZERO = 10
# ... and a loss of a few units of its last written digit becomes zero by rounding.
QUANTA_ABOVE_ZERO = 20.0


@dataclass(frozen=True, slots=True)
class Event:
    """What is not finite in one loss.

    Args:
        tag, split: of the loss.
        kind: ``NaN``, ``infinite``, or ``zero`` for exact zeros that stand in for NaN.
        permanent: it never recovers.
        first_step, last_step: of the non-finite points; count: how many there are, of points.
        last_finite_step, last_finite: the last finite point before; None where there is none.
        blow_up_step: where the rise began that led there; None where it came out of the blue.
        blow_up_from: the level before that rise.
        gradient_not_finite: the gradient norm was not finite either.
        outlived_by: another loss that is finite after ``first_step``.
        origin: what the hooks found out about its origin.
    """

    tag: str
    split: str
    kind: str
    permanent: bool
    first_step: int
    last_step: int
    count: int
    points: int
    last_finite_step: int | None = None
    last_finite: float | None = None
    blow_up_step: int | None = None
    blow_up_from: float | None = None
    gradient_not_finite: bool = False
    outlived_by: str | None = None
    origin: Origin | None = None

    @property
    def began(self) -> int:
        return self.first_step if self.blow_up_step is None else self.blow_up_step


def non_finite_events(view: RunView) -> tuple[Event, ...]:
    """Every event in the training loss and in each validation loss."""
    events = [event for loss in view.losses for event in _events(loss, view)]
    origin = non_finite_origin(view.run)
    return tuple(
        replace(event, outlived_by=_outlived_by(event, view), origin=origin if _led_to(origin, event) else None)
        for event in events
    )


def _events(loss: LossCurve, view: RunView) -> Iterator[Event]:
    recorded = loss.recorded
    finite = np.isfinite(recorded.value)
    if not finite.any():
        if loss.split == "train" and len(recorded):
            yield _event(loss, np.arange(len(recorded)), permanent=True)
        return
    known = np.flatnonzero(finite)
    tail = np.arange(known[-1] + 1, len(recorded))
    between = known[0] + np.flatnonzero(~finite[known[0] : known[-1]])
    longest_gap = int(np.diff(known).max(initial=1)) - 1
    if len(tail) > GAP_FACTOR * longest_gap:
        event = _event(loss, tail, permanent=True)
        yield _with_history(event, loss, view, recorded.take(finite))
    elif len(tail):
        between = np.append(between, tail)
    computed = len(between) <= NOT_COMPUTED_SHARE * (known[-1] - known[0] + 1)
    if len(between) and (computed or bool(np.isinf(recorded.value[between]).any())):
        yield _event(loss, between, permanent=False)
    zeros = _zero_event(loss, view)
    if zeros is not None and len(tail) == 0:
        yield zeros


def _event(loss: LossCurve, index: NDArray[np.int64], *, permanent: bool) -> Event:
    recorded = loss.recorded
    return Event(
        tag=loss.tag,
        split=loss.split,
        kind="NaN" if bool(np.isnan(recorded.value[index[0]])) else "infinite",
        permanent=permanent,
        first_step=int(recorded.step[index[0]]),
        last_step=int(recorded.step[index[-1]]),
        count=len(index),
        points=len(recorded),
    )


def _zero_event(loss: LossCurve, view: RunView) -> Event | None:
    """The exact zeros that end a loss which was nowhere near zero before."""
    curve = loss.curve
    other = np.flatnonzero(curve.value)
    if len(other) == 0 or other[-1] == len(curve) - 1 or not view.signals.supervised:
        return None
    first = int(other[-1]) + 1
    size = np.abs(curve.value[:first])
    smallest = float(size[-POINTS_BEFORE_ZERO:].min())
    if smallest <= NEAR_ZERO_SHARE * float(np.median(size)) or smallest <= QUANTA_ABOVE_ZERO * quantum(size):
        return None
    event = Event(
        tag=loss.tag,
        split=loss.split,
        kind="zero",
        permanent=True,
        first_step=int(curve.step[first]),
        last_step=int(curve.step[-1]),
        count=len(curve) - first,
        points=len(curve),
    )
    return _with_history(event, loss, view, curve.take(slice(0, first)))


def _with_history(event: Event, loss: LossCurve, view: RunView, before: Series) -> Event:
    """The event with what led to it: the last finite point, a blow-up, the gradient."""
    gradient = next((view.series(tag) for tag in view.signals.grad_norm), None)
    late_gradient = np.empty(0) if gradient is None else gradient.value[gradient.step >= event.first_step]
    onset = _blow_up(before.value)
    blow_up_step = None if onset is None else int(before.step[onset])
    runaway_step = _runaway_step(view) if loss is view.train_loss else None
    if runaway_step is not None and runaway_step < event.first_step:
        blow_up_step = min(runaway_step, event.first_step if blow_up_step is None else blow_up_step)
    calm = before.value if blow_up_step is None else before.value[before.step < blow_up_step]
    return replace(
        event,
        last_finite_step=int(before.step[-1]),
        last_finite=float(before.value[-1]),
        blow_up_step=blow_up_step,
        blow_up_from=float(np.median(calm[-CONTEXT_POINTS:])) if blow_up_step is not None and len(calm) else None,
        gradient_not_finite=bool(len(late_gradient)) and not bool(np.isfinite(late_gradient).any()),
    )


def _blow_up(value: NDArray[np.floating[Any]]) -> int | None:
    """Index of the first of the last points that all lie far above the level before them; None where they do not."""
    level, _ = comparison_scale(value)
    calm = level[-CONTEXT_POINTS - BLOW_UP_POINTS : -BLOW_UP_POINTS]
    if len(calm) < BLOW_UP_POINTS:
        return None
    bound = float(np.median(calm)) + max(BLOW_UP_SDS * mad_scale(calm), BLOW_UP_LOGARITHM)
    last_calm = int(np.flatnonzero(level <= bound)[-1])
    return last_calm + 1 if last_calm + 1 < len(level) else None


def _runaway_step(view: RunView) -> int | None:
    rule = DivergingLoss()
    divergence = rule.measure(view)
    if isinstance(divergence, NotEnough):
        return None
    return next((finding.first_step for finding in rule.judge(divergence, rule.limits({}))), None)


def _led_to(origin: Origin | None, event: Event) -> bool:
    """Whether this origin is that of this event: it lies between the last finite point and the last that is not."""
    # In a loop that logs after the update the loss is known one step before the weights show it.
    since = -1 if event.last_finite_step is None else event.last_finite_step
    return origin is not None and since <= origin.step <= event.last_step + 1


def _outlived_by(event: Event, view: RunView) -> str | None:
    for loss in view.losses:
        if loss.tag != event.tag and len(loss.curve) and int(loss.curve.step[-1]) > event.first_step:
            return loss.tag
    return None
