"""Having the C library give memory back to the system."""

from __future__ import annotations

import ctypes
from contextlib import suppress

M_MMAP_THRESHOLD = -3
"""The number of this setting in glibc's ``malloc.h``."""
LARGE_BYTES = 256 * 1024


def return_large_blocks() -> None:
    """From now on, every large block goes back to the system when it is freed. For a whole process, once.

    A run that grows is copied whenever it is read, each time into arrays that are a little larger than any gap: glibc,
    which learns to keep such blocks, would hold several times what the run itself takes.
    """
    # Other C libraries have no such function.
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, LARGE_BYTES)
