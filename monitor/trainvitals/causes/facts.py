"""What can be measured of a training that is stuck, each fact in one word: the table of causes is written in these.

Facts are taken over the stretch in which the training is stuck. A fact whose signal was not recorded is absent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainvitals import tags
from trainvitals.model import Finding, LayerSeries, Series
from trainvitals.rules.gradients.layer_gradients import layer_gradients
from trainvitals.view import RunView

Values = NDArray[np.float64]

FEWEST_RECORDS = 5
"""In the stretch; fewer say too little of what is usual in it."""

THIRDS = 3
SLOW_UPDATES, FAST_UPDATES = 1e-4, 3e-2
"""Update-to-weight ratios: a healthy training moves its weights by about 1e-3 a step (Karpathy, CS231n notes on the
ratio of updates to weights); small networks under Adam by up to ten times that."""
STARVED, VANISHED, GROWN = 1e-2, 1e-3, 1e2
"""Of the early layers over the late ones. A thousandth is what Zhang et al. (ICSE 2021) call vanishing."""
ALIGNED, OPPOSED = 0.3, -0.3
"""Cosine of successive gradients: independent ones have 0."""
NOISE_DOMINATES, NOISE_NEGLIGIBLE = 5.0, 0.2
"""Noise scale over batch size (McCandlish et al. 2018): at one, half of the progress of a step is lost to noise."""
MOST, FEW = 0.5, 0.2
ZERO_RATE, LOW_RATE = 5e-4, 0.1
"""Of the peak of the learning rate, as in the rule learning-rate-exhausted."""
GONE = 1e-2
SHRUNK = 0.3
"""Of the largest norm of the weights: decay has won where two thirds are gone."""
DECAY_SHARE = 0.02
"""1 / (rate x decay) steps is how long weight decay remembers; below this share of the run it rules."""
CLOSE = 0.1
NEAR_ZERO = 0.02
STILL_AT_START = 0.05
THROTTLED_SHARE, THROTTLED_TO = 0.9, 0.1
SOFTMAX_TOLERANCE = 1e-3
FAR_FROM_ZERO = 5.0


@dataclass(frozen=True, slots=True)
class Fact:
    """One measured property of the stuck stretch.

    Args:
        name: what was looked at. state: what it is like, a word of the table of causes.
        text: a sentence with the number.
        family: facts of one family rest on the same signal and count once.
    """

    name: str
    state: str
    text: str
    family: str


@dataclass(frozen=True, slots=True)
class Stretch:
    """The part of the run in which it is stuck."""

    view: RunView
    first_step: int

    def of(self, series: Series | None) -> Values:
        """The finite values recorded in it."""
        if series is None:
            return np.zeros(0)
        value = np.asarray(series.value, np.float64)[np.asarray(series.step) >= self.first_step]
        return value[np.isfinite(value)]

    def layers(self, kind: str) -> Values | None:
        """The median of each weight matrix or layer ``[L]`` in it; None where the signal was not recorded."""
        found = self.view.layers(kind)
        return None if found is None else self._medians(found)

    def _medians(self, found: LayerSeries) -> Values | None:
        value = found.value[found.step >= self.first_step]
        kept = [index for index, name in enumerate(found.layers) if not name.casefold().endswith("bias")]
        value = value[:, kept]
        value = np.where(np.isfinite(value), value, np.nan)
        known = ~np.isnan(value).all(axis=0) if len(value) else np.zeros(0, bool)
        if len(value) < FEWEST_RECORDS or not known.any():
            return None
        return np.asarray(np.nanmedian(value[:, known], axis=0), np.float64)


def facts_of(view: RunView, symptom: Finding) -> dict[str, Fact]:
    """Everything that can be said of the stretch in which this symptom stands, by name."""
    stretch = Stretch(view, symptom.first_step or 0)
    found = (fact for look in LOOKS for fact in look(stretch))
    return {fact.name: fact for fact in found}


def _updates(stretch: Stretch) -> Iterator[Fact]:
    ratios = stretch.layers("update_ratio")
    if ratios is None:
        return
    middle = float(np.median(ratios))
    state = "slow" if middle < SLOW_UPDATES else "fast" if middle > FAST_UPDATES else "usual"
    yield Fact(
        "update ratio", state, f"the weights move by {middle:.2g} of their size a step (median layer)", "updates"
    )
    if len(ratios) >= THIRDS:
        third = len(ratios) // THIRDS
        early, late = float(np.median(ratios[:third])), float(np.median(ratios[-third:]))
        if late > 0:
            state = "starved" if early < STARVED * late else "even"
            text = f"early layers move at {early / late:.2g} of the pace of the late ones"
            yield Fact("early updates", state, text, "updates")


def _gradients(stretch: Stretch) -> Iterator[Fact]:
    gradients = layer_gradients(stretch.view)
    if gradients is not None and len(gradients.layers) >= THIRDS:
        value = gradients.value[gradients.step >= stretch.first_step]
        if len(value) >= FEWEST_RECORDS and not np.isnan(value).all(axis=0).any():
            middle = np.nanmedian(value, axis=0)
            third = len(middle) // THIRDS
            early, late = float(np.median(middle[:third])), float(np.median(middle[-third:]))
            if late > 0:
                share = early / late
                state = "vanishing" if share < VANISHED else "growing" if share > GROWN else "even"
                text = f"the gradient of the early layers is {share:.2g} times that of the late ones"
                yield Fact("gradient by depth", state, text, "gradients")
    whole = stretch.view.series(stretch.view.signals.grad_norm[0]) if stretch.view.signals.grad_norm else None
    if whole is not None and len(stretch.of(whole)) >= FEWEST_RECORDS:
        finite = whole.finite()
        first = np.asarray(finite.value[: max(1, len(finite) // 20)], np.float64)
        share = float(np.median(stretch.of(whole)) / max(float(np.median(first)), 1e-300))
        state = "gone" if share < GONE else "there"
        yield Fact("gradient norm", state, f"the gradient norm is {share:.2g} of what it was at the start", "gradients")


def _direction(stretch: Stretch) -> Iterator[Fact]:
    cosine = stretch.of(stretch.view.recorded(tags.GRADIENT_COSINE))
    if len(cosine) >= FEWEST_RECORDS:
        mean = float(np.mean(cosine))
        state = "aligned" if mean > ALIGNED else "opposed" if mean < OPPOSED else "free"
        text = f"successive gradients have a cosine of {mean:.2f}"
        yield Fact("gradient direction", state, text, "direction")


def _noise(stretch: Stretch) -> Iterator[Fact]:
    scale = stretch.of(stretch.view.recorded(tags.GRADIENT_NOISE_SCALE))
    samples = stretch.view.recorded(tags.SAMPLES)
    batches = stretch.of(stretch.view.recorded(tags.GRADIENT_NOISE_SCALE_PROXY))
    if len(scale) >= FEWEST_RECORDS and samples is not None and len(samples) > 1:
        batch = float(np.median(np.diff(np.asarray(samples.value, np.float64)) / np.diff(samples.step)))
        batches = scale / max(batch, 1.0)
    if len(batches) >= FEWEST_RECORDS:
        ratio = float(np.median(batches))
        state = "dominant" if ratio > NOISE_DOMINATES else "negligible" if ratio < NOISE_NEGLIGIBLE else "balanced"
        yield Fact("gradient noise", state, f"the noise scale is {ratio:.2g} times the batch", "noise")


def _units(stretch: Stretch) -> Iterator[Fact]:
    for name, kind, what in (
        ("dormant units", "dormant_unit_fraction", "of the units of the worst layer are dormant"),
        ("saturated units", "activation_saturated_fraction", "of the outputs of the worst layer are saturated"),
    ):
        shares = stretch.layers(kind)
        if shares is not None:
            worst = float(np.max(shares))
            state = "many" if worst > MOST else "few" if worst < FEW else "some"
            yield Fact(name, state, f"{100 * worst:.0f} % {what}", "activations")


def _rate(stretch: Stretch) -> Iterator[Fact]:
    rate = stretch.view.learning_rate
    if rate is None or not len(rate):
        return
    value = np.asarray(rate.value, np.float64)
    inside = stretch.of(rate)
    largest = float(inside.max()) if len(inside) else float(value[-1])
    share = largest / float(value.max()) if value.max() > 0 else 0.0
    state = "zero" if share < ZERO_RATE else "low" if share < LOW_RATE else "open"
    yield Fact(
        "learning rate", state, f"the learning rate is at most {share:.2g} of its peak while it is stuck", "rate"
    )
    decay = stretch.view.run.hyper_parameters.get("weight_decay")
    if isinstance(decay, int | float) and not isinstance(decay, bool) and decay > 0 and value.max() > 0:
        memory_steps = 1 / (float(np.median(value[value > 0])) * decay)
        share = memory_steps / stretch.view.span_steps
        state = "strong" if share < DECAY_SHARE else "usual"
        yield Fact("weight decay", state, f"weight decay remembers {memory_steps:.3g} steps", "decay")


def _weights(stretch: Stretch) -> Iterator[Fact]:
    norms = stretch.view.layers("weight_norm")
    if norms is None or len(norms) < FEWEST_RECORDS:
        return
    value = np.where(np.isfinite(norms.value), norms.value, np.nan)
    known = ~np.isnan(value).any(axis=0) & (np.max(np.nan_to_num(value), axis=0) > 0)
    if known.any():
        share = float(np.median(value[-1, known] / value[:, known].max(axis=0)))
        state = "shrunk" if share < SHRUNK else "kept"
        yield Fact("weight norms", state, f"the weights are at {share:.2g} of their largest norm (median)", "weights")


def _clipping(stretch: Stretch) -> Iterator[Fact]:
    view = stretch.view
    clipped, before = view.recorded(tags.CLIPPED), view.recorded(tags.GRADIENT_NORM_BEFORE_CLIPPING)
    after = stretch.of(view.recorded(tags.GRADIENT_NORM))
    if len(stretch.of(clipped)) < FEWEST_RECORDS or len(after) < FEWEST_RECORDS:
        return
    share = float(np.mean(stretch.of(clipped)))
    kept = float(np.median(after) / max(float(np.median(stretch.of(before))), 1e-300))
    state = "throttled" if share > THROTTLED_SHARE and kept < THROTTLED_TO else "free"
    text = f"{100 * share:.0f} % of the steps are clipped, to {kept:.2g} of the gradient"
    yield Fact("clipping", state, text, "clipping")


def _epsilon(stretch: Stretch) -> Iterator[Fact]:
    shares = stretch.layers("epsilon_share")
    if shares is not None:
        share = float(np.median(shares))
        state = "dominant" if share > MOST else "small"
        yield Fact("Adam's epsilon", state, f"epsilon dominates {100 * share:.0f} % of the weights' steps", "optimizer")


def _rank(stretch: Stretch) -> Iterator[Fact]:
    ranks = stretch.view.layers("effective_rank")
    now = stretch.layers("effective_rank")
    if ranks is not None and now is not None:
        largest = np.nanmax(np.where(np.isfinite(ranks.value), ranks.value, 0.0), axis=0)
        share = float(np.median(now) / max(float(np.median(largest)), 1e-300))
        state = "collapsed" if share < SHRUNK else "kept"
        yield Fact("effective rank", state, f"outputs spread over {share:.2g} of their largest rank", "rank")


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
        distance = float(np.median(np.abs(mean)) / max(float(np.median(spread)), 1e-300))
        state = "far" if distance > FAR_FROM_ZERO else "centred"
        yield Fact("inputs", state, f"the mean of the input is {distance:.2g} of its spreads from zero", "inputs")


def _losses(stretch: Stretch) -> Iterator[Fact]:
    view = stretch.view
    train = view.train_loss
    judged = train or view.val_loss
    if judged is not None and len(judged) >= FEWEST_RECORDS:
        value = np.asarray(judged.curve.value, np.float64)
        start, now = float(np.median(value[: max(1, len(value) // 50)])), float(np.median(stretch.of(judged.curve)))
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
    if len(value) >= FEWEST_RECORDS:
        same = bool((value == value[0]).all())
        text = f"the validation loss {'is' if same else 'is not'} the same to the last digit"
        yield Fact("validation digits", "same" if same else "moving", text, "digits")


LOOKS: tuple[Callable[[Stretch], Iterator[Fact]], ...] = (
    *(_losses, _digits, _rate, _updates, _gradients, _direction, _noise, _units, _weights),
    *(_clipping, _epsilon, _rank, _wiring, _outputs, _inputs),
)
