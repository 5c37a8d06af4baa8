"""What people call their metrics in frameworks that have one list for all of them."""

from __future__ import annotations

import re
from dataclasses import dataclass

_SIDE = re.compile(r"(?P<side>train(?:ing)?|val(?:id(?:ation)?)?|eval(?:uation)?|test)(?:[/_.-]|$)", re.IGNORECASE)
LOSS = "loss"
TAKEN = frozenset({"step", "epoch", "tokens", "samples", "domain"})
"""Names that ``log`` gives a meaning of its own; a metric of such a name counts something and measures nothing."""


@dataclass(frozen=True, slots=True)
class MetricName:
    """A name taken apart: ``val/code/accuracy`` is the accuracy on the validation suite ``code``."""

    is_validation: bool
    suite: str
    metric: str


def understood(name: str) -> MetricName:
    """Take a name apart. What says nothing of a validation is of the training."""
    match = _SIDE.match(name)
    if match is None:
        return MetricName(is_validation=False, suite="", metric=name)
    is_validation = not match["side"].lower().startswith("train")
    rest = name[match.end() :] or LOSS
    suite, _, metric = rest.rpartition("/") if is_validation else ("", "", rest)
    return MetricName(is_validation, suite, metric)
