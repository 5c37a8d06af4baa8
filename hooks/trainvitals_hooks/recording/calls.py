"""What the loop logged between two optimizer steps: micro-batches, averaged into one value a tag."""

from __future__ import annotations

import math
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from trainvitals_hooks.recording.reading import Named, Reading

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Calls:
    """Values by tag, in the order of the calls. Nothing here waits for a device."""

    def __init__(self) -> None:
        self._on_host: dict[str, list[float]] = {}
        self._on_device: dict[str, list[torch.Tensor]] = {}

    def __bool__(self) -> bool:
        return bool(self._on_host or self._on_device)

    def add(self, tag: str, value: Any) -> None:
        """One more value. Of a tensor with several elements their mean counts.

        Raises:
            TypeError: the value is neither a number nor a tensor of numbers.
        """
        if isinstance(value, torch.Tensor) and not value.is_cpu:
            # A clone: the loop may go on to change the tensor in place before its value has left the device.
            copied = _one_element(value.detach()).to(torch.float32, copy=True)
            self._on_device.setdefault(tag, []).append(copied)
        else:
            number = _number(value)
            self._on_host.setdefault(tag, []).append(number)

    def means(self) -> dict[str, float]:
        """The mean over the calls of each tag that is on the host."""
        return {tag: _mean(values) for tag, values in self._on_host.items()}

    def reading(self) -> Reading | None:
        """The rest, with the mean over the calls of each tag; None where everything is on the host."""
        if not self._on_device:
            return None
        tags = tuple(self._on_device)
        tensors = [torch.cat([value.to(values[0].device) for value in values]) for values in self._on_device.values()]

        def finish(arrays: list[NDArray[np.float64]]) -> Named:
            return tags, np.array([np.mean(array) for array in arrays])

        return Reading(tensors, finish)


def _number(value: Any) -> float:
    if isinstance(value, torch.Tensor):
        return float(value.item() if value.numel() == 1 else _one_element(value.detach()).item())
    if isinstance(value, Real):
        return float(value)
    if isinstance(value, np.ndarray) and value.size:
        return float(np.mean(value))
    raise TypeError(f"{type(value).__name__} is no number")


def _one_element(value: torch.Tensor) -> torch.Tensor:
    if not value.numel():
        raise TypeError("an empty tensor is no number")
    return value.reshape(1) if value.numel() == 1 else value.to(torch.float32).mean().reshape(1)


def _mean(values: list[float]) -> float:
    if len(values) == 1:
        return values[0]
    try:
        return math.fsum(values) / len(values)
    except (OverflowError, ValueError):
        # Infinities of both signs, or numbers at the end of the range: what plain addition gives.
        return sum(values) / len(values)
