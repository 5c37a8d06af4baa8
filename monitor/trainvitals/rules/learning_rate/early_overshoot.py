"""Whether the first updates threw the weights far from where they began, and what the loss made of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainvitals.model import Evidence, Finding, Series
from trainvitals.rules.activations.attention_collapse import AttentionCollapse
from trainvitals.rules.rule import NotEnough, Threshold
from trainvitals.rules.updates.outcome import EARLY_SHARE, Outcome, outcome_of
from trainvitals.rules.updates.sizes import has_attention, is_adam, update_sizes
from trainvitals.view import RunView

WARMED_UP_FROM = 0.5
"""Of the highest early rate. A warm-up begins far below."""

READS = (
    *("learning_rate", "train_loss", "val_loss", "per_layer.update_ratio", "per_layer.weight_norm"),
    *("per_layer.attention_entropy", "per_layer.attention_logit_max"),
)
"""All that is asked for here."""

FAST_RECORDS = 3
"""Where no norms of the weights were logged, so many records in which they are remade must do."""

BLOW_UP_SDS = 6.0
FELL_BACK_SDS = 4.0
"""Above the lowest of many medians of nine, each of which has a third of the noise of a point."""

WARMED_RATIO = 0.03
"""Norms that grow threefold in so many steps as a warm-up has grow by as much a step on average."""

FASTEST_RATIO = Threshold(
    "fastest_ratio",
    0.1,
    "At a tenth of its size a step a matrix is another one after ten. Healthy updates are about 1e-3 of the weights, "
    "in the first steps of small networks up to 0.05.",
    "Karpathy, CS231n notes (1e-3); ours: the clean trainings of the exam begin at 0.001 to 0.06",
)
LARGEST_GROWTH = Threshold(
    "largest_growth",
    2.0,
    "Norms that double in the first tenth of a run hold three parts of these updates to one of the initialisation.",
    "2² = 4, of which 1 is the beginning; the clean trainings of the exam grow by 1.0 to 1.8",
)
OVERWHELMING_GROWTH = Threshold(
    "overwhelming_growth",
    3.0,
    "Under a warm-up the norms grow along with the rate, and the ratio never reaches its limit. Norms three times as "
    "large hold eight parts of these updates to one of the initialisation.",
    "3² = 9, of which 1 is the beginning; the clean trainings of the exam grow by 1.0 to 1.8",
)
BLOW_UP_FACTOR = Threshold(
    "blow_up_factor",
    1.1,
    "A tenth above an untrained model's loss, and six standard deviations of the noise, is worse than knowing nothing.",
    "as for diverging-loss; the first loss of a classifier is that of guessing",
)


@dataclass(frozen=True, slots=True, eq=False)
class EarlyOvershoot:
    """The first tenth of a run.

    Args:
        ratio: the largest update ratio of the median matrix; ratio_step, ratio_tag: where.
        ratios: ``[T]`` of that matrix in the first tenth.
        growth: of the norm of the median matrix by the end of it; NaN where not logged.
        outcome: what became of the loss; None with too few points.
        adam, attention: what kind of optimizer and network it is.
        warmed_up: the rate began far below its early peak; None where no rate was logged.
        collapse: of the attention of a layer, in that tenth and for good; None where there is none.
        first_step: of the run.
    """

    ratio: float
    ratio_step: int
    ratio_tag: str
    ratios: NDArray[np.float64]
    growth: float
    outcome: Outcome | None
    adam: bool
    attention: bool
    warmed_up: bool | None
    collapse: Finding | None
    first_step: int

    def remade(self, limits: Mapping[str, float]) -> bool:
        """Whether the first updates remade the weights."""
        if self.growth >= limits[OVERWHELMING_GROWTH.name] and self.ratio >= WARMED_RATIO:
            return True
        if self.ratio < limits[FASTEST_RATIO.name]:
            return False
        if np.isnan(self.growth):
            lost = self.outcome is not None and self.outcome.lost
            return lost or int(np.sum(self.ratios >= limits[FASTEST_RATIO.name])) >= FAST_RECORDS
        return self.growth >= limits[LARGEST_GROWTH.name]

    def blew_up(self, limits: Mapping[str, float]) -> bool:
        """Whether the loss rose far above that of the untrained model in the first steps."""
        loss = self.outcome
        if loss is None or loss.first <= 0:
            return False
        high = max(limits[BLOW_UP_FACTOR.name] * loss.first, loss.first + BLOW_UP_SDS * loss.noise_sd)
        return loss.early_peak >= high

    def fell_back(self, limits: Mapping[str, float]) -> bool:
        """Whether the loss ends far above where it was for a while in the first steps."""
        loss = self.outcome
        if loss is None or not loss.early_low > 0:
            return False
        high = max(limits[BLOW_UP_FACTOR.name] * loss.early_low, loss.early_low + FELL_BACK_SDS * loss.noise_sd)
        return loss.end >= high

    def for_want_of_warm_up(self, limits: Mapping[str, float]) -> bool:
        """Whether only the first steps were too large, in a training of the kind that needs a warm-up."""
        needs_one = self.adam and self.attention and self.warmed_up is False
        too_large = limits[FASTEST_RATIO.name] <= self.ratio < 1.0
        return needs_one and too_large and (self.blew_up(limits) or self.fell_back(limits) or self.collapsed(limits))

    def collapsed(self, limits: Mapping[str, float]) -> bool:
        """Whether weights that the first updates remade put out attention that rests on single places ever since."""
        growth = limits.get(LARGEST_GROWTH.name, LARGEST_GROWTH.default)
        return self.collapse is not None and self.growth >= growth


def early_overshoot(view: RunView) -> EarlyOvershoot | None:
    """What the first updates did; None where their sizes were not logged."""
    loss, sizes = outcome_of(view), update_sizes(view)
    if sizes is None:
        return None
    first = view.run.first_step or 0
    early = sizes.step <= first + EARLY_SHARE * view.span_steps
    middle = np.where(np.isnan(sizes.middle), 0.0, sizes.middle)[early]
    if not len(middle):
        return None
    at = int(np.argmax(middle))
    growth = sizes.middle_growth
    known = np.empty(0) if growth is None else growth[early][~np.isnan(growth[early])]
    return EarlyOvershoot(
        ratio=float(middle[at]),
        ratio_step=int(sizes.step[early][at]),
        ratio_tag=sizes.tags[0],
        ratios=middle,
        growth=float(known.max()) if len(known) else float("nan"),
        outcome=loss,
        adam=is_adam(view.run) is True,
        attention=has_attention(sizes.all_layers),
        warmed_up=_warmed_up(view.learning_rate, first + EARLY_SHARE * view.span_steps),
        collapse=_collapse(view, first + EARLY_SHARE * view.span_steps),
        first_step=first,
    )


def fallen_back(loss: Outcome, limits: Mapping[str, float]) -> Evidence:
    """The loss at the end beside where it was in the first steps."""
    return Evidence(
        f"{loss.tag} was at {loss.early_low:.3g} in the first tenth of the run, and ends at {loss.end:.3g}",
        signal=loss.tag,
        value=loss.end,
        threshold=limits[BLOW_UP_FACTOR.name] * loss.early_low,
        step=loss.last_step,
    )


def _collapse(view: RunView, until: float) -> Finding | None:
    rule = AttentionCollapse()
    attention = rule.measure(view)
    found = [] if isinstance(attention, NotEnough) else rule.judge(attention, rule.limits(view.settings_of(rule)))
    return next((each for each in found if each.begins_by is not None and each.begins_by <= until), None)


def _warmed_up(rate: Series | None, until: float) -> bool | None:
    if rate is None or not len(rate):
        return None
    early = rate.value[rate.step <= until]
    if not len(early) or not float(early.max()) > 0:
        return None
    return float(early[0]) < WARMED_UP_FROM * float(early.max())
