"""UPD002: single layers are updated far faster than the others, and the loss pays for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from trainvitals.model import Evidence, Finding, Severity
from trainvitals.rules import logging_lines
from trainvitals.rules.rule import NotEnough, Rule, Threshold
from trainvitals.rules.updates.outcome import Turn, turn_at
from trainvitals.rules.updates.sizes import UpdateSizes, equilibrium_ratio, update_sizes
from trainvitals.view import RunView

FEWEST_LAYERS = 3
"""Among two, nobody can say which one is out of step."""

GROWTH_WITHIN_SHARE = 0.1
"""Of the run, after the onset, in which the norm must have grown."""

ABOVE_EQUILIBRIUM = 3.0
"""Times sqrt(2 lr wd), which is where strong decay alone brings the ratio."""

NOT_ABOVE = 0.1
"""Share of the values since that lie no higher than nine in ten before."""

FAR_ABOVE = 1.5
"""Times the level before: as for diverging-loss."""

INITIAL_SHARE = 0.1
"""Of the later norm. A layer that begins with less was set to (nearly) zero on purpose, and has to move far."""


@dataclass(frozen=True, slots=True)
class FastLayer:
    """One weight matrix out of step.

    Args:
        layer: its name; tag: of its update ratio.
        step: of the first record at which it is out of step; before: that of the record before, or the first step.
        ratio: at that record; others: of the median matrix then.
        growth: of its norm within a tenth of the run, over the largest before; others_growth: of the median matrix.
        loss: before and since; None where there are too few points on either side. validation: the same, where there
            is a training loss beside it.
    """

    layer: str
    tag: str
    step: int
    before: int
    ratio: float
    others: float
    growth: float
    others_growth: float
    loss: Turn | None
    validation: Turn | None = None

    @property
    def worse(self) -> Turn | None:
        """The loss that shows the harm: where the training loss does not rise, a validation loss that does."""
        beside = self.validation
        return beside if self.loss is not None and beside is not None and rose(beside) > rose(self.loss) else self.loss


def rose(loss: Turn) -> bool:
    """Whether nine in ten values of the tenth of the run that follows lie above nine in ten just before, or the end far
    above the level before."""
    return loss.next_overlap <= NOT_ABOVE or loss.end >= FAR_ABOVE * loss.before > 0


@dataclass(frozen=True, slots=True)
class FastLayers:
    """The matrices out of step, the earliest first, and the step of the last record."""

    fast: tuple[FastLayer, ...]
    last_step: int


class UpdatesTooLarge(Rule[FastLayers]):
    """Single layers are updated far faster than the others, and the loss pays for it.

    What it finds
    -------------
    Weight matrices whose updates are a tenth of their size or more while those of the others are usual, whose norm runs
    away with it, and since when the loss has risen or stopped falling. As an information where the loss does not mind.

    Why it matters
    --------------
    A layer that is replaced every ten steps is noise to the layers around it. A rate of its own that is wrong by
    orders of magnitude, or a multiplier left over from an experiment, looks like a hard task in the loss.

    How it is detected
    ------------------
    The update ratio of a matrix (norm of the update over that of the weights) reaches `fastest_ratio`, and three times
    sqrt(2 x rate x decay), where AdamW's decay alone would bring it; it is `smallest_factor` times that of the median
    matrix; and within a tenth of the run its norm reaches `largest_growth` times the largest it had until then, and
    that many times what the median matrix has grown by. For a warning nine in ten values of the training or the
    validation loss in the next tenth of the run lie above nine in ten just before, or it ends at one and a half times
    its level, or the loss has gained less than `smallest_gain` of its level since.

    False alarms
    ------------
    Matrices that begin at zero on purpose (adapters, the last layer of a residual branch) have to move far at first and
    are left out, and so are biases, gains and embeddings. Where all layers are too fast the rate is to blame:
    `learning-rate-too-high`.

    What to try
    -----------
    Give these layers the rate of the others; go back to a checkpoint before the onset.

    Sources
    -------
    Karpathy, CS231n notes (ratio of about 1e-3); You et al. 2020 (LAMB: the ratio of all layers alike); Kosson et al.
    2024 (sqrt(2 lr wd) in equilibrium).
    """

    code = "UPD002"
    name = "updates-too-large"
    summary = "Single layers are updated far faster than the others, and the loss pays for it."
    reads = ("per_layer.update_ratio", "per_layer.weight_norm", "learning_rate", "train_loss", "val_loss")
    thresholds = (
        Threshold(
            "fastest_ratio",
            0.1,
            "At a tenth of its size a step a matrix is another one after ten.",
            "Karpathy, CS231n notes (1e-3); as for learning-rate-too-high",
        ),
        Threshold(
            "smallest_factor",
            10.0,
            "Over the median matrix. Layers of healthy networks share their ratio within a factor of ten.",
            "as for vanishing-gradients",
        ),
        Threshold(
            "largest_growth",
            2.0,
            "Over the growth of the median matrix: a norm that doubles has lost what the layer had learnt.",
            "as for learning-rate-too-high",
        ),
        Threshold("smallest_gain", 0.01, "Of the level before: what one would see and care for.", "convention"),
    )
    absorbs = (
        "diverging-loss",
        "loss-spikes",
        "plateau",
        "not-learning",
        "exploding-gradients",
        "vanishing-gradients",
        "dead-units",
        "saturated-activations",
        "activation-growth",
        "output-logit-drift",
    )
    interventions = ("lower-learning-rate", "restore-checkpoint", "clip-gradients")

    def measure(self, view: RunView) -> FastLayers | NotEnough:
        if not view.signals.supervised:
            return NotEnough()
        sizes = update_sizes(view)
        if sizes is None:
            return NotEnough(("update_ratio of each layer",), logging_lines.WATCH)
        if len(sizes.layers) < FEWEST_LAYERS or sizes.growth is None or np.isnan(sizes.ratio).all():
            return NotEnough()
        fast = sorted(
            _out_of_step(view, sizes, self.limits(view.settings_of(self))), key=lambda layer: (layer.step, layer.layer)
        )
        return FastLayers(tuple(fast), int(sizes.step[-1]))

    def judge(self, measurement: FastLayers, limits: Mapping[str, float]) -> list[Finding]:
        fast = [layer for layer in measurement.fast if _is_out_of_step(layer, limits)]
        if not fast or (loss := fast[0].worse) is None:
            return []
        first, risen = fast[0], rose(loss)
        gained = (loss.before - loss.end) / max(abs(loss.before), np.finfo(np.float64).tiny)
        harmed = risen or loss.lost or gained < limits["smallest_gain"]
        what = "becomes NaN or infinite" if loss.lost else "rises" if risen else "has gained nothing since"
        return [
            self.finding(
                Severity.WARNING if harmed else Severity.INFO,
                0.9 if risen or loss.lost else 0.8,
                f"{first.layer} is updated by {first.ratio:.2g} of its size a step, {first.ratio / first.others:.3g} "
                f"times as much as the median matrix{f', and {loss.tag} {what}' if harmed else ''}",
                first_step=first.before + 1,
                begins_by=max(first.step, first.before + 1),
                last_step=measurement.last_step,
                layers=tuple(layer.layer for layer in fast),
                evidence=(
                    Evidence(
                        f"its update is {first.ratio:.2g} of the weights at step {first.step:,}; "
                        f"{first.others:.2g} in the median matrix",
                        signal=first.tag,
                        value=first.ratio,
                        threshold=limits["fastest_ratio"],
                        step=first.step,
                    ),
                    Evidence(
                        f"its norm grows to {first.growth:.3g} times what it was, {first.others_growth:.3g} in the "
                        "median matrix",
                        value=first.growth / first.others_growth,
                        threshold=limits["largest_growth"],
                        step=first.step,
                    ),
                    Evidence(
                        f"{loss.tag} is {loss.before:.4g} just before, {loss.next_level:.4g} just after and "
                        f"{loss.end:.4g} at the end",
                        signal=loss.tag,
                        value=loss.end,
                        threshold=loss.high_before,
                    ),
                ),
            )
        ]


def _is_out_of_step(layer: FastLayer, limits: Mapping[str, float]) -> bool:
    return (
        layer.ratio >= limits["fastest_ratio"]
        and layer.ratio >= limits["smallest_factor"] * layer.others
        and layer.growth >= limits["largest_growth"] * layer.others_growth
    )


def _out_of_step(view: RunView, sizes: UpdateSizes, limits: Mapping[str, float]) -> list[FastLayer]:
    """One entry a layer: the first record at which its ratio is far above the others'."""
    growth, middle_growth = sizes.growth, sizes.middle_growth
    if growth is None or middle_growth is None:
        return []
    curve = view.train_loss or view.val_loss
    beside = view.val_loss if view.train_loss is not None else None
    least = max(limits["fastest_ratio"], ABOVE_EQUILIBRIUM * (equilibrium_ratio(view) or 0.0))
    found = []
    window = GROWTH_WITHIN_SHARE * view.span_steps
    for index, layer in enumerate(sizes.layers):
        ratio = sizes.ratio[:, index]
        with np.errstate(invalid="ignore"):
            far_above = ratio >= limits["smallest_factor"] * sizes.middle
        hits = np.flatnonzero((ratio >= least) & far_above & (sizes.middle > 0))
        if not len(hits) or _began_at_zero(growth[:, index]):
            continue
        at = int(hits[0])
        before = max(at - 1, 0)
        soon = (sizes.step >= sizes.step[before]) & (sizes.step <= sizes.step[at] + window)
        began = int(sizes.step[before])
        found.append(
            FastLayer(
                layer=layer,
                tag=sizes.tags[index],
                step=int(sizes.step[at]),
                before=began,
                ratio=float(ratio[at]),
                others=float(sizes.middle[at]),
                growth=_grown(growth[soon, index], growth[: before + 1, index]),
                others_growth=_grown(middle_growth[soon], middle_growth[: before + 1]),
                loss=turn_at(curve, began + 1),
                validation=turn_at(beside, began + 1),
            )
        )
    return found


def _began_at_zero(growth: np.ndarray[tuple[int], np.dtype[np.float64]]) -> bool:
    known = growth[~np.isnan(growth)]
    return not len(known) or float(np.median(known[: max(1, len(known) // 10)])) > 1 / INITIAL_SHARE


def _grown(
    soon: np.ndarray[tuple[int], np.dtype[np.float64]], until: np.ndarray[tuple[int], np.dtype[np.float64]]
) -> float:
    """The largest norm soon after over the largest until then: weights that only grow back do not count."""
    known, before = soon[np.isfinite(soon)], until[np.isfinite(until) & (until > 0)]
    return max(1.0, float(known.max() / before.max())) if len(known) and len(before) else 1.0
