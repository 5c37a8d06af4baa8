"""The noise of the gradient of one batch, beside the gradient itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from trainvitals import tags
from trainvitals.model import Series
from trainvitals.view import RunView

READS = (tags.GRADIENT_NOISE_SCALE, tags.GRADIENT_NOISE_SCALE_PROXY, tags.GRADIENT_COSINE, tags.SAMPLES)
"""All that is asked for here."""

LATE = 0.5
"""The second half of the run: the noise scale rises as the loss falls (McCandlish et al. 2018, section 3.4)."""

FEWEST = {"measured": 5, "cosine": 30, "proxy": 20}
"""Records in that half. A noise scale is a running mean already; single cosines say next to nothing."""

ERRORS = 2.0
"""Standard errors that the mean of the cosines is taken higher, so that the noise is not taken for more than it is."""

BATCH_LINE = "vitals.log(loss=loss, samples=len(x))  # with gradient accumulation, watch measures the noise scale"

Source = Literal["measured", "cosine", "proxy"]
TAGS: dict[Source, str] = {
    "measured": tags.GRADIENT_NOISE_SCALE,
    "cosine": tags.GRADIENT_COSINE,
    "proxy": tags.GRADIENT_NOISE_SCALE_PROXY,
}


@dataclass(frozen=True, slots=True)
class NoiseAndBatch:
    """Noise scale over batch size in the second half of the run.

    Args:
        source: ``measured`` from gradients of two batch sizes; ``cosine`` from that of successive gradients, which is
            one over one plus the ratio where their noise is independent; ``proxy`` from Adam's moments.
        ratio: the median; from cosines, what it is at least.
        largest: of the second half; the same as ``ratio`` where it is from cosines.
        batch: samples a step; None where they were not counted. first_step, last_step: of what it rests on.
    """

    source: Source
    ratio: float
    largest: float
    batch: float | None
    first_step: int
    last_step: int

    @property
    def tag(self) -> str:
        return TAGS[self.source]

    @property
    def text(self) -> str:
        """A sentence with the number."""
        times = f"{self.ratio:.2g} times the batch"
        if self.source == "cosine":
            return f"successive gradients have so little in common that their noise scale is at least {times}"
        return f"the gradient noise scale is {times}" + (" by Adam's moments" if self.source == "proxy" else "")


def noise_and_batch(view: RunView) -> NoiseAndBatch | None:
    """The best that was recorded: measured before cosines before the proxy; None where nothing is of use."""
    batch = _batch(view)
    scale = _late(view.recorded(tags.GRADIENT_NOISE_SCALE), "measured")
    if scale is not None and batch is not None:
        return _of(scale, np.asarray(scale.value, np.float64) / batch, "measured", batch)
    cosine = _late(view.recorded(tags.GRADIENT_COSINE), "cosine")
    if cosine is not None:
        value = np.asarray(cosine.value, np.float64)
        error = ERRORS * float(value.std()) / len(value) ** 0.5
        common = float(value.mean()) + error
        # Gradients that oppose each other are no noise: the steps go to and fro.
        if float(value.mean()) > -error and 0 < common < 1:
            return _of(cosine, np.full(1, 1.0 / common - 1.0), "cosine", batch)
    proxy = _late(view.recorded(tags.GRADIENT_NOISE_SCALE_PROXY), "proxy")
    return None if proxy is None else _of(proxy, np.asarray(proxy.value, np.float64), "proxy", batch)


def _of(series: Series, ratio: NDArray[np.float64], source: Source, batch: float | None) -> NoiseAndBatch:
    first, last = int(series.step[0]), int(series.step[-1])
    return NoiseAndBatch(source, float(np.median(ratio)), float(ratio.max()), batch, first, last)


def _late(series: Series | None, source: Source) -> Series | None:
    finite = None if series is None else series.finite()
    if finite is None or len(finite) == 0:
        return None
    middle = float(finite.step[0]) + LATE * float(finite.step[-1] - finite.step[0])
    late = finite.take(finite.step >= middle)
    late = late if source == "cosine" else late.take(late.value > 0)
    return late if len(late) >= FEWEST[source] else None


def _batch(view: RunView) -> float | None:
    samples = view.recorded(tags.SAMPLES)
    if samples is not None and len(samples) > 1:
        grown = np.diff(np.asarray(samples.value, np.float64)) / np.diff(samples.step)
        size = float(np.median(grown))
        if np.isfinite(size) and size > 0:
            return size
    told = view.run.hyper_parameters.get("batch_size")
    return float(told) if isinstance(told, int | float) and not isinstance(told, bool) and told > 0 else None
