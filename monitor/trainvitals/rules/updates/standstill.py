"""Signs that no parameter of the model moves any more, from logs of any kind."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainvitals import tags
from trainvitals.maths.tail import begin_of_tail
from trainvitals.model import Evidence, LayerSeries, Series, Verdict
from trainvitals.naming.own import is_own
from trainvitals.view import LossCurve, RunView

Values = NDArray[np.float64]

FEWEST_REPEATS = 5
"""Measurements alike to the last digit. Where each moved by twenty units of its last digit or more before, even two are
alike by chance once in twenty."""

LONGER_THAN_BEFORE = 3
"""Times: what was repeated so often earlier, as by a logger that writes the last value into each row, is no sign."""

FEWEST_DIGITS = 5
MOST_DIGITS = 8
SINGLE_PRECISION = 2e-7
"""Of a value: what is left of a number with fewer digits when it went through 32 bits."""

MOVED_UNITS = 20.0
"""Of the last digit: the changes before the standstill, which therefore came at once."""

FEWEST_BEFORE = 3
ZERO_RATE = 1e-3
"""Of the peak of the learning rate: below it hardly anything moves by right."""

JUMP = 10.0
"""Times the largest number of samples that any step had before."""

FEWEST_STEPS_BEFORE = 20
SAME_PACE = 0.25
"""Of the usual time from one validation to the next: batches of one validation follow each other much faster."""


@dataclass(frozen=True, slots=True)
class Sign:
    """One thing that says that nothing moves any more.

    Args:
        first_step, begins_by: between these it began.
        confidence: of this sign alone.
    """

    first_step: int
    begins_by: int
    evidence: Evidence
    confidence: float


def signs_of_standstill(view: RunView) -> tuple[Sign, ...]:
    """All signs, the surest first; none where the learning rate is (nearly) zero by then."""
    found = (*_steps_not_made(view), *_repeated_validations(view), *_weights(view), *_updates(view))
    return tuple(sorted(found, key=lambda sign: -sign.confidence))


def _steps_not_made(view: RunView) -> Iterator[Sign]:
    """In a record of the hooks: what is logged after the last step belongs to that step, and piles up there."""
    if not is_own(view.run):
        return
    for tag in (tags.SAMPLES, tags.TOKENS):
        if tag in view.run.series:
            yield from _jump(view.run.series[tag].latest().finite())
    for loss in view.val_losses.values():
        yield from _pile(view.run.series[loss.tag].finite())


def _jump(counted: Series) -> Iterator[Sign]:
    added = np.diff(np.asarray(counted.value, np.float64))
    if len(added) <= FEWEST_STEPS_BEFORE:
        return
    usual = float(added[:-1].max())
    if usual <= 0 or added[-1] < JUMP * usual:
        return
    spacing = int(np.median(np.diff(counted.step)))
    stopped = min(int(counted.step[-2]) + spacing, int(counted.step[-1]))
    text = f"{added[-1]:,.0f} {counted.tag.rpartition('/')[2]} were logged for one step, {usual:,.0f} at most before"
    evidence = Evidence(text, signal=counted.tag, value=float(added[-1]), threshold=JUMP * usual, step=stopped)
    yield Sign(stopped, stopped, evidence, 0.97)


def _pile(measured: Series) -> Iterator[Sign]:
    """Validations one after the other at the same step, at the pace at which they came before."""
    if len(measured) < FEWEST_BEFORE + FEWEST_REPEATS:
        return
    last = int(measured.step[-1])
    here, before = measured.take(measured.step == last), measured.take(measured.step != last)
    if len(here) < FEWEST_REPEATS or len(before) < FEWEST_BEFORE:
        return
    _, counts = np.unique(before.step, return_counts=True)
    pace, usual_pace = np.median(np.diff(here.wall_time)), np.median(np.diff(before.wall_time))
    if len(here) < FEWEST_REPEATS * counts.max() or not pace >= SAME_PACE * usual_pace > 0:
        return
    text = f"{len(here)} validations came after step {last:,} and no further step"
    evidence = Evidence(text, signal=measured.tag, value=float(len(here)), threshold=FEWEST_REPEATS, step=last)
    yield Sign(last, last, evidence, 0.95)


def _repeated_validations(view: RunView) -> Iterator[Sign]:
    train = view.train_loss
    if train is not None and view.assess(train).verdict is Verdict.PROGRESSING:
        return
    for loss in view.val_losses.values():
        measured = view.run.series[loss.tag].finite()
        value = np.asarray(measured.value, np.float64)
        begin = begin_of_tail(value == value[-1]) if len(value) else None
        if begin is None or not _stands(value, begin):
            continue
        since, by = int(measured.step[max(begin - 1, 0)]), int(measured.step[begin])
        if _rate_ran_out(view, by) or _without_gradient(view, by) or not _goes_on(train, since):
            continue
        repeats = len(value) - begin
        text = f"{loss.tag} is {value[-1]:.8g} to the last digit {repeats} times in a row"
        evidence = Evidence(text, signal=loss.tag, value=float(repeats), threshold=FEWEST_REPEATS, step=by)
        yield Sign(min(since, by), by, evidence, 0.9 if view.learning_rate is not None else 0.75)


def _stands(value: Values, begin: int) -> bool:
    before = value[:begin]
    if len(value) - begin < max(FEWEST_REPEATS, LONGER_THAN_BEFORE * _longest_repeat(before)):
        return False
    late = value[max(0, begin - FEWEST_BEFORE) : begin + 1]
    digits = max(_digits(each) for each in late)
    if digits < FEWEST_DIGITS or value[-1] == 0:
        return False
    last_digit = abs(value[-1]) * 10.0 ** (1 - digits)
    return begin == 0 or (begin >= FEWEST_BEFORE and float(np.median(np.abs(np.diff(late)))) > MOVED_UNITS * last_digit)


def _goes_on(train: LossCurve | None, since_step: int) -> bool:
    """Whether the training loss, if there is one, differs from batch to batch: it is not stuck or written anew."""
    if train is None:
        return True
    later = train.curve.value[train.curve.step >= since_step]
    return len(later) < FEWEST_REPEATS or len(np.unique(later)) > len(later) // 2


def _longest_repeat(value: Values) -> int:
    if not len(value):
        return 0
    edges = np.flatnonzero(np.concatenate([[True], np.diff(value) != 0, [True]]))
    return int(np.diff(edges).max())


def _digits(value: float) -> int:
    """How many digits a value was written with."""
    fits = (count for count in range(1, MOST_DIGITS) if abs(float(f"{value:.{count}g}") - value) <= _rest(value))
    return next(fits, MOST_DIGITS)


def _rest(value: float) -> float:
    return SINGLE_PRECISION * abs(value)


def _weights(view: RunView) -> Iterator[Sign]:
    norms = view.layers("weight_norm")
    if norms is not None and len(norms.layers) > 1:
        last = norms.value[-1] if len(norms) else np.full(1, np.nan)
        if (
            not _validation_moves(view)
            and np.isfinite(last).all()
            and np.median([_digits(each) for each in last]) >= FEWEST_DIGITS
        ):
            same = np.all(norms.value == last, axis=1)
            if _came_at_once(norms.value, begin_of_tail(same)):
                yield from _tail(view, norms, same, "the norms of all weights are the same to the last digit")


def _came_at_once(norms: Values, begin: int | None) -> bool:
    """Whether some layer moved by many units of its last digit until then; what slows down ends in rounding."""
    if not begin or begin < FEWEST_BEFORE:
        return False
    late = norms[begin - FEWEST_BEFORE : begin + 1]
    last_digits = [abs(each) * 10.0 ** (1 - _digits(each)) for each in norms[-1]]
    return bool(np.any(np.median(np.abs(np.diff(late, axis=0)), axis=0) > MOVED_UNITS * np.asarray(last_digits)))


def _validation_moves(view: RunView) -> bool:
    """Where gradients were not logged, a validation that moves says that what was not logged moves too."""
    values = (
        [] if view.layers("grad_norm") is not None else [loss.curve.value[-2:] for loss in view.val_losses.values()]
    )
    return any(len(value) > 1 and value[0] != value[1] for value in values)


def _updates(view: RunView) -> Iterator[Sign]:
    ratios = view.layers("update_ratio")
    if ratios is not None and len(ratios):
        known = np.isfinite(ratios.value)
        still = np.all(~known | (ratios.value == 0), axis=1) & known.any(axis=1)
        yield from _tail(view, ratios, still, "the updates of all layers are exactly zero")


def _tail(view: RunView, layers: LayerSeries, still: NDArray[np.bool_], text: str) -> Iterator[Sign]:
    """From records that moved before: what never did was frozen on purpose, perhaps beside others without a log."""
    begin = begin_of_tail(still)
    if not begin or len(still) - begin < FEWEST_REPEATS or view.learning_rate is None:
        return
    since, by = int(layers.step[begin - 1]), int(layers.step[begin])
    if _rate_ran_out(view, by) or _without_gradient(view, by):
        return
    count = len(still) - begin
    tag = view.signals.per_layer[layers.kind].tags[0]
    evidence = Evidence(f"{text} in the last {count} records", tag, float(count), FEWEST_REPEATS, by)
    yield Sign(since, by, evidence, 0.93)


def _rate_ran_out(view: RunView, step: int) -> bool:
    rate = view.learning_rate
    if rate is None or not len(rate):
        return False
    value = np.asarray(rate.value, np.float64)
    since = value[rate.step >= step]
    # A rate that is logged at other steps still holds until its next record; a schedule may end after the standstill.
    return float(np.median(since if len(since) else value[-1:])) <= ZERO_RATE * float(value.max())


def _without_gradient(view: RunView, step: int) -> bool:
    """Whether no layer gets any gradient since then: units are dead, and the optimizer cannot be blamed."""
    gradients = view.layers("grad_norm")
    late = np.zeros(0) if gradients is None else gradients.value[gradients.step >= step]
    return bool(late.size) and not bool(np.any(late > 0))
