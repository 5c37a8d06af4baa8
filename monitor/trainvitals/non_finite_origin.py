"""What the hooks found out about the first NaN or infinity of a training, as they wrote it down."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainvitals import tags

if TYPE_CHECKING:
    from trainvitals.model import Run


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a NaN or an infinity came from.

    Args:
        step: at which it was seen first. kind: ``forward``, ``loss``, ``backward``, ``input``, ``parameter`` or
            ``unknown``. text: a sentence for a person. module: the layer, where it was one.
    """

    step: int
    kind: str
    text: str
    module: str | None


def non_finite_origin(run: Run) -> Origin | None:
    """The latest that was written down, None where there is none or it is not what the hooks write."""
    try:
        told = json.loads(run.texts[tags.NON_FINITE_ORIGIN])
        step, kind, text, module = told["step"], told["kind"], told["text"], told.get("module")
    except (KeyError, TypeError, ValueError):
        return None
    strings = isinstance(kind, str) and isinstance(text, str) and isinstance(module, str | None)
    return Origin(step, kind, text, module) if strings and type(step) is int else None
