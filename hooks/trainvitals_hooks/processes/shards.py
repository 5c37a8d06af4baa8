"""Parameters of which each rank holds a part (``DTensor``, as ``fully_shard`` makes them)."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

if TYPE_CHECKING:
    from torch.nn import Module

_COLLECTIVES = "c10d"


class Shards:
    """What this rank holds of each tensor.

    A sum over all ranks of what they hold counts each element once: of what several ranks have in common, the first
    holds it, and the others hold a zero instead.

    Args:
        tensors: parameters of the training.
        rank, size: of this process, and of the training.

    Attributes:
        any: whether any of the tensors is sharded. ranks: how many ranks hold parts of them.
    """

    def __init__(self, tensors: Iterable[Tensor], rank: int, size: int) -> None:
        self._rank = rank
        self._zeros: dict[tuple[torch.device, torch.dtype], Tensor] = {}
        # Who shards has loaded the class; whoever does not is spared half a second of imports.
        self._kind: Any = getattr(sys.modules.get("torch.distributed.tensor"), "DTensor", None)
        self.any = self._kind is not None and any(isinstance(tensor, self._kind) for tensor in tensors)
        self.ranks = size if self.any else 1

    def held(self, tensors: Sequence[Tensor]) -> Sequence[Tensor]:
        """What this rank holds of each of these tensors. To be called where gradients are off.

        Raises:
            ValueError: a tensor is a sum that is still to be made, so that its parts say nothing.
        """
        return [self._held(tensor) for tensor in tensors] if self.any else tensors

    def share_of_norm(self, norm: Tensor) -> Tensor | None:
        """What this rank adds to a norm ``[1]`` that is still in parts; None where it is whole."""
        if self._kind is None or not isinstance(norm, self._kind):
            return None
        sharded: Any = norm
        local: Tensor = sharded.to_local().reshape(1)
        mesh, placements = sharded.device_mesh, sharded.placements
        return local if _is_first(mesh, placements) else torch.zeros_like(local)

    def typical_size(self, tensor: Tensor) -> int:
        """Elements of this tensor that a rank holds, more or less; the same number on all ranks."""
        return -(-tensor.numel() // self.ranks) if self.any and isinstance(tensor, self._kind) else tensor.numel()

    def _held(self, tensor: Tensor) -> Tensor:
        sharded: Any = tensor
        if not isinstance(tensor, self._kind):
            mine, local = self._rank == 0, tensor
        else:
            if any(placement.is_partial() for placement in sharded.placements):
                raise ValueError("a tensor whose parts are still to be added up cannot be measured on its own")
            mine, local = _is_first(sharded.device_mesh, sharded.placements), sharded.to_local()
        return local if mine and local.numel() else self._zero(local)

    def _zero(self, tensor: Tensor) -> Tensor:
        """One element, because kernels over lists of tensors do not take all those without any."""
        kind = (tensor.device, tensor.dtype)
        if kind not in self._zeros:
            self._zeros[kind] = torch.zeros(1, device=tensor.device, dtype=tensor.dtype)
        return self._zeros[kind]

    def closed(self) -> AbstractContextManager[object]:
        """Where a probe that knows nothing of shards may run: there it cannot read them nor talk to other ranks."""
        return _ShardsAreClosed(self._kind)


def held_here(tensor: Tensor) -> Tensor:
    """The part of a tensor that is in this process."""
    local: Callable[[], Tensor] | None = getattr(tensor, "to_local", None)
    return tensor if local is None else local()


def flattens_parameters(model: Module) -> bool:
    """Whether FullyShardedDataParallel, the first of its kind, hides the parameters in flat ones."""
    kind = getattr(sys.modules.get("torch.distributed.fsdp"), "FullyShardedDataParallel", None)
    return kind is not None and any(isinstance(module, kind) for module in model.modules())


def _is_first(mesh: Any, placements: Sequence[Any]) -> bool:
    """Whether no rank before this one holds the same part of a tensor."""
    coordinates = mesh.get_coordinate()
    return coordinates is not None and all(
        coordinate == 0
        for coordinate, placement in zip(coordinates, placements, strict=True)
        if placement.is_replicate()
    )


class _ShardsAreClosed(TorchDispatchMode):
    """Whoever computes with a sharded tensor waits for the other ranks, or takes a part for the whole."""

    def __init__(self, kind: Any) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._kind = kind

    def __torch_dispatch__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if any(issubclass(each, self._kind) for each in types):
            raise RuntimeError("it cannot read sharded parameters")
        if _COLLECTIVES in function.namespace:
            raise RuntimeError("it would wait for the other ranks")
        return function(*args, **(kwargs or {}))
