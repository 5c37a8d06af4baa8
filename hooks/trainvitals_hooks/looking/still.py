"""Parameters that get a gradient and do not change.

An update of zero is only a suspicion: the rate may be zero at that moment, the update may have been skipped, or the
optimizer may move its parameters every few steps. And of an embedding the sample may hold rows only that this batch did
not use. So a suspect counts from the second record on in which neither its last update nor the time since the record
before changed any element of its sample, while one of these elements has a gradient and its rate is not zero.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from trainvitals_hooks.looking.norms import in_order, norms
from trainvitals_hooks.looking.sampling import Sampling
from trainvitals_hooks.recording.reading import Named, Reading

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor
    from torch.nn import Parameter
    from torch.optim import Optimizer

    from trainvitals_hooks.looking.weight_samples import Samples


class Still:
    """The suspects of one optimizer; where there are none, as usual, a look costs nothing.

    Attributes:
        names: of those found not to move at the last record that was delivered.
    """

    def __init__(self) -> None:
        self.names: tuple[str, ...] = ()
        self._suspects: frozenset[str] = frozenset()
        self._held: dict[str, Tensor] = {}

    def saw(self, names: tuple[str, ...], updates: NDArray[np.float64]) -> None:
        """Take the norm of each parameter's last update. To be called before ``look`` delivers for the same record."""
        self._suspects = (
            frozenset() if updates.all() else frozenset(names[index] for index in np.flatnonzero(updates == 0))
        )

    def look(
        self,
        tag: str,
        optimizer: Optimizer,
        names: Sequence[str],
        samples: Samples,
        places: Sequence[int],
    ) -> Reading:
        """How many of the suspects moved neither in this update nor since the last look.

        Args:
            names, places: of the parameters with a gradient, among all that are sampled.
        """
        suspects, held, self._held = self._suspects, self._held, {}
        judged: list[str] = []
        changes: list[Tensor] = []
        gradients: list[Tensor] = []
        if suspects:
            rates = _rates(optimizer)
            for name, place in zip(names, places, strict=True):
                if name not in suspects:
                    continue
                parameter, sample = samples.parameters[place], samples.now[place]
                self._held[name] = sample.clone()
                gradient = _gradient_of_sample(parameter)
                if gradient is not None and name in held and held[name].shape == sample.shape:
                    judged.append(name)
                    changes.append(sample - held[name])
                    gradients.append(gradient * rates[id(parameter)])
        changed, change_places = norms(changes)
        applied, gradient_places = norms(gradients)

        def finish(arrays: list[NDArray[np.float64]]) -> Named:
            if not suspects and not self._suspects:
                self.names = ()
                return (tag,), np.zeros(1)
            change = in_order(arrays[: len(changed)], change_places)
            gradient = in_order(arrays[len(changed) :], gradient_places)
            still = (change == 0) & (gradient > 0) & np.isfinite(gradient)
            self.names = tuple(judged[index] for index in np.flatnonzero(still) if judged[index] in self._suspects)
            if self._suspects - suspects:
                # Suspected for the first time: neither innocent nor guilty.
                return (), np.zeros(0)
            return (tag,), np.array([float(len(self.names))])

        return Reading([*changed, *applied], finish)


def _gradient_of_sample(parameter: Parameter) -> Tensor | None:
    """The gradient of the elements in the parameter's sample; None where it is not laid out alike."""
    sampling, gradient = Sampling.of(parameter), parameter.grad
    if gradient is None or gradient.layout != torch.strided or not sampling.fits(gradient):
        return None
    return sampling.of_tensor(gradient)


def _rates(optimizer: Optimizer) -> dict[int, Tensor | float]:
    """The learning rate of each parameter; zero where scaled gradients overflowed and the update was skipped."""
    overflowed = getattr(optimizer, "found_inf", None)
    made: Tensor | float = 1.0 if overflowed is None else (overflowed == 0).to(torch.float32)
    return {
        id(parameter): group.get("lr", 1.0) * made for group in optimizer.param_groups for parameter in group["params"]
    }
