"""Giving back memory that is not needed any more."""

from __future__ import annotations

import ctypes
from contextlib import suppress


def give_back() -> None:
    """Return to the system what the C library keeps for later, where it can.

    A run that grows is copied whenever it is read, each time into arrays that are a little larger than any gap: glibc
    keeps the gaps, several times what the run itself takes.
    """
    # Other C libraries have no such function.
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
