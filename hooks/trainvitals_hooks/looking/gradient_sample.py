"""A sample of a whole gradient: the same elements each time, as one vector."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import Parameter

from trainvitals_hooks.looking.samples import Samples

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trainvitals_hooks.looking.parameters import Owned

MOST_TENSORS = 20
"""Each tensor costs some microseconds, and the largest hold nearly all of the weights: the 20 largest of the 77 of a
GPT of six layers nine tenths."""
ELEMENTS = 512
"""Of each tensor. Every one is a line of memory to fetch; with so many of each, the cosine of a large model comes out
within 1 / sqrt(20 * 512) = 0.01."""


class GradientSample:
    """Samples the gradients of one optimizer's largest parameters, up to ``ELEMENTS`` of each.

    The scalar product of two samples, each element times its weight, estimates that of the gradients.
    """

    def __init__(self, owned: Owned) -> None:
        self._owned = owned
        self._trainable: list[int] = []
        self._parameters: tuple[Parameter, ...] = ()
        self._samples: Samples | None = None
        self._weight = torch.empty(0)

    def choose(self) -> None:
        """Choose, and again when layers were frozen or unfrozen or a gradient did not come."""
        self._owned.refresh()
        trainable = [id(each) for each in self._owned.parameters if each.requires_grad]
        if self._samples is not None and trainable == self._trainable:
            return
        self._parameters = _largest(self._owned.parameters)
        gradients = [each.grad for each in self._parameters if each.grad is not None]
        if gradients:
            self._trainable, self._samples = trainable, Samples(gradients, ELEMENTS)
            self._weight = self._samples.weight[self._samples.owner]

    def take(self) -> Tensor | None:
        """A copy of the sample ``[S]``; None where a gradient is missing or changed its shape."""
        gradients = [each.grad for each in self._parameters if each.grad is not None]
        if self._samples is None or not self._samples.fit(gradients):
            self._samples = None
            return None
        return self._samples.of(gradients)

    def product(self, one: Tensor, other: Tensor) -> Tensor:
        """The scalar product of two samples, as that of the gradients; without dimensions."""
        return torch.dot(self._weight * one, other)


def _largest(parameters: Sequence[Parameter]) -> tuple[Parameter, ...]:
    """The largest of those with a dense gradient, of the device and type of the first."""
    ready = [each for each in parameters if type(each) is Parameter and _is_dense(each.grad)]
    alike = [each for each in ready if (each.device, each.dtype) == (ready[0].device, ready[0].dtype)]
    return tuple(sorted(alike, key=Tensor.numel, reverse=True)[:MOST_TENSORS])


def _is_dense(gradient: Tensor | None) -> bool:
    if gradient is None or gradient.layout != torch.strided:
        return False
    return gradient.is_floating_point() and gradient.numel() > 0
