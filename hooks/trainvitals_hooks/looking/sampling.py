"""A few elements of a tensor, evenly spread, without copying the rest."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Size, Tensor

SAMPLE = 1024
"""Elements of a tensor that stand for all of them. A norm or a spread of that many comes out within a few percent
(1 / sqrt(2 * 1024) = 2 % for a normal distribution); extremes are underestimated."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How to pick the sample from tensors of one shape and layout.

    Args:
        size: elements in the sample.
        stride: in elements of the storage; odd, because a power of two would pick one column of most matrices.
        dense: whether the tensor fills its storage without gaps, so that any step through the storage stays inside.
    """

    shape: Size
    strides: tuple[int, ...]
    size: int
    stride: int
    dense: bool

    @classmethod
    def of(cls, tensor: Tensor, limit: int = SAMPLE, typical: int | None = None) -> Sampling:
        """The sampling for tensors like this one, of at most ``limit`` elements.

        Args:
            typical: elements by which to choose the stride, where parts of different sizes must be sampled alike.
        """
        elements = tensor.numel()
        stride = -(-(elements if typical is None else typical) // limit) or 1
        if stride > 1 and stride % 2 == 0:
            stride += 1
        return cls(tensor.shape, tensor.stride(), -(-elements // stride), stride, _is_dense(tensor))

    def fits(self, tensor: Tensor) -> bool:
        return self.shape == tensor.shape and self.strides == tensor.stride()

    def of_tensor(self, tensor: Tensor) -> Tensor:
        """The sample: a view of a dense tensor, else a copy. It never carries a gradient."""
        tensor = tensor.detach()
        if not self.dense:
            tensor = tensor.reshape(-1)
            return tensor[:: self.stride]
        return tensor.as_strided((self.size,), (self.stride,))


def _is_dense(tensor: Tensor) -> bool:
    if tensor.is_contiguous():
        return True
    extents = [(size, stride) for size, stride in zip(tensor.shape, tensor.stride(), strict=True) if size > 1]
    last = sum((size - 1) * stride for size, stride in extents)
    return all(stride > 0 for _, stride in extents) and last + 1 == tensor.numel()
