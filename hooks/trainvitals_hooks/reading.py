"""What a probe hands over: numbers still on their device, and how they become tags on the host."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

Finish = Callable[["list[NDArray[np.float64]]"], "dict[str, float]"]


@dataclass(frozen=True, slots=True)
class Reading:
    """One measurement of one step.

    Args:
        tensors: of one dimension each, on whatever device they were computed.
        finish: from the same numbers on the host to a value for each tag.
    """

    tensors: Sequence[Tensor]
    finish: Finish
