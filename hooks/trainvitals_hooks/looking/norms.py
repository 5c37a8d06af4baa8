"""Euclidean norms of many tensors in a few kernels."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import Parameter

# Their own precision would round bfloat16 norms to three digits and overflow float16 ones at 65504.
WIDENED = (torch.float32, torch.float16, torch.bfloat16)
_PLAIN = (Tensor, Parameter)
_foreach_norm: Callable[..., Sequence[Tensor]] | None = getattr(torch, "_foreach_norm", None)

Places = list[list[int]]


def norms(tensors: Sequence[Tensor]) -> tuple[list[Tensor], Places]:
    """The norm of each tensor, computed where the tensor is. To be called where gradients are off.

    Returns:
        One float tensor for each kind of tensor (device and type), and to which of ``tensors`` its elements belong.
    """
    groups: dict[tuple[torch.device, torch.dtype, torch.layout], list[int]] = {}
    for index, tensor in enumerate(tensors):
        groups.setdefault((tensor.device, tensor.dtype, tensor.layout), []).append(index)
    stacked = [
        torch.stack(_norms_of_one_kind([tensors[index] for index in places], dtype, layout))
        for (_, dtype, layout), places in groups.items()
    ]
    return stacked, list(groups.values())


def in_order(arrays: Sequence[NDArray[np.float64]], places: Places) -> NDArray[np.float64]:
    """What ``norms`` gave, back on the host, as ``[N]`` in the order of the tensors."""
    if len(arrays) == 1:
        return arrays[0]
    value = np.zeros(sum(map(len, places)))
    for array, indices in zip(arrays, places, strict=True):
        value[indices] = array
    return value


def _norms_of_one_kind(tensors: list[Tensor], dtype: torch.dtype, layout: torch.layout) -> list[Tensor]:
    if layout != torch.strided:
        tensors = [_values(tensor) for tensor in tensors]
    if dtype.is_complex:
        tensors = [torch.view_as_real(tensor) for tensor in tensors]
    wide = torch.float32 if dtype in WIDENED else None
    # An empty tensor has no kernel of its own in the list form on every device.
    if _foreach_norm is not None and all(type(tensor) in _PLAIN and tensor.numel() for tensor in tensors):
        return list(_foreach_norm(tensors, 2, dtype=wide))
    return [torch.linalg.vector_norm(tensor, dtype=wide) for tensor in tensors]


def _values(sparse: Tensor) -> Tensor:
    """The elements of a sparse tensor that are there; entries of the same place are added up first."""
    return sparse.coalesce().values() if sparse.layout == torch.sparse_coo else sparse.values()
