"""UPD005: epsilon, and not the size of the gradient, is what Adam divides by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from trainvitals.maths.depth_profile import row_medians
from trainvitals.model import Evidence, Finding, Severity
from trainvitals.rules import logging_lines
from trainvitals.rules.rule import NotEnough, Rule, Threshold
from trainvitals.rules.updates.outcome import Outcome, outcome_of
from trainvitals.rules.updates.sizes import is_adam, setting, update_sizes
from trainvitals.view import RunView

FEWEST = 5
EARLY_RECORDS = 0.25
"""Of the records. A gradient that goes under epsilon later has usually gone because the loss is fitted."""


@dataclass(frozen=True, slots=True)
class EpsilonShare:
    """How much of the network Adam divides by epsilon.

    Args:
        share, early: of the weights of the median layer, over all records and over the first quarter.
        tag: of the first layer's share. layers: those in which it is more than half.
        epsilon: as set; None where unknown.
        starved: the early matrices hardly move beside the late ones: their gradient is what is missing.
        reach: share of its size by which all updates together can have moved the median matrix; None if not recorded.
        loss: what became of it; None with too few points. first_step: of the records.
    """

    share: float
    early: float
    tag: str
    layers: tuple[str, ...]
    epsilon: float | None
    starved: bool
    reach: float | None
    loss: Outcome | None
    first_step: int


class AdamEpsilonDominates(Rule[EpsilonShare]):
    """Epsilon, and not the size of the gradient, is what Adam divides by.

    What it finds
    -------------
    A training under Adam or a relative in which epsilon is the larger part of the denominator in most weights from the
    start, and whose loss gets nowhere. As an information where it does get somewhere.

    Why it matters
    --------------
    The update is the first moment over the root of the second plus epsilon. Where epsilon is larger, the update is as
    small as the gradient, and Adam is plain momentum at a rate of lr / epsilon. In deep and wide networks gradients
    shrink with size, and an epsilon that was harmless in a small one switches Adam off.

    How it is detected
    ------------------
    The share of the weights whose root of the second moment is below epsilon exceeds `largest_share` in the median
    layer, over all records and over the first quarter of them. For a warning the loss has gained less than
    `smallest_gain` of its first level; or, where updates were recorded, less than `smallest_gain_unmoved`, and all of
    them together could have moved the median weight matrix by no more than `largest_reach` of its size.

    False alarms
    ------------
    Weights that never get a gradient (dead units, embeddings of words that do not occur) count as dominated; that is
    why the median layer must be. A loss that is fitted has gradients below any epsilon; then the early records are
    not dominated. Gradients that vanish on their way to the early layers fall below it too; then
    `vanishing-gradients` is the reason. Units that died take the gradient from whole layers; the others go on and
    move. None of these is reported.

    What to try
    -----------
    Lower epsilon to 1e-8, or to below the root mean square of the gradient of the smallest layer.

    Sources
    -------
    Kingma and Ba 2015; Wortsman et al. 2023, "Small-scale proxies for large-scale transformer training instabilities",
    section 3.4 (gradients that shrink to epsilon).
    """

    code = "UPD005"
    name = "adam-epsilon-dominates"
    summary = "Epsilon, and not the size of the gradient, is what Adam divides by."
    reads = ("per_layer.epsilon_share", "per_layer.update_ratio", "per_layer.weight_norm", "train_loss", "val_loss")
    thresholds = (
        Threshold(
            "largest_share",
            0.5,
            "Most weights of the median layer. Dead units and rare words make up less in a layer that trains.",
            "convention; the clean trainings of the exam lie at 0 to 0.2",
        ),
        Threshold("smallest_gain", 0.05, "Of its first level; what has gained more is slow, not stuck.", "convention"),
        Threshold(
            "smallest_gain_unmoved",
            0.2,
            "The same where the weights are known to have hardly moved: most of the loss is still there.",
            "convention",
        ),
        Threshold(
            "largest_reach",
            0.1,
            "Of the size of the median matrix, over the run: training from scratch moves by about its size or more.",
            "the clean trainings of the exam reach 0.2 to 5",
        ),
    )
    absorbs = ("plateau", "not-learning", "vanishing-gradients", "learning-rate-too-low", "updates-too-small")
    interventions = ("lower-adam-epsilon", "raise-learning-rate")

    def measure(self, view: RunView) -> EpsilonShare | NotEnough:
        if not view.signals.supervised or is_adam(view.run) is False:
            return NotEnough()
        loss, sizes, shares = outcome_of(view), update_sizes(view), view.layers("epsilon_share")
        if shares is None or len(shares) < FEWEST:
            return NotEnough(("epsilon_share of each layer",), logging_lines.ALL_SIGNALS)
        value = np.where(np.isfinite(shares.value), shares.value, np.nan)
        middle = row_medians(value)
        known = middle[~np.isnan(middle)]
        if len(known) < FEWEST:
            return NotEnough(("epsilon_share of each layer",), logging_lines.ALL_SIGNALS)
        of_each = row_medians(value.T)
        return EpsilonShare(
            share=float(np.median(known)),
            early=float(np.median(known[: max(1, int(EARLY_RECORDS * len(known)))])),
            tag=view.signals.per_layer["epsilon_share"].tags[0],
            layers=tuple(name for name, share in zip(shares.layers, of_each, strict=True) if share > 1 / 2),
            epsilon=setting(view.run, "eps"),
            starved=sizes is not None and sizes.starved,
            reach=None if sizes is None else sizes.reach,
            loss=loss,
            first_step=int(shares.step[0]),
        )

    def judge(self, measurement: EpsilonShare, limits: Mapping[str, float]) -> list[Finding]:
        loss, reach = measurement.loss, measurement.reach
        if min(measurement.share, measurement.early) <= limits["largest_share"] or loss is None or measurement.starved:
            return []
        moves = reach is not None and not reach < limits["largest_reach"]
        smallest_gain = limits["smallest_gain" if reach is None else "smallest_gain_unmoved"]
        if moves:
            return []
        stuck = loss.hardly_moved(smallest_gain)
        epsilon = "epsilon" if measurement.epsilon is None else f"epsilon = {measurement.epsilon:g}"
        evidence = [
            Evidence(
                f"{epsilon} is more than the root of the second moment in {measurement.share:.0%} of the weights "
                "(median layer)",
                signal=measurement.tag,
                value=measurement.share,
                threshold=limits["largest_share"],
            ),
            loss.gain_against(smallest_gain),
        ]
        if reach is not None:
            evidence.append(
                Evidence(
                    f"all updates together are at most {reach:.2g} of the size of the median weight matrix",
                    value=reach,
                    threshold=limits["largest_reach"],
                )
            )
        got = f", and {loss.tag} has hardly changed" if stuck else f"; {loss.tag} has gained {loss.gained:.0%} so far"
        return [
            self.finding(
                Severity.WARNING if stuck else Severity.INFO,
                0.95 if reach is not None else 0.8,
                f"{epsilon} outweighs the gradient in {measurement.share:.0%} of the weights{got}",
                first_step=measurement.first_step,
                last_step=loss.last_step,
                layers=measurement.layers,
                evidence=tuple(evidence),
            )
        ]

    def rule_out(self, measurement: EpsilonShare, limits: Mapping[str, float]) -> Evidence | None:
        if measurement.share > limits["largest_share"]:
            return None
        return Evidence(
            f"Adam divides by epsilon in {measurement.share:.0%} of the weights only (median layer)",
            signal=measurement.tag,
            value=measurement.share,
            threshold=limits["largest_share"],
        )
