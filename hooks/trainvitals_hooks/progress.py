"""How far the training has come, as the loop tells it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Progress:
    """Tokens and samples since the run began."""

    tokens: float = 0.0
    samples: float = 0.0
