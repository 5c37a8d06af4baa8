"""Which parameters or modules are wired wrongly, by name: a marker in the record whenever that changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

MOST_NAMES = 20
"""Names in one marker; the rest are counted. A person repairs the first few, a rule names as many."""
MOST_MARKERS = 20
"""Markers of one kind. Experts that only some tokens reach change the set at every record; their number has a tag."""


class WiringMarks:
    """Writes ``event/wiring`` when the names of one kind are others than at the record before.

    Args:
        mark: writes a marker.
    """

    def __init__(self, mark: Callable[[str, Mapping[str, object]], None]) -> None:
        self._mark = mark
        self._told: dict[str, tuple[str, ...]] = {}
        self._markers: dict[str, int] = {}

    def tell(self, what: str, names: Sequence[str]) -> None:
        """Mark these names, unless they are those told last; none at all are told only after there were some."""
        now = tuple(names)
        if now == self._told.get(what, ()) or self._markers.get(what, 0) >= MOST_MARKERS:
            return
        self._told[what] = now
        self._markers[what] = self._markers.get(what, 0) + 1
        self._mark("wiring", {"what": what, "count": len(now), "names": list(now[:MOST_NAMES])})
