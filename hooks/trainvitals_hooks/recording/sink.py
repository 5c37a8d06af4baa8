"""What is written, handed to the person's own function as well: for W&B and the like."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trainvitals_hooks.console import Once

OnRecord = Callable[[int, dict[str, float]], object]
"""Called with a step and the scalars written at it, by tag."""


class Sink:
    """Calls ``on_record`` until it raises: that is told once, and it is not called again."""

    def __init__(self, on_record: OnRecord, once: Once) -> None:
        self._on_record: OnRecord | None = on_record
        self._once = once

    def take(self, step: int, tags: Iterable[str], values: Iterable[float]) -> None:
        if self._on_record is None:
            return
        try:
            self._on_record(step, dict(zip(tags, values, strict=True)))
        except Exception as error:
            self._on_record = None
            self._once.tell(
                "on_record", f"on_record is no longer called: {type(error).__name__}: {error}. The training goes on."
            )
