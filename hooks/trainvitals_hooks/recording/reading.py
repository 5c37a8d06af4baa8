"""What a probe hands over: numbers still on their device, and how they become tags on the host."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from trainvitals import tags

if TYPE_CHECKING:
    from torch import Tensor

Named = tuple[tuple[str, ...], NDArray[np.float64]]
"""Tags and their values ``[N]``."""
Finish = Callable[[list[NDArray[np.float64]]], Named]

TAG_LISTS_KEPT = 64
"""A model has one list a kind of signal, and some more while layers are frozen or have no gradient."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One measurement of one step.

    Args:
        tensors: of one dimension each, on whatever device they were computed.
        finish: from the same numbers on the host to tags and values.
    """

    tensors: Sequence[Tensor]
    finish: Finish


Measured = Reading | dict[str, float]
"""Of one step; a dict is numbers by tag, of what is known on the host at once."""


@lru_cache(maxsize=TAG_LISTS_KEPT)
def layer_tags(kind: str, layers: tuple[str, ...]) -> tuple[str, ...]:
    """The tags of one signal of many layers; put together once, not at every record."""
    return tuple(tags.per_layer(kind, layer) for layer in layers)


def named(values: Mapping[str, float]) -> Named:
    """A few numbers by tag."""
    return tuple(values), np.fromiter(values.values(), np.float64, len(values))
