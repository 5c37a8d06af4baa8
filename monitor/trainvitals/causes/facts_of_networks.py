"""Facts about the layers: how gradients and outputs are spread over them and over their units."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from trainvitals.causes.stretch import FEWEST_RECORDS, SMALLEST, Fact, Stretch
from trainvitals.rules.gradients.layer_gradients import layer_gradients

THIRDS = 3
VANISHED, EXPLODED = 1e-3, 1e2
"""Of the early layers over the late ones. A thousandth is what Zhang et al. (ICSE 2021) call vanishing."""
GONE = 1e-2
START_SHARE = 0.05
MOST, FEW = 0.5, 0.2
COLLAPSED = 0.3


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
                state = "vanishing" if share < VANISHED else "growing" if share > EXPLODED else "even"
                text = f"the gradient of the early layers is {share:.2g} times that of the late ones"
                yield Fact("gradient by depth", state, text, "gradients")
    whole = stretch.view.series(stretch.view.signals.grad_norm[0]) if stretch.view.signals.grad_norm else None
    if whole is not None and len(stretch.of(whole)) >= FEWEST_RECORDS:
        finite = whole.finite()
        first = np.asarray(finite.value[: max(1, int(len(finite) * START_SHARE))], np.float64)
        share = float(np.median(stretch.of(whole)) / max(float(np.median(first)), SMALLEST))
        state = "gone" if share < GONE else "there"
        yield Fact("gradient norm", state, f"the gradient norm is {share:.2g} of what it was at the start", "gradients")


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


def _rank(stretch: Stretch) -> Iterator[Fact]:
    ranks = stretch.view.layers("effective_rank")
    now = stretch.layers("effective_rank")
    if ranks is not None and now is not None:
        largest = np.nanmax(np.where(np.isfinite(ranks.value), ranks.value, 0.0), axis=0)
        share = float(np.median(now) / max(float(np.median(largest)), SMALLEST))
        state = "collapsed" if share < COLLAPSED else "kept"
        yield Fact("effective rank", state, f"outputs spread over {share:.2g} of their largest rank", "rank")


LOOKS: tuple[Callable[[Stretch], Iterator[Fact]], ...] = (_gradients, _units, _rank)
