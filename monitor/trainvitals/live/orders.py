"""What the process that started a follower tells it on stdin."""

from __future__ import annotations

import os
import select
from dataclasses import dataclass, field

READ_BYTES = 4096


@dataclass(slots=True)
class Orders:
    """Lines of one or two words, until the end of the file, which means: finish.

    ``look`` asks for a look right away, ``share 0.003`` says what part of one core may be taken from now on. What is
    not understood is passed over.

    Args:
        descriptor: where they come from. Not a file object, whose buffer would hide from ``select`` what it has read.
        is_over: whether the end has come. in_a_hurry: whether a look was asked for. share: the last one that was told.
    """

    descriptor: int
    is_over: bool = False
    in_a_hurry: bool = False
    share: float | None = None
    _begun: bytes = field(default=b"", repr=False)

    def wait(self, timeout_s: float) -> None:
        """Take in what has come; where nothing has, wait for it so long."""
        self.in_a_hurry, self.share = False, None
        ready, _, _ = select.select([self.descriptor], [], [], timeout_s)
        if not ready:
            return
        data = os.read(self.descriptor, READ_BYTES)
        self.is_over = not data
        *lines, self._begun = (self._begun + data).split(b"\n")
        for line in lines:
            self._take(line.split())

    def _take(self, words: list[bytes]) -> None:
        if words == [b"look"]:
            self.in_a_hurry = True
        elif len(words) == 2 and words[0] == b"share":
            try:
                share = float(words[1])
            except ValueError:
                return
            if 0 < share <= 1:
                self.share = share
