"""A few rows of attention logits, computed anew from queries and keys where the attention itself is fused."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor, nn
from torch.nn.attention.bias import CausalBias, CausalVariant

HEADS = 8
"""Pairs of an example and a head, different heads as far as there are."""
ROWS = 32
"""Queries, of all heads together: their mean is within a third of the spread between them (2 / sqrt(32))."""
MOST_LOGITS = 2**16
"""With very many keys there are fewer queries: what is kept of each layer until the end of the step stays small."""
SHAPES_KEPT = 64
_PLAIN = (Tensor, nn.Parameter)


@dataclass(frozen=True, slots=True)
class _Picked:
    """Which rows of tensors of one shape.

    Args:
        queries: an index ``[G, R]`` for each axis but the last. keys: an index ``[G]`` for each axis but the last two.
        bias: ``[G, R, S]``, -inf for keys later than the query where attention is causal, else 0.
    """

    queries: tuple[Tensor, ...]
    keys: tuple[Tensor, ...]
    bias: Tensor


def logits_of_fused(
    query: Tensor,
    key: Tensor,
    value: Tensor,  # noqa: ARG001
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,  # noqa: ARG001
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor | None:
    """Rows ``[G, R, S]`` of what ``scaled_dot_product_attention`` takes the softmax of, ``-inf`` where it is masked.

    Args:
        query: ``[..., heads, L, E]``. key: ``[..., heads, S, E]``. The rest as for that function, by the same names.

    Returns:
        float32; None for tensors that are not plain (nested, sharded, wrapped), which are not seen.
    """
    if not (_is_plain(query) and _is_plain(key)):
        return None
    query, key = query.detach(), key.detach()
    if query.ndim == 2:
        query, key = query[None], key[None]
    leading, queries, keys = query.shape[:-2], query.shape[-2], key.shape[-2]
    shared = query.shape[-3] // key.shape[-3] if enable_gqa else 1
    if not enable_gqa and key.shape[:-2] != leading:
        key = key.expand(*leading, *key.shape[-2:])
    causal_from = 0 if is_causal else None
    if isinstance(attn_mask, CausalBias):
        lower = attn_mask.variant == CausalVariant.LOWER_RIGHT
        causal_from, attn_mask = attn_mask.seq_len_kv - attn_mask.seq_len_q if lower else 0, None
    picked = _picked(tuple(leading), queries, keys, shared, causal_from, query.device)
    if scale is None:
        scale = 1 / math.sqrt(query.shape[-1])
    some_queries, some_keys = query[picked.queries].to(torch.float32), key[picked.keys].to(torch.float32)
    logits = torch.baddbmm(picked.bias, some_queries, some_keys.mT, alpha=scale)
    if attn_mask is None:
        return logits
    if not _is_plain(attn_mask):
        return None
    mask = attn_mask.detach().expand(*leading, queries, keys)[picked.queries]
    return logits.masked_fill_(~mask, -math.inf) if mask.dtype == torch.bool else logits.add_(mask)


def rows_of_logits(logits: Tensor) -> Tensor | None:
    """Rows ``[G, R, S]`` of logits ``[..., L, S]`` that are there already, as float32; None for what is not plain."""
    if not _is_plain(logits):
        return None
    leading, queries, keys = logits.shape[:-2], logits.shape[-2], logits.shape[-1]
    return logits.detach()[_picked(tuple(leading), queries, keys, 1, None, logits.device).queries].to(torch.float32)


def _is_plain(tensor: Tensor) -> bool:
    return type(tensor) in _PLAIN and not tensor.is_nested and tensor.numel() > 0


@lru_cache(maxsize=SHAPES_KEPT)
def _picked(
    leading: tuple[int, ...], queries: int, keys: int, shared: int, causal_from: int | None, device: torch.device
) -> _Picked:
    """The rows for these shapes, computed on the device: an index that comes from the host would be waited for.

    Args:
        leading: sizes of the axes before queries and keys, the last of them the heads.
        shared: how many heads share a key. causal_from: how many keys later than itself a query sees; None: all.
    """
    pairs = math.prod(leading)
    heads = min(pairs, HEADS)
    step = pairs // heads
    while pairs > heads and math.gcd(step, leading[-1]) > 1:
        # Else it would meet the same few heads in every example.
        step -= 1
    flat = torch.arange(heads, device=device) * step
    places: list[Tensor] = []
    for size in reversed(leading):
        places.insert(0, flat % size)
        flat = flat // size
    rows_each = max(1, min(ROWS // heads, queries, MOST_LOGITS // (heads * keys)))
    # Other queries for each head: together they lie closer.
    number = torch.arange(rows_each * heads, device=device).reshape(rows_each, heads).T
    rows = (2 * number + 1) * queries // (2 * rows_each * heads)
    bias = torch.zeros(heads, rows_each, keys, device=device, dtype=torch.float32)
    if causal_from is not None:
        bias.masked_fill_(torch.arange(keys, device=device) > (rows + causal_from)[:, :, None], -math.inf)
    return _Picked((*(place[:, None] for place in places), rows), (*places[:-1], places[-1] // shared), bias)
