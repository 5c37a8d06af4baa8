"""The loss scale of automatic mixed precision, and how many updates were skipped because gradients overflowed.

The scaler is not handed to ``watch``; it is found among the callers of the optimizer's ``step``. An update that is
skipped fires no hook (without a fused optimizer) or changes nothing (with one), but each one shrinks the scale by a
known factor: so from one record to the next the scale tells how many there were. A growth of the scale between the same
two records, which needs 2,000 updates without a skip, hides one. While every update is skipped there is no step and no
record. Scalers that are none of PyTorch's, as DeepSpeed's, are not seen.
"""

from __future__ import annotations

import math
import sys
import weakref
from typing import TYPE_CHECKING, Self

import torch
from torch.amp import GradScaler

from trainvitals import tags
from trainvitals_hooks.probes.probe import Context, Probe
from trainvitals_hooks.recording.reading import Named, Reading, named

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType

    import numpy as np
    from numpy.typing import NDArray
    from torch.optim import Optimizer

    from trainvitals_hooks.looking.parameters import Owners

MOST_FRAMES = 16
"""Callers looked at: the scaler stands two or three above the optimizer's own, some more where others wrap them."""

MOST_LOOKS = 3
"""Records at which the callers of an optimizer are looked at. Who scales the loss does so from the first step on."""


class LossScale(Probe):
    """Scale and skipped updates of each optimizer that a scaler steps; nothing where there is none."""

    name = "loss_scale"
    writes = (tags.LOSS_SCALE, tags.SKIPPED_STEPS)

    def __init__(self, owners: Owners) -> None:
        self._owners = owners
        self._followed: dict[int, _Followed] = {}
        self._looks = MOST_LOOKS * len(owners)

    @classmethod
    def of(cls, context: Context) -> Self:
        return cls(context.owners)

    def before_update(self, optimizer: Optimizer) -> None:
        followed = self._followed.get(id(optimizer))
        if followed is not None and followed.scaler() is None:
            followed, self._looks = None, MOST_LOOKS
            del self._followed[id(optimizer)]
        if followed is None and self._looks:
            self._looks -= 1
            scaler = calling_scaler(sys._getframe())
            if scaler is not None:
                self._followed[id(optimizer)] = _Followed(scaler)

    def after_update(self, optimizer: Optimizer) -> Sequence[Reading]:
        followed = self._followed.get(id(optimizer))
        scale = None if followed is None else followed.scale()
        if followed is None or scale is None:
            return ()
        scale_tag, skipped_tag = tags.LOSS_SCALE, tags.SKIPPED_STEPS
        if len(self._owners) > 1:
            number = self._owners.of(optimizer).number
            scale_tag, skipped_tag = (tags.of_optimizer(tag, number) for tag in (scale_tag, skipped_tag))

        def finish(arrays: list[NDArray[np.float64]]) -> Named:
            now = float(arrays[0][0])
            return named({scale_tag: now, skipped_tag: float(followed.skipped_until(now))})

        return [Reading([scale], finish)]


class _Followed:
    """One scaler, and how often its scale shrank."""

    def __init__(self, scaler: GradScaler) -> None:
        self.scaler = weakref.ref(scaler)
        self._before = float(scaler._init_scale)
        self._skipped = 0

    def scale(self) -> torch.Tensor | None:
        """A copy of the scale, where it lives: the scaler changes its own in place."""
        scaler = self.scaler()
        scale = None if scaler is None else scaler._scale
        return None if scale is None else scale.detach().reshape(1).clone()

    def skipped_until(self, scale: float) -> int:
        """How many updates were skipped since the scaler began, now that its scale is this."""
        scaler, before, self._before = self.scaler(), self._before, scale
        if scaler is not None and 0 < scale < before:
            self._skipped += round(math.log(scale / before) / math.log(scaler.get_backoff_factor()))
        return self._skipped


def calling_scaler(frame: FrameType | None) -> GradScaler | None:
    """The scaler whose ``step`` is among the callers of this frame."""
    for _ in range(MOST_FRAMES):
        if frame is None:
            return None
        if frame.f_code.co_name == "step" and isinstance(caller := frame.f_locals.get("self"), GradScaler):
            return caller
        frame = frame.f_back
    return None
