"""The memory that the training holds."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Self

import torch

from trainvitals import tags
from trainvitals_hooks.probes.probe import Context, Probe
from trainvitals_hooks.reading import Reading, named

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch.optim import Optimizer

_STATM = "/proc/self/statm"
_RESIDENT = 1
"""Where the resident pages stand in ``_STATM``."""
_ENOUGH_BYTES = 128
"""Seven numbers of at most sixteen digits."""


class Memory(Probe):
    """Main memory of the process and, once CUDA is in use, the memory that PyTorch has allocated on all its devices."""

    name = "memory"
    writes = (tags.MEMORY_BYTES, tags.ACCELERATOR_MEMORY_BYTES)

    @classmethod
    def of(cls, _: Context) -> Self:
        return cls()

    def after_update(self, optimizer: Optimizer) -> Sequence[Reading]:
        numbers = {tags.MEMORY_BYTES: float(memory_bytes())}
        if torch.cuda.is_initialized():
            numbers[tags.ACCELERATOR_MEMORY_BYTES] = float(_accelerator_memory_bytes())
        return [Reading([], lambda _: named(numbers))]


def memory_bytes() -> int:
    """Main memory that this process holds, in bytes; where Linux does not tell, the most that it ever held."""
    try:
        file = os.open(_STATM, os.O_RDONLY)
    except OSError:
        return _peak_bytes()
    try:
        return int(os.read(file, _ENOUGH_BYTES).split()[_RESIDENT]) * os.sysconf("SC_PAGE_SIZE")
    finally:
        os.close(file)


def _peak_bytes() -> int:
    if sys.platform == "win32":
        raise OSError("this system does not tell how much memory a process holds")
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _accelerator_memory_bytes() -> int:
    # The nested form is the counters as they are; `memory_allocated` would sort all hundred of them first.
    return sum(
        torch.cuda.memory_stats_as_nested_dict(device).get("allocated_bytes", {}).get("all", {}).get("current", 0)
        for device in range(torch.cuda.device_count())
    )
