"""What was wrong with a file, counted by kind."""

from __future__ import annotations

from dataclasses import dataclass, replace

from trainvitals.model import Problem

# Kind -> sentence; {size} is in bytes. How many times it happened is the problem's count, which the reports add.
_SENTENCES = {
    "bad-checksum": "records whose checksum does not match their content were skipped",
    "gap": "{size} bytes are no records and were skipped",
    "torn-tail": "the last record is incomplete: {size} bytes wait for the rest of it",
    "zero-tail": "the last {size} bytes are zero: space that was reserved, or lost in a crash",
    "replaced": "the file became shorter or another one took its place; it was read again from its beginning",
    "nan-wall-time": "values have a wall time that is no finite number",
    "negative-step": "values have a negative step",
    "absent-steps": "values were recorded without steps: all of them stand at step 0",
    "duplicate-tag": "values repeat a tag of the same record",
    "unparsable": "records with a correct checksum are no events and were skipped",
    "no-values": "the file holds no scalars, histograms, texts or settings yet",
}


@dataclass(slots=True)
class _Entry:
    position: int
    count: int = 0
    size: int = 0


class ProblemLedger:
    """Problems of one file by kind, in the order in which they stand in the file."""

    def __init__(self) -> None:
        self._entries: dict[str, _Entry] = {}

    def add(self, kind: str, position: int, count: int = 1, size: int = 0) -> None:
        """``count`` more of a kind; ``position`` is that of the first one in the file, ``size`` in bytes."""
        entry = self._entries.setdefault(kind, _Entry(position))
        entry.position = min(entry.position, position)
        entry.count += count
        entry.size += size

    def copy(self) -> ProblemLedger:
        """An independent ledger with the same entries."""
        ledger = ProblemLedger()
        ledger._entries = {kind: replace(entry) for kind, entry in self._entries.items()}
        return ledger

    def snapshot(self, name: str) -> tuple[Problem, ...]:
        """All problems of the file called ``name``."""
        return tuple(
            Problem(
                kind,
                f"{name}, byte {entry.position}",
                _SENTENCES[kind].format(size=entry.size),
                entry.count,
            )
            for kind, entry in sorted(self._entries.items(), key=lambda item: (item[1].position, item[0]))
        )
