"""NUM002: activations come close to the largest number that half precision can hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from trainvitals import tags
from trainvitals.model import Evidence, Finding, Severity
from trainvitals.rules.rule import NotEnough, Rule, Threshold
from trainvitals.view import RunView

LARGEST_FLOAT16 = 65504.0
FLOAT16_WORDS = ("float16", "fp16", "half")
RECORDS = 3
"""The latest ones of a layer, whose median counts: one extreme example is an accident."""

ACTIVATION_LINE = "vitals = trainvitals.watch(model, optimizer)  # records the largest activation of each layer"


@dataclass(frozen=True, slots=True)
class Headroom:
    """How near the activations are to the end of the range.

    Args:
        layers: whose share is largest, the largest first. shares: of the range that each uses, in the same order.
        tag: of the first. why: what says that the run computes in float16.
        crossed: step at which the first layer came to half of its present share; last_step: recorded.
    """

    layers: tuple[str, ...]
    shares: tuple[float, ...]
    tag: str
    why: str
    crossed: int
    last_step: int


class LowPrecisionOverflow(Rule[Headroom]):
    """In a training in float16 some activations are within a factor of two of the largest number of the format.

    What it finds
    -------------
    Layers whose largest output uses most of the range of float16, which ends at 65,504, before it overflows.

    Why it matters
    --------------
    The next doubling makes an infinity, and a NaN one operation later. The loss scale does not help: it scales
    gradients, not activations.

    How it is detected
    ------------------
    Only where the parameters are float16, or a loss scale says that the run computes in it. The median of the latest
    three recordings of each layer's largest output (of a sample of its outputs, so the true one is larger) over 65,504
    must reach `largest_share`.

    False alarms
    ------------
    Layers kept in float32 under automatic mixed precision, such as norms and losses; those beyond the range of float16
    are recognised by that and left out. bfloat16 has the range of float32 and is never judged.

    What to try
    -----------
    bfloat16; float32 for the named layers; weight decay or normalisation where they keep growing.

    Sources
    -------
    Micikevicius et al. 2018, "Mixed precision training"; IEEE 754 for the range.
    """

    code = "NUM002"
    name = "low-precision-overflow"
    summary = "Activations come close to the largest number of half precision."
    reads = ("per_layer.activation_abs_max", tags.LOSS_SCALE)
    thresholds = (
        Threshold(
            "largest_share",
            0.5,
            "Of the range: one doubling is left, and only a sample of the outputs was seen.",
            "one bit of headroom",
        ),
    )
    absorbs = ("loss-scale-collapse", "non-finite-gradients")
    interventions = ("use-bfloat16", "lower-learning-rate")

    def measure(self, view: RunView) -> Headroom | NotEnough:
        why, largest = _computes_in_float16(view), view.layers("activation_abs_max")
        if why is None:
            return NotEnough()
        if largest is None or len(largest) < RECORDS:
            return NotEnough(("activation_abs_max of each layer",), ACTIVATION_LINE)
        levels = {}
        for index, name in enumerate(largest.layers):
            column = largest.value[:, index]
            column = column[np.isfinite(column)]
            level = float(np.median(column[-RECORDS:])) if len(column) >= RECORDS else np.inf
            # What is larger than the format allows is held in another one.
            if level <= LARGEST_FLOAT16:
                levels[name] = level / LARGEST_FLOAT16
        if not levels:
            return NotEnough(("activation_abs_max of each layer",), ACTIVATION_LINE)
        order = sorted(levels, key=lambda name: -levels[name])
        first = largest.layers.index(order[0])
        reached = np.flatnonzero(largest.value[:, first] >= levels[order[0]] * LARGEST_FLOAT16 / 2)
        return Headroom(
            layers=tuple(order),
            shares=tuple(levels[name] for name in order),
            tag=view.signals.per_layer["activation_abs_max"].tags[first],
            why=why,
            crossed=int(largest.step[reached[0]]) if len(reached) else int(largest.step[-1]),
            last_step=int(largest.step[-1]),
        )

    def judge(self, measurement: Headroom, limits: Mapping[str, float]) -> list[Finding]:
        limit = limits["largest_share"]
        near = [name for name, share in zip(measurement.layers, measurement.shares, strict=True) if share >= limit]
        if not near:
            return []
        share = measurement.shares[0]
        return [
            self.finding(
                Severity.WARNING,
                0.85,
                f"the outputs of {near[0]} use {share:.0%} of the range of float16",
                first_step=measurement.crossed,
                last_step=measurement.last_step,
                layers=tuple(near),
                evidence=(
                    self._number(measurement, limits),
                    Evidence(measurement.why),
                ),
            )
        ]

    def rule_out(self, measurement: Headroom, limits: Mapping[str, float]) -> Evidence | None:
        return self._number(measurement, limits)

    @staticmethod
    def _number(measurement: Headroom, limits: Mapping[str, float]) -> Evidence:
        share = measurement.shares[0]
        return Evidence(
            f"the largest output ({measurement.layers[0]}) is {share * LARGEST_FLOAT16:.3g}, {share:.2g} of the range",
            signal=measurement.tag,
            value=share,
            threshold=limits["largest_share"],
        )


def _computes_in_float16(view: RunView) -> str | None:
    told = str(view.run.hyper_parameters.get("dtype", "")).casefold().split(", ")
    if any(word in told for word in FLOAT16_WORDS):
        return "the parameters are float16"
    scale = view.recorded(tags.LOSS_SCALE)
    if scale is not None and len(scale) and float(np.nanmax(scale.value)) > 1:
        return f"a loss scale ({scale.tag}) is only used with float16"
    return None
