"""GRD002: the gradient grows far beyond its own past."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainvitals.maths.excess import Excess, sustained_excess
from trainvitals.model import Evidence, Finding, Series, Severity
from trainvitals.rules import logging_lines
from trainvitals.rules.alignment import positions
from trainvitals.rules.rule import NotEnough, Rule, Threshold
from trainvitals.view import LossCurve, RunView

WARM_UP_SHARE = 0.02
"""Of the run. The first gradients belong to random weights and to the warm-up of the learning rate."""

SMALLEST_GROWTH = 10.0
"""Times the past. Norms of healthy runs drift by a factor of a few (by 1.1 to 1.5 upwards in our labelled logs)."""

SMALLEST_NORM = 1e-38
NAMED_LAYERS = 8


@dataclass(frozen=True, slots=True)
class LossMeanwhile:
    """A loss before and during the growth: its levels, and the noise of a point; ``broken`` where it is not finite."""

    tag: str
    before: float
    during: float
    noise: float
    broken: bool

    @property
    def worse(self) -> bool:
        """Whether the level rose by more than the noise of a point, or the loss broke."""
        return self.broken or self.during > self.before + self.noise

    @property
    def gained(self) -> float:
        """Share of its level that the loss lost during the growth."""
        return (self.before - self.during) / abs(self.before) if self.before else 0.0


@dataclass(frozen=True, slots=True)
class GradientGrowth:
    """A gradient norm that left the range of its past, or did not.

    Args:
        tag: of the norm.
        excess: where, and by how many decades; None where it stayed in range.
        begin_step, last_step: of the growth.
        largest: the largest norm; infinite where it overflowed.
        loss: what the training loss did meanwhile.
        layers: whose own norms grew as much, where they were logged.
        latest_over_past: median of the last tenth of the run over that of what came before; None where that is zero.
    """

    tag: str
    excess: Excess | None
    begin_step: int = 0
    last_step: int = 0
    largest: float = 0.0
    loss: LossMeanwhile | None = None
    layers: tuple[str, ...] = ()
    latest_over_past: float | None = None


class ExplodingGradients(Rule[GradientGrowth]):
    """The norm of the gradient grows far beyond its own past and stays there.

    What it finds
    -------------
    A gradient norm that leaves the range of its past by a factor of ten and more for at least three hundredths of the
    run, while the loss gets worse; or by a factor of a thousand whatever the loss does.

    Why it matters
    --------------
    Large gradients mean large, ill-directed updates. Often the loss diverges or becomes NaN soon after; the growth of
    the gradient is the earlier sign.

    How it is detected
    ------------------
    On the logarithm of the norm of the whole gradient (the root of the sum of squares of the layers where the whole
    was not logged; of several norms the one with the largest peak, because clipping hides growth). The first 2 % of
    the run do not count. The rest becomes at most a hundred blocks, each with the median of its points. A block is
    high if it lies above the median of all earlier blocks by the factor, and by six of their robust standard
    deviations; three high blocks in a row are needed. The onset is dated back to where the level left its usual range.

    From `smallest_growth` times on, the level of the training loss must have risen above its noise, or have become
    non-finite. From `certain_growth` times on, the growth speaks for itself, unless the loss lost a third of its level
    meanwhile.

    False alarms
    ------------
    Single wild batches and heavy tails, which move no median. Norms that drift upwards while the loss falls, as in
    many diffusion models. The gradient of a network that leaves a saddle point grows too, with a falling loss. The
    scaled gradients of mixed precision: log them after unscaling.

    What to try
    -----------
    Clip the norm at its own usual value; lower the learning rate; a longer warm-up.

    Sources
    -------
    Pascanu et al. 2013, "On the difficulty of training recurrent neural networks". The factors are ours: AUTOTRAINER
    compares the first layer with the last (70), SageMaker Debugger waits for NaN; neither looks at the run's own past.
    """

    code = "GRD002"
    name = "exploding-gradients"
    summary = "The norm of the gradient grows far beyond its own past."
    reads = ("grad_norm", "per_layer.grad_norm", "train_loss")
    thresholds = (
        Threshold(
            "smallest_growth",
            SMALLEST_GROWTH,
            "Growth over the past that is worth a look when the loss suffers. Less than the default is never measured.",
            "in our labelled logs the norm of healthy runs rises by a factor of 1.5 at most",
        ),
        Threshold(
            "certain_growth",
            1000.0,
            "Growth over the past that no healthy run shows, whatever the loss does.",
            "convention: three decades",
        ),
        Threshold(
            "excusing_gain",
            0.3,
            "A loss that loses a third of its level while the gradient grows has found a way down.",
            "convention",
        ),
    )
    absorbs = ("loss-spikes",)
    interventions = ("clip-gradients", "lower-learning-rate", "longer-warmup", "restore-checkpoint")

    def measure(self, view: RunView) -> GradientGrowth | NotEnough:
        if not view.signals.supervised:
            return NotEnough()
        norm = _whole_norm(view)
        if norm is None:
            return NotEnough(("grad_norm",), logging_lines.GRADIENT_NORM)
        decades = _decades(norm.value)
        warm_up = int(norm.step[0]) + WARM_UP_SHARE * float(norm.step[-1] - norm.step[0])
        first = int(np.searchsorted(norm.step, warm_up))
        excess = sustained_excess(decades, first, float(np.log10(SMALLEST_GROWTH)))
        if excess is None:
            return GradientGrowth(norm.tag, None, latest_over_past=_latest_over_past(norm.value[first:]))
        return GradientGrowth(
            tag=norm.tag,
            excess=excess,
            begin_step=int(norm.step[excess.begin]),
            last_step=int(norm.step[-1]),
            largest=float(norm.value.max()),
            loss=None if view.train_loss is None else _loss_meanwhile(norm, excess.begin, view.train_loss),
            layers=_grown_layers(view, int(norm.step[excess.begin])),
        )

    def rule_out(self, measurement: GradientGrowth, limits: Mapping[str, float]) -> Evidence | None:
        times = measurement.latest_over_past
        if measurement.excess is not None or times is None or times >= limits["smallest_growth"]:
            return None
        return Evidence(
            f"{measurement.tag} is {times:.2g} times its past",
            signal=measurement.tag,
            value=times,
            threshold=limits["smallest_growth"],
        )

    def judge(self, measurement: GradientGrowth, limits: Mapping[str, float]) -> list[Finding]:
        excess, loss = measurement.excess, measurement.loss
        if excess is None:
            return []
        growth = _power(excess.decades)
        loss_worse = loss is not None and loss.worse
        excused = loss is not None and not loss.broken and loss.gained >= limits["excusing_gain"]
        certain = growth >= limits["certain_growth"] and excess.to_the_end and not excused
        if not (certain or (growth >= limits["smallest_growth"] and loss_worse)):
            return []
        broken = not np.isfinite(measurement.largest) or (loss is not None and loss.broken)
        evidence = [
            Evidence(
                f"{measurement.tag} was at {_power(excess.past):.3g} before step {measurement.begin_step:,} and is at "
                f"{_power(excess.late):.3g} since: {growth:.3g} times as large",
                signal=measurement.tag,
                value=growth,
                threshold=limits["certain_growth"] if certain else limits["smallest_growth"],
                step=measurement.begin_step,
            )
        ]
        if loss is not None:
            now = "is not finite any more" if loss.broken else f"went from {loss.before:.4g} to {loss.during:.4g}"
            evidence.append(Evidence(f"{loss.tag} {now} meanwhile", signal=loss.tag, value=loss.during))
        return [
            self.finding(
                Severity.ERROR if broken else Severity.WARNING,
                0.95 if certain and loss_worse else 0.85,
                f"the gradient norm grew {growth:.3g} times over its past since step {measurement.begin_step:,}",
                first_step=measurement.begin_step,
                last_step=measurement.last_step,
                layers=measurement.layers[:NAMED_LAYERS],
                evidence=tuple(evidence),
            )
        ]


def _whole_norm(view: RunView) -> Series | None:
    """The norm of the whole gradient without its NaN."""
    logged = [_known(view.series(tag)) for tag in view.signals.grad_norm]
    logged = [series for series in logged if len(series)]
    if logged:
        return max(logged, key=lambda series: float(series.value.max()))
    layers = view.layers("grad_norm")
    if layers is None:
        return None
    complete = ~np.isnan(layers.value).any(axis=1)
    if not bool(complete.any()):
        return None
    with np.errstate(over="ignore"):
        whole = np.sqrt(np.sum(layers.value[complete] ** 2, axis=1))
    step = layers.step[complete]
    return Series(f"{layers.kind} of all layers", step, np.full(len(step), np.nan), whole)


def _latest_over_past(norm: NDArray[np.floating]) -> float | None:
    tenth = len(norm) // 10
    if tenth == 0 or not bool(np.isfinite(norm).all()):
        return None
    past = float(np.median(norm[:-tenth]))
    return float(np.median(norm[-tenth:])) / past if past > 0 else None


def _known(series: Series) -> Series:
    return series.take(~np.isnan(series.value))


def _decades(norm: NDArray[np.floating]) -> NDArray[np.float64]:
    return np.asarray(np.log10(np.maximum(norm.astype(np.float64), SMALLEST_NORM)))


def _power(decades: float) -> float:
    return float(10.0 ** min(decades, 300.0))


def _loss_meanwhile(norm: Series, begin: int, loss: LossCurve) -> LossMeanwhile | None:
    recorded = loss.recorded
    if len(loss) == 0:
        return None
    loss_position, norm_position = positions(recorded, norm)
    late = loss_position >= norm_position[begin]
    before = recorded.value[~late & np.isfinite(recorded.value)]
    during = recorded.value[late]
    finite = during[np.isfinite(during)]
    if len(before) < 3 or len(during) == 0:
        return None
    recent = before[-max(3, len(before) // 10) :].astype(np.float64)
    return LossMeanwhile(
        tag=loss.tag,
        before=float(np.median(recent)),
        during=float(np.median(finite)) if len(finite) else float("nan"),
        noise=float(recent.std()),
        broken=len(finite) < len(during),
    )


def _grown_layers(view: RunView, begin_step: int) -> tuple[str, ...]:
    """Layers whose norm grew ten times, those that grew most first."""
    layers = view.layers("grad_norm")
    if layers is None:
        return ()
    late = layers.step >= begin_step
    growth = {}
    for index, name in enumerate(layers.layers):
        column = layers.value[:, index]
        before, during = column[~late & ~np.isnan(column)], column[late & ~np.isnan(column)]
        if len(before) and len(during):
            growth[name] = float(np.median(_decades(during)) - np.median(_decades(before)))
    grown = [name for name, decades in growth.items() if decades >= np.log10(SMALLEST_GROWTH)]
    return tuple(sorted(grown, key=lambda name: -growth[name]))
