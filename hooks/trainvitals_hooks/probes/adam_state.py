"""Whether Adam's second moment does its work: against epsilon, against the gradient of the moment, and as a measure.

An update is the first moment over ``sqrt(v) + epsilon``, with ``v`` the second moment corrected for its bias. Where
epsilon is the larger part of that, Adam is plain momentum with a huge rate. ``sqrt(mean(g^2 / v))`` is 1 where
gradients have their usual size; above it they have outgrown what Adam remembers, and updates are too long (Wortsman et
al. 2023, "Stable and low-precision training for large-scale vision-language models": spikes of the loss follow where it
exceeds 2.3).

The moments also give a proxy of the gradient noise scale, in batches: the second is ``G^2 + s^2`` and the square of the
first ``G^2 + c s^2``, where ``c`` is what is left of the variance ``s^2`` after averaging. That takes the gradients of
some hundred steps for one, and is too high while they shrink. ``gradient_noise`` measures it where it can.

All are of a sample of each parameter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import numpy as np
import torch

from trainvitals import tags
from trainvitals_hooks.looking.adam import AdamMoments, Moments
from trainvitals_hooks.looking.noise_scale import NoiseScale
from trainvitals_hooks.looking.samples import Samples, joined
from trainvitals_hooks.probes.probe import Context, Probe
from trainvitals_hooks.recording.reading import Named, Reading, layer_tags, named

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray
    from torch.optim import Optimizer

    from trainvitals_hooks.looking.parameters import Owners

KINDS = ("epsilon_share", "gradient_over_second_moment")
ELEMENTS = 128
"""Of each parameter. Every one is a line of memory to fetch; a share of so many comes out within
1 / (2 * sqrt(128)) = 4 percent."""
TINY = 1e-30
"""Less than any root of a second moment that float32 can hold and that is not zero."""


class AdamState(Probe):
    """Two numbers a parameter and one for all, of every optimizer whose state looks like Adam's."""

    name = "adam_state"
    writes = (*KINDS, tags.GRADIENT_NOISE_SCALE_PROXY)

    def __init__(self, owners: Owners, selected: Callable[[str], bool]) -> None:
        self._owners = owners
        self._selected = selected
        self._states = {id(owned.optimizer): AdamMoments(owned.optimizer) for owned in owners}
        self._looked: dict[int, _Looked] = {}

    @classmethod
    def of(cls, context: Context) -> Self:
        return cls(context.owners, context.selected)

    def after_update(self, optimizer: Optimizer) -> Sequence[Reading]:
        owned = self._owners.of(optimizer)
        found = self._states[id(optimizer)].now(owned)
        if not found:
            return ()
        looked = self._looked.get(id(optimizer))
        if looked is None or looked.all is not found:
            number = owned.number if len(self._owners) > 1 else None
            scale = NoiseScale() if looked is None else looked.scale
            looked = self._looked[id(optimizer)] = _Looked(found, self._selected, scale, number)
        return looked.readings()


class _Looked:
    """The moments of one optimizer, on one device, and where their samples lie.

    Args:
        all: every parameter's, until others take their place.
        scale: the proxy of the noise scale, averaged over records.
        number: of the optimizer, None where there is only one.
    """

    def __init__(
        self, every: list[Moments], selected: Callable[[str], bool], scale: NoiseScale, number: int | None
    ) -> None:
        tag = tags.GRADIENT_NOISE_SCALE_PROXY
        self._tag = tag if number is None else tags.of_optimizer(tag, number)
        self.all = every
        self.scale = scale
        device = every[0].parameter.device
        self._each = [one for one in every if one.parameter.device == device]
        self._samples = Samples([one.first for one in self._each], ELEMENTS)
        self._first = self._samples.views([one.first for one in self._each])
        self._second = self._samples.views([one.second for one in self._each])
        plain = all(one.largest is one.second for one in self._each)
        self._largest = None if plain else self._samples.views([one.largest for one in self._each])
        self._chosen = [row for row, one in enumerate(self._each) if selected(one.name)]
        self._names = tuple(self._each[row].name for row in self._chosen)

    def readings(self) -> list[Reading]:
        samples, owner = self._samples, self._samples.owner
        gradients = [one.parameter.grad for one in self._each if one.parameter.grad is not None]
        if not samples.fit(gradients):
            return []
        device = owner.device
        decays = np.array([one.decay for one in self._each])
        rates = torch.tensor([(one.decay[1], one.epsilon) for one in self._each], dtype=torch.float64).to(device)
        steps = torch.stack([one.step.reshape(()) for one in self._each])
        unbiased = (1 - rates[:, 0] ** steps.to(device)).to(torch.float32)[owner]
        least = rates[:, 1].to(torch.float32)[owner]
        first, second = joined(self._first), joined(self._second)
        root = (second / unbiased).sqrt_()
        divisor = root if self._largest is None else (joined(self._largest) / unbiased).sqrt_()
        # Where there never was a gradient, there is nothing to compare this one, which is zero too, with.
        outgrown = (samples.of(gradients) / torch.maximum(root, least).clamp_min_(TINY)).square_()
        small = (divisor < least).to(torch.float32)
        # One kernel for all four: adding up by index takes longer than everything else.
        sums = samples.sums(torch.stack((small, outgrown, first.square_(), second), 1))
        means = torch.cat((sums[:2] / samples.sizes, sums[2:] * samples.weight))

        def finish(arrays: list[NDArray[np.float64]]) -> Named:
            shares, ratios, of_first, of_second = arrays[0].reshape(4, -1)
            layers = tuple(tag for kind in KINDS for tag in layer_tags(kind, self._names))
            scale = self.scale.take(*_variance_and_square(of_first, of_second, arrays[1], decays))
            proxy_tags, proxy = named({} if scale is None else {self._tag: scale})
            values = np.concatenate((shares[self._chosen], np.sqrt(ratios[self._chosen]), proxy))
            return (*layers, *proxy_tags), values

        return [Reading([means.ravel(), steps], finish)]


def _variance_and_square(
    first: NDArray[np.float64], second: NDArray[np.float64], step: NDArray[np.float64], decays: NDArray[np.float64]
) -> tuple[float, float]:
    """Variance of the gradient over batches and square of its mean, of all parameters together.

    Args:
        first, second: ``[L]``, sums of the squared first moment and of the second. step: ``[L]``. decays: ``[L, 2]``.
    """
    fast, slow = decays.T
    with np.errstate(all="ignore"):
        mean_square = first / (1 - fast**step) ** 2
        mean_of_squares = second / (1 - slow**step)
        left = (1 - fast) * (1 + fast**step) / ((1 + fast) * (1 - fast**step))
        variance = (mean_of_squares - mean_square) / (1 - left)
        square = (mean_square - left * mean_of_squares) / (1 - left)
    # At the first step the first moment is the gradient itself: nothing is averaged out of it yet.
    usable = left < 1
    return float(variance[usable].sum()), float(square[usable].sum())
