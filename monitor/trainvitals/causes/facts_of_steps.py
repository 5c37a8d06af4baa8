"""Facts about the steps that the optimizer makes: how far, in which direction, at which rate, held back by what."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from trainvitals import tags
from trainvitals.causes.stretch import FEWEST_RECORDS, SMALLEST, Fact, Stretch
from trainvitals.model import Reason
from trainvitals.rules.gradients.early_updates import beyond_decay, early_updates
from trainvitals.rules.gradients.layer_gradients import layer_gradients
from trainvitals.rules.updates.sizes import decay_per_step, is_adam

SLOW_UPDATES, FAST_UPDATES = 1e-4, 3e-2
"""Update-to-weight ratios: a healthy training moves its weights by about 1e-3 a step (Karpathy, CS231n notes on the
ratio of updates to weights); small networks under Adam by up to ten times that."""
STARVED = 1e-2
"""Of the pace of the late layers, as in the rule vanishing-gradients."""
ALIGNED, OPPOSED = 0.3, -0.3
"""Cosine of successive gradients: independent ones have 0."""
NOISE_DOMINATES, NOISE_NEGLIGIBLE = 5.0, 0.2
"""Noise scale over batch size (McCandlish et al. 2018): at one, half of the progress of a step is lost to noise."""
ZERO_RATE, LOW_RATE = 5e-4, 0.1
"""Of the peak of the learning rate, as in the rule learning-rate-exhausted."""
DECAY_SHARE = 0.02
"""1 / (rate x decay) steps is how long weight decay remembers; below this share of the run it may rule."""
SHRUNK, GROWN = 0.3, 10.0
"""Of the largest norm of the weights: decay has won where two thirds are gone. Of the first: grown without a bound."""
THROTTLED_SHARE, THROTTLED_TO = 0.9, 0.1
MOST = 0.5


def _updates(stretch: Stretch) -> Iterator[Fact]:
    found = stretch.view.layers("update_ratio")
    ratios = None if found is None else stretch.medians(found, beyond_decay(stretch.view, found))
    if ratios is None:
        return
    middle = float(np.median(ratios))
    state = "slow" if middle < SLOW_UPDATES else "fast" if middle > FAST_UPDATES else "usual"
    text = f"the weights move by {middle:.2g} of their size a step (median layer)"
    if middle == 0:
        text = "the weights of the median layer do not move, or no more than weight decay shrinks them"
    yield Fact("update ratio", state, text, "updates")
    gradients = layer_gradients(stretch.view)
    early = None if gradients is None else early_updates(stretch.view, gradients, stretch.first_step)
    if early is not None:
        state = "starved" if early.share < STARVED and early.pace < SLOW_UPDATES else "even"
        text = f"early layers move at {early.share:.2g} of the pace of the late ones, beyond what decay does"
        yield Fact("early updates", state, text, "updates")


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


def _rate(stretch: Stretch) -> Iterator[Fact]:
    rate = stretch.view.learning_rate
    if rate is None or not len(rate):
        return
    value = np.asarray(rate.value, np.float64)
    inside = stretch.of(rate)
    largest = float(inside.max()) if len(inside) else float(value[-1])
    share = largest / float(value.max()) if value.max() > 0 else 0.0
    state = "zero" if share < ZERO_RATE else "low" if share < LOW_RATE else "open"
    does = "reaches" if state == "open" else "stays at or below"
    yield Fact("learning rate", state, f"the learning rate {does} {100 * share:.3g} % of its peak in that time", "rate")


def _decay(stretch: Stretch) -> Iterator[Fact]:
    taken = decay_per_step(stretch.view)
    if taken is not None:
        state = "strong" if 1 / taken < DECAY_SHARE * stretch.view.span_steps else "usual"
        yield Fact("weight decay", state, f"weight decay remembers {1 / taken:.3g} steps", "decay")


def _schedule(stretch: Stretch) -> Iterator[Fact]:
    """Whether the loss stands still because the rate was taken down: judged with the rate as the time of the curve."""
    judged = stretch.view.judged_loss
    if judged is None or stretch.view.learning_rate is None:
        return
    reason = stretch.view.assess(judged).reason
    if reason in (Reason.SCHEDULE_END, Reason.LR_LIMITED):
        yield Fact("schedule", "ended", "the loss came to rest as the learning rate came down", "rate")


def _weights(stretch: Stretch) -> Iterator[Fact]:
    norms = stretch.view.layers("weight_norm")
    if norms is None or len(norms) < FEWEST_RECORDS:
        return
    matrices = [index for index, name in enumerate(norms.layers) if not name.casefold().endswith("bias")]
    value = np.where(np.isfinite(norms.value), norms.value, np.nan)[:, matrices]
    known = ~np.isnan(value).any(axis=0) & (value[0] > 0)
    if known.any():
        share = float(np.median(value[-1, known] / value[:, known].max(axis=0)))
        growth = float(np.median(value[-1, known] / value[0, known]))
        state = "shrunk" if share < SHRUNK else "grown" if growth > GROWN else "kept"
        text = f"the weights are at {share:.2g} of their largest norm (median)"
        if state == "grown":
            text = f"the weights have grown to {growth:.2g} times their first norm (median)"
        yield Fact("weight norms", state, text, "weights")


def _clipping(stretch: Stretch) -> Iterator[Fact]:
    view = stretch.view
    if is_adam(view.run):
        return  # which divides by the size of the gradient, clipped or not
    clipped, before = view.recorded(tags.CLIPPED), view.recorded(tags.GRADIENT_NORM_BEFORE_CLIPPING)
    after = stretch.of(view.recorded(tags.GRADIENT_NORM))
    if len(stretch.of(clipped)) < FEWEST_RECORDS or len(after) < FEWEST_RECORDS:
        return
    share = float(np.mean(stretch.of(clipped)))
    kept = float(np.median(after) / max(float(np.median(stretch.of(before))), SMALLEST))
    state = "throttled" if share > THROTTLED_SHARE and kept < THROTTLED_TO else "free"
    text = f"{100 * share:.0f} % of the steps are clipped, to {kept:.2g} of the gradient"
    yield Fact("clipping", state, text, "clipping")


def _epsilon(stretch: Stretch) -> Iterator[Fact]:
    shares = stretch.layers("epsilon_share")
    if shares is not None:
        share = float(np.median(shares))
        state = "dominant" if share > MOST else "small"
        text = f"epsilon sets the step of {100 * share:.0f} % of the weights"
        yield Fact("Adam's epsilon", state, text, "optimizer")


LOOKS: tuple[Callable[[Stretch], Iterator[Fact]], ...] = (
    *(_rate, _decay, _schedule, _updates, _direction, _noise, _weights, _clipping, _epsilon),
)
