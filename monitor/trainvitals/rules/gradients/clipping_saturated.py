"""GRD006: clipping leaves next to nothing of nearly every gradient, and the training is stuck for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from trainvitals import tags
from trainvitals.model import Evidence, Finding, Severity
from trainvitals.rules import logging_lines
from trainvitals.rules.rule import NotEnough, Rule, Threshold
from trainvitals.rules.updates.outcome import Outcome, outcome_of
from trainvitals.rules.updates.sizes import is_adam, update_sizes
from trainvitals.rules.updates.small_updates import FEWEST, clipping, while_open
from trainvitals.view import RunView

WORTH_A_NUMBER = 0.005
"""Of the loss; less is rounded to nothing."""


@dataclass(frozen=True, slots=True)
class Clipping:
    """How much clipping takes away, and what the training makes of the rest.

    Args:
        share: of the steps that were clipped. kept: what is left of the median gradient.
        adam: the optimizer makes up for the size of the gradient; None where unknown.
        ratio: update over weights of the median matrix while the rate is open; None where too few were recorded.
        loss: what became of it; None with too few points. first_step: of the records.
    """

    share: float
    kept: float
    adam: bool | None
    ratio: float | None
    loss: Outcome | None
    first_step: int


class ClippingSaturated(Rule[Clipping]):
    """Clipping leaves next to nothing of nearly every gradient, and the training is stuck for it.

    What it finds
    -------------
    A limit of gradient clipping far below the gradients of the run, under an optimizer whose steps are as long as the
    gradient, in a training that gets nowhere. As an information: the same in a training that does get somewhere.

    Why it matters
    --------------
    Where every gradient is cut to the same tiny length, the limit is the learning rate. A thousandth of the gradient
    makes a thousandth of the step.

    How it is detected
    ------------------
    At least `smallest_share` of the steps are clipped, and the median norm after clipping is below `largest_kept` of
    that before. For a warning the loss has gained less than `smallest_gain` of its first level; or, where updates were
    recorded, less than `smallest_gain_unmoved`, and the update of the median weight matrix is below `largest_ratio` of
    its size while the rate is at 30 % of its peak or more.

    False alarms
    ------------
    Clipping at nearly every step by a factor of two or five is common in language models and is not reported. Adam and
    its relatives divide by the size of the gradient, so that a constant factor is without effect: with them nothing is
    reported. A share of clipped steps alone says nothing.

    What to try
    -----------
    Raise the limit to the 90th percentile of the norms before clipping.

    Sources
    -------
    Pascanu et al. 2013, section 3.2 (a limit from the average norm of the run); Kingma and Ba 2015, section 2.1 (Adam's
    steps do not depend on the scale of the gradient).
    """

    code = "GRD006"
    name = "clipping-saturated"
    summary = "Clipping leaves next to nothing of nearly every gradient."
    reads = (
        tags.CLIPPED,
        "grad_norm",
        "train_loss",
        "val_loss",
        "per_layer.update_ratio",
        "per_layer.weight_norm",
        "learning_rate",
    )
    thresholds = (
        Threshold(
            "smallest_share",
            0.9,
            "Nearly every step; fewer leave the long ones as they are.",
            "convention: nine in ten",
        ),
        Threshold(
            "largest_kept",
            0.1,
            "A factor of two to five is common at the usual limit of 1; of ten it is no longer the outliers' limit.",
            "published language-model recipes clip at 1.0 with norms of up to a few",
        ),
        Threshold("smallest_gain", 0.05, "Of its first level; what has gained more is slow, not stuck.", "convention"),
        Threshold(
            "smallest_gain_unmoved",
            0.5,
            "The same where the weights are known to move too slowly: most of the loss is still there.",
            "convention",
        ),
        Threshold(
            "largest_ratio",
            1e-4,
            "Who clips every step on purpose chooses a rate that makes up for it, and has updates of the usual size.",
            "Karpathy, CS231n notes: about 1e-3 is usual, 1e-4 is low",
        ),
    )
    absorbs = ("plateau", "not-learning", "vanishing-gradients", "learning-rate-too-low", "updates-too-small")
    interventions = ("raise-clip-limit", "raise-learning-rate")

    def measure(self, view: RunView) -> Clipping | NotEnough:
        if not view.signals.supervised:
            return NotEnough()
        clipped, loss, ratio = view.recorded(tags.CLIPPED), outcome_of(view), _ratio(view)
        if clipped is None or len(clipped) < FEWEST:
            # A loop that the hooks watch and that never clips has nothing to be judged here.
            clips = tags.GRADIENT_NORM_BEFORE_CLIPPING in view.signals.grad_norm
            return NotEnough((tags.CLIPPED,), logging_lines.CLIP) if clips else NotEnough()
        share, kept = clipping(view)
        return Clipping(
            share=share,
            kept=kept,
            adam=is_adam(view.run),
            ratio=ratio,
            loss=loss,
            first_step=int(clipped.step[0]),
        )

    def judge(self, measurement: Clipping, limits: Mapping[str, float]) -> list[Finding]:
        throttled = measurement.share >= limits["smallest_share"] and measurement.kept < limits["largest_kept"]
        if not throttled or measurement.adam or measurement.loss is None:
            return []
        loss, ratio = measurement.loss, measurement.ratio
        moves = ratio is not None and ratio >= limits["largest_ratio"]
        smallest_gain = limits["smallest_gain" if ratio is None else "smallest_gain_unmoved"]
        stuck = loss.hardly_moved(smallest_gain) and not moves
        sure = 0.95 if ratio is not None and measurement.adam is False else 0.75
        severe = stuck and (ratio is not None or measurement.adam is False)
        evidence = [
            Evidence(
                f"{measurement.share:.0%} of the steps are clipped, to {measurement.kept:.2g} of the median gradient",
                signal=tags.CLIPPED,
                value=measurement.kept,
                threshold=limits["largest_kept"],
            ),
            loss.gain_against(smallest_gain),
        ]
        if ratio is not None:
            evidence.append(
                Evidence(
                    f"the update of the median weight matrix is {ratio:.2g} of its size",
                    value=ratio,
                    threshold=limits["largest_ratio"],
                )
            )
        got = f"; {loss.tag} has gained {loss.gained:.0%} so far"
        if stuck:
            little = "nothing" if loss.gained < WORTH_A_NUMBER else f"no more than {loss.gained:.1%}"
            got = f", and {loss.tag} has gained {little}"
        return [
            self.finding(
                Severity.WARNING if severe else Severity.INFO,
                sure,
                f"clipping leaves {measurement.kept:.2g} of the gradient at {measurement.share:.0%} of the steps{got}",
                first_step=measurement.first_step,
                last_step=loss.last_step,
                evidence=tuple(evidence),
            )
        ]

    def rule_out(self, measurement: Clipping, limits: Mapping[str, float]) -> Evidence | None:
        if measurement.share >= limits["smallest_share"] and measurement.kept < limits["largest_kept"]:
            return None
        return Evidence(
            f"{measurement.share:.0%} of the steps are clipped, to {measurement.kept:.2g} of the median gradient",
            signal=tags.CLIPPED,
            value=measurement.kept,
            threshold=limits["largest_kept"],
        )


def _ratio(view: RunView) -> float | None:
    sizes = update_sizes(view)
    if sizes is None:
        return None
    ratio = sizes.middle[while_open(view, sizes.step)]
    known = ratio[~np.isnan(ratio)]
    return float(np.median(known)) if len(known) >= FEWEST else None
