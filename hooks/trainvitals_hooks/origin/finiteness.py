"""What is not finite in the tensors that go into a module or come out of it."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, is_dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


@dataclass(frozen=True, slots=True)
class NonFinite:
    """What some tensors hold that is not finite.

    Minus infinity stands apart: attention masks and masked logits are made of it, and nothing is wrong with them.

    Args:
        nan, infinite: NaN or plus infinity. minus_infinite: minus infinity.
    """

    nan: bool = False
    infinite: bool = False
    minus_infinite: bool = False

    @property
    def is_bad(self) -> bool:
        """Whether there is something that no mask is made of."""
        return self.nan or self.infinite

    @property
    def is_any(self) -> bool:
        return self.nan or self.infinite or self.minus_infinite

    def __str__(self) -> str:
        words = (("NaN", self.nan), ("infinity", self.infinite), ("minus infinity", self.minus_infinite))
        return " and ".join(word for word, is_there in words if is_there)


def non_finite(tensors: Iterable[Tensor]) -> NonFinite:
    """What these tensors hold together. To be called where the tensors are on the host, or waiting does no harm."""
    nan = infinite = minus = False
    for tensor in tensors:
        values = _elements(tensor)
        if bool(torch.isfinite(values).all()):
            continue
        nan |= bool(torch.isnan(values).any())
        infinite |= bool((values == math.inf).any())
        minus |= bool((values == -math.inf).any())
    return NonFinite(nan, infinite, minus)


def tensors_in(value: object) -> Iterator[Tensor]:
    """Every tensor of real or complex numbers in what a module takes or returns: itself, or inside of collections."""
    if isinstance(value, Tensor):
        if value.is_floating_point() or value.is_complex():
            yield value
        return
    parts: Iterable[object] = ()
    if isinstance(value, dict):
        parts = value.values()
    elif isinstance(value, tuple | list):
        parts = value
    elif is_dataclass(value) and not isinstance(value, type):
        parts = [getattr(value, field.name) for field in fields(value)]
    for part in parts:
        yield from tensors_in(part)


def _elements(tensor: Tensor) -> Tensor:
    values = tensor.detach()
    if values.layout != torch.strided:
        values = values.coalesce().values() if values.layout == torch.sparse_coo else values.values()
    return torch.view_as_real(values) if values.is_complex() else values
