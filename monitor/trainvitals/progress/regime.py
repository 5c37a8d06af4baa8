"""Which part of a loss curve was made under one set of conditions: after the last restart, jump or warm-up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from trainvitals.model import Reason

# A learning rate that jumps by more than 30 % between two records starts a new regime; smooth schedules move less.
RATE_JUMP = float(np.log(1.3))
# ... and by three times its neighbours: the last records of a smooth decay to zero also change by large factors.
RATE_JUMP_OVER_NEIGHBOURS = 3.0
# Below 2 % of its peak a learning rate no longer moves the weights noticeably: the schedule has ended.
SCHEDULE_END_SHARE = 0.02
# Warm-up is over when the rate first reaches 99 % of its peak, and never before 2 % of the steps.
WARM_UP_REACHED = 0.99
WARM_UP_SHARE = 0.02
# A rate that rises through most of a run is a schedule (one cycle, range test), not a warm-up.
LONGEST_WARM_UP_SHARE = 0.3

SHORTEST_COVER = 0.5
# A stretch joined across cuts of the rate reaches back as far as forecasts look ahead: a quarter of the steps done.
JOINED_SHARE = 0.25

# In nine real branch pairs the slope followed the rate to the power 0.25 to 0.54; 0.6 leaves a margin. Progress at
# less than half the speed of the peak is limited by the rate.
SLOWDOWN_EXPONENT = 0.6
SLOWDOWN_SHARE = 0.5

Rate = tuple[NDArray[np.int64], NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class HardBreak:
    """A step from which on a curve was made under other conditions than before."""

    step: int
    kind: Literal["restart", "rate-raised", "rate-cut"]


@dataclass(frozen=True, slots=True)
class Regime:
    """The stretch of a curve to judge.

    Args:
        start: index of its first point.
        origin: the step that training counts from: 0, or the first step of a run that was continued.
        jump_step: the step of the hard break that it begins with, None where it begins with the run.
        last_cut: the step of the last cut of the learning rate inside, where stretches between cuts were joined
            because the last one alone is too short to judge; else None.
    """

    start: int
    origin: int
    jump_step: int | None
    last_cut: int | None = None


def last_regime(step: NDArray[np.int64], rate: Rate | None, breaks: Sequence[int], fewest: int) -> Regime:
    """Leave out all before the last hard break, and the warm-up after it.

    A cut of the learning rate starts a new stretch too, but what was learnt before it still holds: where the last
    stretch is shorter than ``fewest``, those before are joined to it, though never across a restart or a raised rate.

    Args:
        step: ``[N]`` strictly increasing, at least one.
        rate: steps and learning rates, or None.
        breaks: steps at which the curve continues after a restart.
        fewest: leave at least this many points when dropping a warm-up.
    """
    first, last = int(step[0]), int(step[-1])
    origin = 0 if 0 <= first <= (last - first) else first
    found = hard_breaks(first, last, rate, breaks)
    hard = max((each.step for each in found if each.kind != "rate-cut"), default=None)
    cuts = [each.step for each in found if each.kind == "rate-cut" and (hard is None or each.step > hard)]
    joined = bool(cuts) and len(step) - int(np.searchsorted(step, cuts[-1])) < fewest
    if joined:
        latest = min(int(step[-min(fewest, len(step))]), last - round(JOINED_SHARE * (last - origin)))
        jump = max((at for at in cuts if at <= latest), default=hard)
    else:
        jump = cuts[-1] if cuts else hard
    start = 0 if jump is None else int(np.searchsorted(step, jump))
    begin = origin if jump is None else jump
    warm = begin + max(WARM_UP_SHARE * (last - begin), _warm_up_steps(rate, begin, last))
    after = int(np.searchsorted(step, warm))
    return Regime(max(start, min(after, len(step) - fewest)), origin, jump, cuts[-1] if joined else None)


def hard_breaks(first_step: int, last_step: int, rate: Rate | None, restarts: Sequence[int]) -> list[HardBreak]:
    """The hard breaks after ``first_step``, in order."""
    found = [HardBreak(at, "restart") for at in restarts]
    if rate is not None:
        jumps = np.array(rate_jumps(rate), dtype=np.int64)
        up = rate_at(rate, jumps) > rate_at(rate, jumps - 1)
        found += [HardBreak(at, "rate-raised") for at in jumps[up].tolist()]
        found += [HardBreak(at, "rate-cut") for at in jumps[~up].tolist()]
    return sorted((each for each in found if first_step < each.step <= last_step), key=lambda each: each.step)


def rate_jumps(rate: Rate | None) -> list[int]:
    """Steps at which the learning rate jumped, up or down, other than to the end of its schedule."""
    if rate is None or len(rate[0]) < 2:
        return []
    steps, eta = rate
    peak = float(np.max(eta))
    if not peak > 0:
        return []
    change = np.abs(np.diff(np.log(np.maximum(eta, SCHEDULE_END_SHARE * peak))))
    neighbours = np.maximum(np.append(0.0, change[:-1]), np.append(change[1:], 0.0))
    jumped = (change > RATE_JUMP) & (change > RATE_JUMP_OVER_NEIGHBOURS * neighbours)
    jumped &= eta[1:] >= SCHEDULE_END_SHARE * peak
    return [int(at) for at in steps[1:][jumped]]


def usable_rate(rate: Rate | None, first_step: int, last_step: int) -> Rate | None:
    """The learning rate with its finite, non-negative records; None where none is positive.

    None, too, where its records cover less than half of the steps from ``first_step`` to ``last_step``: it was logged
    for another part of the run, or counts in another unit.
    """
    if rate is None or len(rate[0]) == 0:
        return None
    covered = min(int(rate[0][-1]), last_step) - max(int(rate[0][0]), first_step)
    if covered < SHORTEST_COVER * (last_step - first_step):
        return None
    steps, eta = np.asarray(rate[0]), np.asarray(rate[1], dtype=np.float64)
    good = np.isfinite(eta) & (eta >= 0)
    return (steps[good], eta[good]) if np.any(eta[good] > 0) else None


def rate_reason(rate: Rate | None, regime: Regime, last_step: int) -> Reason | None:
    """Whether the learning rate at the end is too low for the progress that its peak allowed.

    Expected is a slowdown of (rate / peak)^0.6; a rate that has ended its schedule moves nothing.
    """
    if rate is None:
        return None
    share = float(rate_at(rate, np.array([last_step]))[0] / np.max(rate[1]))
    if share < SCHEDULE_END_SHARE:
        return Reason.SCHEDULE_END
    if share**SLOWDOWN_EXPONENT < SLOWDOWN_SHARE:
        return Reason.LR_LIMITED
    jump = regime.jump_step if regime.last_cut is None else regime.last_cut
    if jump is None:
        return None
    before, after = rate_at(rate, np.array([jump - 1, jump]))
    return Reason.LR_LIMITED if after < before * np.exp(-RATE_JUMP) else None


def schedule_ended(rate: Rate | None, first_step: int, last_step: int) -> bool:
    """Whether the learning rate was next to nothing through most of this stretch."""
    if rate is None:
        return False
    eta = rate_at(rate, np.linspace(first_step, last_step, 21))
    return bool(np.median(eta) < SCHEDULE_END_SHARE * np.max(rate[1]))


def rate_at(rate: Rate, step: NDArray[np.int64] | NDArray[np.float64]) -> NDArray[np.float64]:
    """The learning rate in force at ``[N]`` steps: the latest one recorded."""
    index = np.clip(np.searchsorted(rate[0], step, side="right") - 1, 0, len(rate[0]) - 1)
    return np.asarray(rate[1][index], dtype=np.float64)


def _warm_up_steps(rate: Rate | None, begin: int, last: int) -> float:
    if rate is None:
        return 0.0
    inside = (rate[0] >= begin) & (rate[0] <= last)
    if not inside.any():
        return 0.0
    steps, eta = rate[0][inside], rate[1][inside]
    reached = int(steps[np.argmax(eta >= WARM_UP_REACHED * float(eta.max()))]) - begin
    return float(reached) if reached <= LONGEST_WARM_UP_SHARE * (last - begin) else 0.0


def rate_time(time: NDArray[np.float64], rate: NDArray[np.float64]) -> NDArray[np.float64]:
    """``[N]`` integral of the learning rate over time, in units of time at its largest value.

    A law of descent in this time slows down where the rate does (S1 in Tissue et al. 2024, arXiv 2408.11029).

    Args:
        time: ``[N]`` increasing and positive; the rate before its first entry counts as that entry.
        rate: ``[N]`` the learning rate at these times.
    """
    share = rate / np.max(rate) if np.max(rate) > 0 else np.ones_like(rate)
    steps = np.diff(time) * (share[1:] + share[:-1]) / 2.0
    # A tiny slope keeps time increasing where the rate is zero, so that laws stay defined.
    return np.asarray(np.concatenate(([time[0] * share[0]], time[0] * share[0] + np.cumsum(steps))) + 1e-9 * time)
