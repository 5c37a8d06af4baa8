"""What a cause of a training that is stuck looks like: which facts speak for it and against it.

The weights are logarithms of likelihood ratios, in three sizes. The table is ours; which facts belong to which cause is
known from the literature: Glorot and Bengio 2010 (saturation, initialisation), Zhang et al. ICSE 2021 (vanishing,
dying), McCandlish et al. 2018 (noise scale), Sokar et al. 2023 (dormant units), Wortsman et al. 2023 (attention),
Kosson et al. 2024 (weight decay), Schoenholz et al. 2017 (depth), Muennighoff et al. 2023 (repeated data).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

HINT, CLEAR, STRONG = 1.0, 2.0, 3.5
"""exp(1) = 2.7, exp(2) = 7 and exp(3.5) = 33 times as likely with the cause as without it."""

PRIOR = -2.0
"""Of each cause against "something else": one in eight before anything is known."""

BY_ELIMINATION = 0.75
"""The most that can be said of what is left over: no list of causes is complete."""


@dataclass(frozen=True, slots=True)
class Signature:
    """One cause.

    Args:
        mechanism: why it stops a training, in one clause.
        would_decide: the measurement or short experiment that shows whether it is this.
        weights: by fact and state; facts that are not listed say nothing of it.
        shown_by: names of findings that show it, beside the one of its own name.
        by_elimination: nothing speaks for it that would not be so without it; it is what is left where no other
            cause has much for it.
        surest: the highest confidence that facts of this kind can give.
        to_try: names of interventions, for a cause that has no rule.
    """

    mechanism: str
    would_decide: str
    weights: Mapping[tuple[str, str], float] = field(default_factory=dict)
    shown_by: tuple[str, ...] = ()
    by_elimination: bool = False
    surest: float = 1.0
    to_try: tuple[str, ...] = ()

    @property
    def shows_in_facts(self) -> bool:
        """Whether facts alone can make it likely; else only a rule can find it."""
        return any(weight > 0 for weight in self.weights.values())
