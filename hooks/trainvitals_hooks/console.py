"""What the person at the terminal is told, on stderr, one line each."""

from __future__ import annotations

import contextlib
import sys


def tell(text: str) -> None:
    """One line on stderr, whatever line breaks the text holds."""
    tell_line(" ".join(text.split()))


def tell_line(line: str) -> None:
    """One line on stderr as it is. A closed or broken stderr is no reason to stop a training."""
    if sys.stderr is not None:
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.write(f"trainvitals: {line}\n")
            sys.stderr.flush()


def is_terminal() -> bool:
    """Whether a person reads stderr as it comes."""
    try:
        return sys.stderr.isatty()
    except (AttributeError, ValueError):
        # There is none, somebody's own object stands there, or it is closed.
        return False


class Once:
    """Tells each thing once, however often it happens."""

    def __init__(self) -> None:
        self._told: set[str] = set()

    def tell(self, subject: str, text: str) -> None:
        """Tell ``text`` unless something was already told of ``subject``."""
        if subject not in self._told:
            self._told.add(subject)
            tell(text)
