"""Units that do nothing and outputs at the flat ends of their activation function, a few layers at a time.

A unit is dormant if its mean absolute output is at most ``DORMANT`` of the mean over the layer's units (Sokar et al.
2023, "The dormant neuron phenomenon in deep reinforcement learning"). That needs the mean over many examples, so it is
taken over about the last ``EXAMPLES``, and there is no value before. A saturated output passes hardly any gradient on;
only functions with flat ends have them, and the zeros of ReLU are in ``activation_zero_fraction``.

Listening to every layer at every record would cost too much: ``LAYERS_A_RECORD`` is heard in one, another in the next,
and when all had their turn the values of all are recorded together.

Judged are modules that are activation functions. A model that has none calls functions such as ``relu`` itself, which
no hook hears; there the inputs of its linear and convolutional layers are judged, as ``<layer>.input``, without
saturation: what function made them is not known. The input of the model itself is never judged.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from trainvitals import tags
from trainvitals_hooks.probes.probe import Context, Probe
from trainvitals_hooks.recording.reading import Named, Reading
from trainvitals_hooks.units.listener import UnitListener
from trainvitals_hooks.units.places import judged_places

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray
    from torch import Tensor
    from torch.optim import Optimizer
    from torch.utils.hooks import RemovableHandle

    from trainvitals_hooks.recording.own_time import OwnTime
    from trainvitals_hooks.units.places import Place

LAYERS_A_RECORD = 1
"""Each costs about 0.1 ms, and the state of a unit lasts for hundreds of steps."""
DORMANT = 0.025
"""Share of the layer's mean output (Sokar et al. 2023)."""
EXAMPLES = 128
"""Examples, or tokens, that a unit is judged by: one that fires for 5 % of them is silent in all of 128 once in 700."""


class Units(Probe):
    """Shares of dormant units and of saturated outputs of each layer."""

    name = "units"
    writes = ("dormant_unit_fraction", "activation_saturated_fraction")
    hears_modules = True

    def __init__(self, places: Sequence[Place], own: OwnTime, on_error: Callable[[Probe, Exception], None]) -> None:
        self._layers = [_Layer(place, own, lambda error: on_error(self, error)) for place in places]
        self._turn = 0
        self._heard: Sequence[_Layer] = ()
        self._handles: list[RemovableHandle] = []

    @classmethod
    def of(cls, context: Context) -> Self:
        return cls(judged_places(context.model, context.selected), context.own, context.on_error)

    def arm(self) -> None:
        self.disarm()
        self._heard = self._layers[self._turn : self._turn + LAYERS_A_RECORD]
        self._handles = [layer.listener.attach() for layer in self._heard]

    def after_update(self, optimizer: Optimizer) -> Sequence[Reading]:
        heard, self._heard = self._heard, ()
        if not heard:
            return ()
        self._turn += len(heard)
        all_had_their_turn = self._turn >= len(self._layers)
        if all_had_their_turn:
            self._turn = 0
        taken = [(layer, layer.listener.take()) for layer in heard]
        tensors = [tensor for _, sample in taken if sample is not None for tensor in (sample.sizes, sample.outputs)]

        def finish(arrays: list[NDArray[np.float64]]) -> Named:
            on_host = _on_host(tensors, arrays)
            for layer, sample in taken:
                if sample is not None:
                    layer.learn(next(on_host), next(on_host), sample.examples)
            return self._values() if all_had_their_turn else ((), np.zeros(0))

        # What is on the host already need not travel with the rest.
        return [Reading([tensor for tensor in tensors if not tensor.is_cpu], finish)]

    def disarm(self) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles = []

    def _values(self) -> Named:
        values = {tag: value for layer in self._layers for tag, value in layer.values()}
        return tuple(values), np.fromiter(values.values(), np.float64, len(values))


class _Layer:
    """What is known of one layer."""

    def __init__(self, place: Place, own: OwnTime, on_error: Callable[[Exception], None]) -> None:
        self.listener = UnitListener(place, own, on_error)
        self._dormant_tag = tags.per_layer("dormant_unit_fraction", place.name)
        self._saturated_tag = tags.per_layer("activation_saturated_fraction", place.name)
        self._flat = place.flat
        self._sizes: NDArray[Any] = np.zeros(0)
        self._examples = 0
        self._saturated: float | None = None

    def learn(self, sizes: NDArray[Any], outputs: NDArray[Any], examples: int) -> None:
        """Take what was heard.

        Args:
            sizes: ``[U]``, mean absolute output of each unit.
            outputs: ``[N]``, a sample of the outputs; empty where the function has no flat ends.
            examples: over how many the mean was taken.
        """
        if not math.isfinite(float(np.add.reduce(sizes))):
            self._examples, self._saturated = 0, None
            return
        if sizes.shape != self._sizes.shape:
            self._examples = 0
        self._examples += examples
        # A mean over all examples at first, and then one in which the newer ones count more.
        weight = examples / min(self._examples, EXAMPLES)
        self._sizes = sizes if weight >= 1 else self._sizes + weight * (sizes - self._sizes)
        if self._flat is not None and len(outputs):
            low, high = self._flat
            self._saturated = float(np.count_nonzero((outputs <= low) | (outputs >= high)) / len(outputs))

    def values(self) -> list[tuple[str, float]]:
        """What can be said so far, by tag."""
        values = []
        if self._examples >= EXAMPLES:
            units = len(self._sizes)
            dormant = np.count_nonzero(self._sizes <= DORMANT / units * float(np.add.reduce(self._sizes)))
            values.append((self._dormant_tag, float(dormant) / units))
        if self._saturated is not None:
            values.append((self._saturated_tag, self._saturated))
        return values


def _on_host(tensors: Sequence[Tensor], arrived: Sequence[NDArray[Any]]) -> Iterator[NDArray[Any]]:
    """The tensors as arrays, those that had to travel from among the arrived ones."""
    travelled = iter(arrived)
    for tensor in tensors:
        yield tensor.numpy() if tensor.is_cpu else next(travelled)
