"""The memory that the training holds."""

from __future__ import annotations

import os
import sys
import weakref
from typing import TYPE_CHECKING, Self

import torch

from trainvitals import tags
from trainvitals_hooks.probes.probe import Context, Probe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch.optim import Optimizer

    from trainvitals_hooks.recording.reading import Measured

_STATM = "/proc/self/statm"
_RESIDENT = 1
"""Where the resident pages stand in ``_STATM``."""
_ENOUGH_BYTES = 128
"""Seven numbers of at most sixteen digits."""


class Memory(Probe):
    """Main memory of the process and, once CUDA is in use, the memory that PyTorch has allocated on all its devices."""

    name = "memory"
    writes = (tags.MEMORY_BYTES, tags.ACCELERATOR_MEMORY_BYTES)

    def __init__(self) -> None:
        self._main = MainMemory()

    @classmethod
    def of(cls, _: Context) -> Self:
        return cls()

    def after_update(self, optimizer: Optimizer) -> Sequence[Measured]:
        numbers = {tags.MEMORY_BYTES: float(self._main.bytes_held())}
        if torch.cuda.is_initialized():
            numbers[tags.ACCELERATOR_MEMORY_BYTES] = float(_accelerator_memory_bytes())
        return [numbers]


class MainMemory:
    """Main memory that this process holds; where the system does not tell, the most that it ever held.

    Linux tells in a file, which stays open: opening it costs as much as reading it.
    """

    def __init__(self) -> None:
        try:
            self._file = os.open(_STATM, os.O_RDONLY)
        except OSError:
            self._file = -1
            return
        self._page_bytes = os.sysconf("SC_PAGE_SIZE")
        weakref.finalize(self, os.close, self._file)

    def bytes_held(self) -> int:
        """In bytes.

        Raises:
            OSError: the system does not tell at all.
        """
        if self._file < 0:
            return _peak_bytes()
        return int(os.pread(self._file, _ENOUGH_BYTES, 0).split()[_RESIDENT]) * self._page_bytes


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
