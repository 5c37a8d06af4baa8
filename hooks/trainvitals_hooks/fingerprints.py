"""One number for each example of a batch, by which it is known again.

The number is a sum of the example's bits times fixed odd factors, modulo 2^64, of which the upper 48 bits are kept:
equal examples have equal numbers, different ones almost surely different numbers (multiply-shift hashing of vectors,
Thorup, "High speed hashing for integers and strings", 2015). It takes a few kernels and no random numbers.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

HALF_BITS = 24
"""A whole number of 24 bits is exact as float32, in which numbers travel to the host."""
_HALVES = (40, 16)
SLOT_BITS = 17
SLOTS = 2**SLOT_BITS
"""Examples remembered, in 1 MB; of a larger data set some are forgotten, and the share comes out too small."""
_SLOT_SHIFT = np.uint64(2 * HALF_BITS - SLOT_BITS)
"""The upper bits of a number depend on all bits of the example, the lower ones on few."""
_FILLED = np.uint64(1 << (2 * HALF_BITS))
"""Marks a slot in use, so that the number 0 is not seen before it came."""
_GOLDEN, _FIRST, _SECOND = (np.uint64(each) for each in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))
"""Of the generator splitmix64 (Steele, Lea, Flood 2014), whose output serves as factors."""


def fingerprints(values: Tensor) -> Tensor:
    """The number of each example in two halves, as float32 ``[2 * B]``.

    Args:
        values: ``[B, K]``, float32 or whole numbers.
    """
    whole = values.view(torch.int32) if values.dtype == torch.float32 else values.to(torch.int64)
    factors, halves = _constants(values.shape[1], values.device)
    sums = (whole * factors).sum(1)
    return ((sums[:, None] >> halves) & (2**HALF_BITS - 1)).to(torch.float32).flatten()


@lru_cache(maxsize=8)
def _constants(count: int, device: torch.device) -> tuple[Tensor, Tensor]:
    with np.errstate(over="ignore"):
        state = np.arange(1, count + 1, dtype=np.uint64) * _GOLDEN
        state = (state ^ (state >> np.uint64(30))) * _FIRST
        state = (state ^ (state >> np.uint64(27))) * _SECOND
        state = (state ^ (state >> np.uint64(31))) | np.uint64(1)
    return torch.from_numpy(state.view(np.int64)).to(device), torch.tensor(_HALVES, device=device)


class Remembered:
    """The fingerprints of earlier batches, as many as fit: a later one takes the place of an earlier one."""

    def __init__(self) -> None:
        self._table: NDArray[np.uint64] = np.zeros(SLOTS, np.uint64)

    def share_seen(self, halves: NDArray[np.float64]) -> float:
        """Remember these, and say what share of them was there before.

        Args:
            halves: as ``fingerprints`` gave them.
        """
        number = joined(halves)
        place = (number ^ _FILLED) >> _SLOT_SHIFT
        share = float(np.mean(self._table[place] == number))
        self._table[place] = number
        return share


def joined(halves: NDArray[np.float64]) -> NDArray[np.uint64]:
    """The numbers ``[B]`` from their halves."""
    high, low = halves.astype(np.uint64).reshape(-1, 2).T
    return (high << np.uint64(HALF_BITS)) | low | _FILLED
