"""DAT006: a part of the labels contradicts the rest, and the loss cannot fall below what they cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from trainvitals.model import Evidence, Finding, Severity
from trainvitals.rules.rule import NotEnough, Rule, Threshold
from trainvitals.view import RunView

SET_A_PROBE_SET = (
    'vitals.probe_set((x, y), lambda model, batch: cross_entropy(model(batch[0]), batch[1], reduction="none"))'
)
EVALUATIONS, EXAMPLES = 9, 64
"""Three for each third; with 64 examples a share of 5 % is three of them."""

SUREST_QUANTILE = 0.1
SHOWN = 8
LIKELY = 0.8


@dataclass(frozen=True, slots=True)
class Disbelief:
    """Which labels of the probe set a model does not believe.

    Args:
        tag: of the mean loss. examples: of the set.
        guess: the median loss of an example at the first evaluation.
        share: of the examples whose loss stays above that, in the last third of the evaluations.
        persistent: how much of this set was in it in the middle third already, and the other way round (Jaccard).
        surest, typical: the lowest tenth and the median of the other losses. contradicted: the mean of those above.
        mean_before, mean: of all losses, in the middle third and in the last.
        places: the examples with the largest loss.
        since_step, last_step: from the last third on.
    """

    tag: str
    examples: int
    guess: float
    share: float
    persistent: float
    surest: float
    typical: float
    contradicted: float
    mean_before: float
    mean: float
    places: tuple[str, ...]
    since_step: int
    last_step: int

    @property
    def cost_of_doubt(self) -> float:
        """What a right label costs a model that knows how many are wrong."""
        return -float(np.log1p(-self.share)) if self.share < 1 else float("inf")


class LabelNoiseFloor(Rule[Disbelief]):
    """A part of the labels contradicts the rest; the loss stands on the floor that this makes.

    What it finds
    -------------
    A loss that stands still well above zero because a share of the labels is wrong or random: the model holds them to
    be less likely than an untrained one did, the same ones evaluation after evaluation, and it believes even the surest
    of the others only as far as that share allows. An information: with these labels nothing is left to learn.

    Why it matters
    --------------
    No rate, batch size or model lowers such a floor. A model that is made to go below it learns wrong labels by heart.

    How it is detected
    ------------------
    The loss of each example of a probe set is needed (`vitals.probe_set`). Contradicted is an example whose mean loss
    over the last third of the evaluations is above the median of the first evaluation. A finding needs: a share q of
    them of at least `smallest_share`; nearly the same set in the middle third (`smallest_overlap`); a mean loss that
    has not fallen by `still_falling` since then; and the others at the price of doubt, -ln(1 - q): their median within
    a factor of `largest_factor` of it, and their lowest tenth no less than a `largest_factor`-th of it. That last
    condition tells noise, which may hit any label, from hard examples, beside which easy ones cost nothing.

    False alarms
    ------------
    Label smoothing puts a floor below all examples as well, but contradicts none. A task that is random by nature (the
    next word, a coin) has such a floor by right. Squared errors are not judged: their noise leaves no such trace.

    What to try
    -----------
    Look at the examples named, and correct or drop what is wrong; a loss that forgives (label smoothing); more data
    averages noise out for the model, though not for its loss; stop, for the loss has nothing more to give.

    Sources
    -------
    Northcutt et al. 2021, "Confident learning", on labels that a model is confident are others. The floor of symmetric
    noise and its trace in the sure examples follow from the cross-entropy (ours).
    """

    code = "DAT006"
    name = "label-noise-floor"
    summary = "A part of the labels contradicts the rest, and the loss stands on what they cost."
    reads = ("per_layer.probe_set_example_loss",)
    thresholds = (
        Threshold("smallest_share", 0.05, "Of the examples. Common data sets have 3 % wrong labels.", "Northcutt 2021"),
        Threshold("largest_share", 0.5, "Of the examples. Where more are doubted, the model has not learnt.", "logic"),
        Threshold("smallest_overlap", 0.7, "Of the doubted sets of two thirds: it is the labels, not chance.", "ours"),
        Threshold("still_falling", 0.02, "Of the mean loss, from one third to the next.", "as for not-learning"),
        Threshold("largest_factor", 1.5, "Between the price of doubt and what others cost; in theory 1.", "convention"),
        Threshold("surest_share", 0.5, "Of the price of doubt, for the surest tenth; in theory 1.", "convention"),
    )
    absorbs = ("plateau", "gradient-noise-dominates", "underfitting")
    interventions = ("check-labels", "stop-and-keep-best", "dynamic-curriculum", "more-data")

    def measure(self, view: RunView) -> Disbelief | NotEnough:
        losses = view.layers("probe_set_example_loss")
        if losses is None or not view.signals.supervised:
            missing = ("loss of each example of a probe set",) if view.signals.supervised else ()
            return NotEnough(missing, SET_A_PROBE_SET if missing else "")
        whole = np.isfinite(losses.value).all(axis=1)
        value, step = losses.value[whole], losses.step[whole]
        if len(value) < EVALUATIONS or value.shape[1] < EXAMPLES or float(value.min()) < 0:
            return NotEnough()
        third = len(value) // 3
        guess = float(np.median(value[0]))
        middle, late = value[-2 * third : -third].mean(axis=0), value[-third:].mean(axis=0)
        doubted, before = late > guess, middle > guess
        others = late[~doubted] if not doubted.all() else late
        either = int((doubted | before).sum())
        return Disbelief(
            tag="probe_set_example_loss",
            examples=value.shape[1],
            guess=guess,
            share=float(doubted.mean()),
            persistent=float((doubted & before).sum()) / either if either else 0.0,
            surest=float(np.quantile(others, SUREST_QUANTILE)),
            typical=float(np.median(others)),
            contradicted=float(late[doubted].mean()) if doubted.any() else 0.0,
            mean_before=float(middle.mean()),
            mean=float(late.mean()),
            places=tuple(losses.layers[index] for index in np.argsort(-late)[:SHOWN]),
            since_step=int(step[-third]),
            last_step=int(step[-1]),
        )

    def judge(self, measurement: Disbelief, limits: Mapping[str, float]) -> list[Finding]:
        doubt, price = measurement, measurement.cost_of_doubt
        if not limits["smallest_share"] <= doubt.share <= limits["largest_share"]:
            return []
        stands = doubt.mean >= (1 - limits["still_falling"]) * doubt.mean_before
        if doubt.persistent < limits["smallest_overlap"] or not stands:
            return []
        factor, floor = limits["largest_factor"], limits["surest_share"] * price
        if not price / factor <= doubt.typical <= factor * price or doubt.surest < floor:
            return []
        first = f"{doubt.tag}/{doubt.places[0]}"
        return [
            self.finding(
                Severity.INFO,
                LIKELY,
                f"{doubt.share:.0%} of the labels contradict the rest: the loss stands at {doubt.mean:.3g}, about what "
                "they cost",
                first_step=doubt.since_step,
                last_step=doubt.last_step,
                evidence=(
                    Evidence(
                        f"{doubt.share:.0%} of {doubt.examples} examples cost more than a guess ({doubt.guess:.3g}), "
                        f"{doubt.contradicted:.3g} on average; the most: {', '.join(doubt.places)}",
                        signal=first,
                        value=doubt.share,
                        threshold=limits["smallest_share"],
                        step=doubt.last_step,
                    ),
                    Evidence(
                        f"{doubt.persistent:.0%} of them are the same as in the third before",
                        value=doubt.persistent,
                        threshold=limits["smallest_overlap"],
                    ),
                    Evidence(
                        f"the others cost {doubt.typical:.3g}, the surest tenth {doubt.surest:.3g}; who knows that "
                        f"{doubt.share:.0%} are wrong pays {price:.3g} for each right one",
                        value=doubt.surest,
                        threshold=floor,
                    ),
                ),
            )
        ]

    def rule_out(self, measurement: Disbelief, limits: Mapping[str, float]) -> Evidence | None:
        if measurement.share >= limits["smallest_share"]:
            return None
        text = f"{measurement.share:.0%} of the examples of the probe set cost more than a guess"
        return Evidence(text, value=measurement.share, threshold=limits["smallest_share"])
