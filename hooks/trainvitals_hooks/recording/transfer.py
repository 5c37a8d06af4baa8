"""From device to host without waiting for the device.

On an accelerator the numbers are copied into pinned memory behind the work already queued; an event says when they have
arrived. What was sent first is delivered first, so that records are written in the order of the steps.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Deliver = Callable[[list[NDArray[np.float64]]], None]


class Others(Protocol):
    """Numbers from elsewhere that must be there before anything is delivered."""

    def have_arrived(self) -> bool:
        """Whether there is nothing more to wait for."""
        ...

    def wait(self) -> None:
        """Until then, or until waiting makes no sense any more."""


@dataclass(slots=True)
class _Flight:
    """Copies under way: for each device one buffer, what happened when it is full, and whose numbers are in it."""

    buffers: list[Tensor]
    events: list[torch.cuda.Event]
    places: list[list[int]]
    lengths: list[int]
    deliver: Deliver
    others: Others | None

    def has_landed(self) -> bool:
        return all(bool(event.query()) for event in self.events) and (self.others is None or self.others.have_arrived())

    def land(self) -> None:
        arrays: list[NDArray[np.float64]] = [np.zeros(0)] * len(self.lengths)
        for buffer, places in zip(self.buffers, self.places, strict=True):
            parts = _cut(buffer, [self.lengths[place] for place in places])
            for place, array in zip(places, parts, strict=True):
                arrays[place] = array
        self.deliver(arrays)


class Transfer:
    """A queue of copies from devices to the host."""

    def __init__(self) -> None:
        # What is under way; empty where everything is on the host already.
        self.flights: deque[_Flight] = deque()

    def send(self, tensors: Sequence[Tensor], deliver: Deliver, others: Others | None = None) -> None:
        """Have ``deliver`` called with the numbers of each tensor, at once if they are on the host already.

        Args:
            tensors: of one dimension each.
            deliver: called in the order of the calls of ``send``, in this thread: now, in ``poll`` or in ``drain``.
            others: what else must have arrived.
        """
        if others is None and not self.flights and all(tensor.is_cpu for tensor in tensors):
            # There is nothing to wait for.
            deliver(_cut(_joined(tensors), [len(tensor) for tensor in tensors]) if tensors else [])
            return
        by_device: dict[torch.device, list[int]] = {}
        for place, tensor in enumerate(tensors):
            by_device.setdefault(tensor.device, []).append(place)
        flight = _Flight([], [], list(by_device.values()), [len(tensor) for tensor in tensors], deliver, others)
        for device, places in by_device.items():
            joined = _joined([tensors[place] for place in places])
            if device.type == "cuda":
                joined, event = _to_pinned(joined)
                flight.events.append(event)
            flight.buffers.append(joined)
        self.flights.append(flight)
        self.poll()

    def poll(self) -> None:
        """Deliver what has arrived."""
        while self.flights and self.flights[0].has_landed():
            self.flights.popleft().land()

    def drain(self) -> None:
        """Wait for everything under way and deliver it."""
        while self.flights:
            flight = self.flights[0]
            for event in flight.events:
                event.synchronize()
            if flight.others is not None:
                flight.others.wait()
            self.flights.popleft().land()


def _joined(tensors: Sequence[Tensor]) -> Tensor:
    joined = torch.cat([tensor if tensor.dtype is torch.float32 else tensor.to(torch.float32) for tensor in tensors])
    return joined.detach() if joined.requires_grad else joined


def _cut(buffer: Tensor, lengths: Sequence[int]) -> list[NDArray[np.float64]]:
    """The numbers in a buffer on the host, in arrays of these lengths."""
    numbers = buffer.numpy().astype(np.float64)
    ends = list(accumulate(lengths))
    return [numbers[end - length : end] for end, length in zip(ends, lengths, strict=True)]


def _to_pinned(numbers: Tensor) -> tuple[Tensor, torch.cuda.Event]:
    with torch.cuda.device(numbers.device):
        # PyTorch caches pinned memory: a freed buffer is handed out again, and not before its copy is over.
        buffer = torch.empty(numbers.shape, dtype=numbers.dtype, pin_memory=True)
        buffer.copy_(numbers, non_blocking=True)
        event = torch.cuda.Event()
        event.record()
    return buffer, event
