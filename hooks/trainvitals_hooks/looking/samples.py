"""A sample of each of several tensors, one behind the other in one vector, so that one kernel serves all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from trainvitals_hooks.looking.sampling import Sampling

if TYPE_CHECKING:
    from collections.abc import Sequence


class Samples:
    """The same elements each time, of tensors of the same shapes and layouts.

    Args:
        like: tensors as they will come, ``L`` of them, on one device and not empty.
        limit: elements of one tensor that are taken at most.
    """

    def __init__(self, like: Sequence[Tensor], limit: int) -> None:
        self._samplings = [Sampling.of(tensor, limit) for tensor in like]
        sizes = torch.tensor([sampling.size for sampling in self._samplings])
        device = like[0].device
        self.sizes = sizes.to(device, torch.float32)
        """``[L]``, elements of each sample."""
        self.owner = torch.repeat_interleave(torch.arange(len(like)), sizes).to(device)
        """``[S]``, which tensor each element is from."""
        self.weight = torch.tensor([tensor.numel() for tensor in like]).to(device) / self.sizes
        """``[L]``, how many elements of the tensor each one of its sample stands for."""

    def fit(self, tensors: Sequence[Tensor]) -> bool:
        """Whether these tensors are like those that the samples were made for."""
        return len(tensors) == len(self._samplings) and all(
            sampling.fits(tensor) for sampling, tensor in zip(self._samplings, tensors, strict=True)
        )

    def views(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        """Their elements, where they lie: good for as long as the tensors keep their storage."""
        return [sampling.of_tensor(tensor) for sampling, tensor in zip(self._samplings, tensors, strict=True)]

    def of(self, tensors: Sequence[Tensor]) -> Tensor:
        """A copy of their elements, ``[S]``."""
        return joined(self.views(tensors))

    def sums(self, values: Tensor) -> Tensor:
        """From ``[S, N]`` to the sums over each tensor's elements, ``[N, L]``."""
        return values.new_zeros(len(self.sizes), values.shape[1]).index_add_(0, self.owner, values).T


def joined(views: Sequence[Tensor]) -> Tensor:
    """What the views show now, ``[S]``."""
    return torch.cat(list(views)).to(torch.float32)
