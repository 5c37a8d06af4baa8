"""How much a batch holds, whatever it is made of."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

TOKENS = "input_ids"
"""What tokenizers of Hugging Face call their output."""


def samples_in(batch: object) -> int | None:
    """Length of the first axis of the first tensor in a batch, None where there is no tensor."""
    if isinstance(batch, Tensor):
        return len(batch) if batch.dim() else None
    if isinstance(batch, str | bytes):
        return None
    parts = batch.values() if isinstance(batch, Mapping) else batch if isinstance(batch, list | tuple) else ()
    return next((found for part in parts if (found := samples_in(part)) is not None), None)


def tokens_in(batch: object) -> int | None:
    """Number of the tokens in a batch that names them, padding included."""
    tokens = batch.get(TOKENS) if isinstance(batch, Mapping) else None
    return tokens.numel() if isinstance(tokens, Tensor) else None
