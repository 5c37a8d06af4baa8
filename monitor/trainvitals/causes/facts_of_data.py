"""Facts about what goes in and what comes out: inputs, outputs, losses, and whether all of the model takes part."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from trainvitals import tags
from trainvitals.causes.stretch import FEWEST_RECORDS, SMALLEST, Fact, Stretch

CLOSE = 0.1
NEAR_ZERO = 0.02
STILL_AT_START = 0.05
START_SHARE = 0.02
SOFTMAX_TOLERANCE = 1e-3
FAR_FROM_ZERO = 5.0


def _losses(stretch: Stretch) -> Iterator[Fact]:
    view = stretch.view
    train = view.train_loss
    judged = train or view.val_loss
    if judged is not None and len(judged) >= FEWEST_RECORDS:
        value, inside = np.asarray(judged.curve.value, np.float64), stretch.of(judged.curve)
        if len(inside):
            start, now = float(np.median(value[: max(1, int(len(value) * START_SHARE))])), float(np.median(inside))
            share = now / start if start > 0 else 1.0
            state = "start" if share > 1 - STILL_AT_START else "zero" if share < NEAR_ZERO else "between"
            yield Fact("loss level", state, f"the loss is at {100 * share:.3g} % of where it began", "loss")
    if train is not None and view.val_loss is not None:
        on_train, on_validation = stretch.of(train.curve), stretch.of(view.val_loss.curve)
        if len(on_train) and len(on_validation) and np.median(on_train) > 0:
            gap = float(np.median(on_validation) / np.median(on_train) - 1)
            state = "close" if abs(gap) < CLOSE else "above" if gap > 0 else "below"
            text = f"the validation loss is {100 * abs(gap):.0f} % {'above' if gap > 0 else 'below'} the training loss"
            yield Fact("validation gap", state, text, "validation")


def _digits(stretch: Stretch) -> Iterator[Fact]:
    """A validation loss that is the same to the last digit is one of weights that do not move."""
    loss = stretch.view.val_loss
    value = np.zeros(0) if loss is None else stretch.of(loss.curve)
    if len(value) >= FEWEST_RECORDS and bool((value == value[0]).all()):
        yield Fact("validation digits", "same", "the validation loss is the same to the last digit", "digits")


def _wiring(stretch: Stretch) -> Iterator[Fact]:
    counts = {
        tag: stretch.of(stretch.view.recorded(tag))
        for tag in (tags.UNOWNED_PARAMETERS, tags.NO_GRADIENT, tags.NOT_MOVED)
    }
    known = {tag: int(np.median(value)) for tag, value in counts.items() if len(value)}
    if known:
        broken = sum(known.values())
        text = f"{broken} parameters are not trained" if broken else "every parameter gets a gradient and moves"
        yield Fact("wiring", "broken" if broken else "sound", text, "wiring")


def _outputs(stretch: Stretch) -> Iterator[Fact]:
    sums = stretch.of(stretch.view.recorded(tags.OUTPUT_ROW_SUM))
    if len(sums) >= FEWEST_RECORDS:
        added = bool(np.abs(sums - 1).max() < SOFTMAX_TOLERANCE)
        text = f"the rows of the output add up to {float(np.median(sums)):.4g}"
        yield Fact("output rows", "one" if added else "any", text, "outputs")


def _inputs(stretch: Stretch) -> Iterator[Fact]:
    mean, spread = (stretch.of(stretch.view.recorded(tag)) for tag in (tags.BATCH_MEAN, tags.BATCH_STD))
    if len(mean) >= FEWEST_RECORDS and len(spread) >= FEWEST_RECORDS:
        distance = float(np.median(np.abs(mean)) / max(float(np.median(spread)), SMALLEST))
        state = "far" if distance > FAR_FROM_ZERO else "centred"
        yield Fact("inputs", state, f"the mean of the input is {distance:.2g} of its spreads from zero", "inputs")


LOOKS: tuple[Callable[[Stretch], Iterator[Fact]], ...] = (_losses, _digits, _wiring, _outputs, _inputs)
