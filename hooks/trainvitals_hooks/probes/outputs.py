"""What goes in and comes out of the whole model: log Z and row sums of its output, and how different its tokens are.

The output is taken for logits, or whatever stands in their place, where it is a tensor of at least two columns, an
entry or attribute ``logits`` of what the model returns, or the first such tensor of a tuple. The columns are the last
axis; of outputs of four or more axes they are axis 1, as in ``[B, C, H, W]``. What a model without logits puts out (an
image, a regression of several numbers) cannot be told from them and is recorded alike. At most ``ROWS`` rows are looked
at. Of a model that runs several times in a step the first run counts.

Tokens are a first argument, or one called ``input_ids``, of integers ``[B, T]``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch
from torch import Tensor, nn

from trainvitals import tags
from trainvitals_hooks.looking.listener import Listener
from trainvitals_hooks.looking.row_sampling import RowSampling
from trainvitals_hooks.probes.probe import Context, Probe
from trainvitals_hooks.recording.reading import Named, Reading

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray
    from torch.optim import Optimizer
    from torch.utils.hooks import RemovableHandle

    from trainvitals_hooks.recording.own_time import OwnTime

ROWS = 32
"""Rows of the output that stand for all: their mean is within a third of the spread between rows (2 / sqrt(32))."""
MOST_ELEMENTS = 2**17
"""Of the sample; a vocabulary of 50,000 leaves few rows, but at least ``FEWEST_ROWS``."""
FEWEST_ROWS = 4
FEWEST_COLUMNS = 2
"""The softmax of one column is always 1: a single logit, or a single number, has no log Z."""
IMAGE_AXES = 4
TOKEN_AXES = 2
_TOKENS = (torch.int64, torch.int32)


class Outputs(Probe):
    """Log Z and row sum of the output, and the share of different tokens in the input."""

    name = "outputs"
    writes = (tags.OUTPUT_LOG_Z, tags.OUTPUT_ROW_SUM, tags.TOKEN_DIVERSITY)
    hears_modules = True

    def __init__(self, model: nn.Module, own: OwnTime, on_error: Callable[[Probe, Exception], None]) -> None:
        self._model = model
        self._listener = Listener(model, self._hear, own, lambda error: on_error(self, error))
        self._handle: RemovableHandle | None = None
        self._heard = False
        self._sampling: RowSampling | None = None
        self._sample: Tensor | None = None
        self._diversity: Tensor | None = None

    @classmethod
    def of(cls, context: Context) -> Self:
        return cls(context.model, context.own, context.on_error)

    def arm(self) -> None:
        self._forget()
        if self._handle is None:
            self._handle = self._model.register_forward_hook(self._listener, with_kwargs=True)

    def after_update(self, optimizer: Optimizer) -> Sequence[Reading]:
        written: dict[str, Tensor] = {}
        if self._sample is not None:
            written[tags.OUTPUT_LOG_Z] = _log_z(self._sample).mean().reshape(1)
            written[tags.OUTPUT_ROW_SUM] = self._sample.sum().reshape(1) / len(self._sample)
        if self._diversity is not None:
            written[tags.TOKEN_DIVERSITY] = self._diversity
        self._forget()

        def finish(arrays: list[NDArray[np.float64]]) -> Named:
            return tuple(written), np.concatenate(arrays)

        return [Reading(list(written.values()), finish)] if written else ()

    def disarm(self) -> None:
        if self._handle is not None:
            self._handle.remove()
            self._handle = None
        self._forget()

    def _forget(self) -> None:
        self._heard = False
        self._sample = self._diversity = None

    def _hear(self, arguments: tuple[Any, ...], keywords: dict[str, Any], output: object) -> None:
        # A validation that leaves the model in training mode shows by having no gradients.
        if self._heard or not torch.is_grad_enabled():
            return
        self._heard = True
        logits = _logits(output)
        if logits is not None:
            # A copy, because a loss function may go on in place.
            self._sample = self._sampling_of(logits).of_tensor(logits).to(torch.float32, copy=True)
        tokens = _tokens(arguments, keywords)
        if tokens is not None:
            self._diversity = _distinct_share(tokens)

    def _sampling_of(self, logits: Tensor) -> RowSampling:
        if self._sampling is None or self._sampling.shape != logits.shape:
            axis = 1 if logits.ndim >= IMAGE_AXES else -1
            columns = logits.shape[axis]
            rows = max(min(ROWS, MOST_ELEMENTS // columns), FEWEST_ROWS)
            self._sampling = RowSampling.of(logits, axis, rows, columns)
        return self._sampling


def _logits(output: object) -> Tensor | None:
    """What may be logits in what a model returned."""
    if isinstance(output, Tensor):
        return output if _has_columns(output) else None
    if isinstance(output, tuple | list):
        return next((part for part in output if _has_columns(part)), None)
    found = output.get("logits") if isinstance(output, Mapping) else getattr(output, "logits", None)
    return found if _has_columns(found) else None


def _has_columns(part: object) -> bool:
    return (
        type(part) is Tensor
        and part.is_floating_point()
        and part.ndim >= 2
        and part.numel() > 0
        and part.shape[1 if part.ndim >= IMAGE_AXES else -1] >= FEWEST_COLUMNS
    )


def _log_z(logits: Tensor) -> Tensor:
    """Of logits ``[R, C]`` the log of the sum of exponentials ``[R]``: half the operations of ``torch.logsumexp``."""
    return logits.amax(1) - logits.log_softmax(1).amax(1)


def _tokens(arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Tensor | None:
    """The tokens that the model was given, if it was given tokens."""
    first = next(iter((*arguments, *keywords.values())), None)
    found = keywords.get("input_ids", first.get("input_ids") if isinstance(first, Mapping) else first)
    if type(found) is Tensor and found.dtype in _TOKENS and found.ndim == TOKEN_AXES and found.numel() > 1:
        return found
    return None


def _distinct_share(tokens: Tensor) -> Tensor:
    """Different values over all values ``[1]``, by sorting: ``unique`` waits for the device to know how many."""
    in_order = tokens.detach().flatten().sort().values
    return (torch.count_nonzero(in_order[1:] != in_order[:-1]) + 1).reshape(1) / len(in_order)
