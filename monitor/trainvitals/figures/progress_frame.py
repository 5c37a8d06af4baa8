"""Which steps and which losses the chart of progress shows, so that the end, which the verdict is on, can be seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from trainvitals.figures.points import Window

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trainvitals.progress.picture import ForecastPath, ProgressPicture

# A band wider than what was recorded in sight would make a flat line of it; it may take one and a half times as
# much again on each side.
LARGEST_OVERHANG = 1.5
# A descent from far above enters the frame from there: the end, which the verdict is on, keeps a quarter of it.
MOST_ABOVE = 3.0
PADDING_SHARE = 0.06
# A range that ends so near to the end of the loss shows its end.
NEAR_SHARE = 0.1


def step_range(window: Window | None, picture: ProgressPicture, ahead: int) -> Window | None:
    """A range that ends about where the loss ends, with the forecasts that go on from there."""
    if window is None or not picture.forecasts:
        return window
    first, last = sorted(window)
    now = float(picture.forecasts[0].fitted_step[-1])
    if last < now - NEAR_SHARE * (last - first):
        return first, last
    return first, max(last, now + (1.0 + PADDING_SHARE) * ahead)


def value_range(
    picture: ProgressPicture, paths: list[ForecastPath], window: Window | None
) -> tuple[float, float] | None:
    """What the forecasts are made from and where they go fill the frame, with as much of the descent as it bears."""
    if not paths:
        return None
    step, value = (picture.block_step, picture.block_value) if window is None else _inside(picture, window)
    begins = min(float(each.fitted_step[0]) for each in picture.forecasts)
    near = value[step >= begins] if window is None else value
    if len(near) == 0:
        return None
    low, high = float(near.min()), float(near.max())
    if window is None or window[1] > picture.forecasts[0].fitted_step[-1]:
        most = LARGEST_OVERHANG * max(high - low, picture.progress.delta or 0.0)
        bounds = [picture.region or (low, high), *((float(path.low.min()), float(path.high.max())) for path in paths)]
        low, high = (
            max(low - most, min([low, *(each for each, _ in bounds)])),
            min(high + most, max([high, *(each for _, each in bounds)])),
        )
    if window is None:
        span = high - low
        before = np.concatenate([value, _earlier(picture)])
        high = max(high, min(float(before.max()), high + MOST_ABOVE * span))
        low = min(low, max(float(before.min()), low - MOST_ABOVE * span))
    pad = PADDING_SHARE * (high - low)
    return (low - pad, high + pad) if high > low else None


def _inside(picture: ProgressPicture, window: Window) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    inside = (picture.loss.step >= window[0]) & (picture.loss.step <= window[1])
    return picture.loss.step[inside].astype(np.float64), picture.loss.value[inside].astype(np.float64)


def _earlier(picture: ProgressPicture) -> NDArray[np.float64]:
    """The losses of the stretches before the last hard break."""
    step = picture.loss.step
    within = [
        (step >= each.first_step) & (step <= each.last_step) for each in picture.stretches if each.kind == "earlier"
    ]
    return picture.loss.value[np.any(within, axis=0)].astype(np.float64) if within else np.empty(0)
