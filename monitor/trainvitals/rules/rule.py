"""What a rule is: it measures a run, judges the measurement, and its docstring is the page that explains it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from trainvitals.model import Evidence, Finding, Severity

if TYPE_CHECKING:
    from trainvitals.view import RunView

FAMILIES = {
    "LOS": "loss",
    "GRD": "gradients",
    "ACT": "activations",
    "UPD": "updates",
    "LRS": "learning-rate",
    "GEN": "generalisation",
    "DAT": "data",
    "NUM": "numerics",
    "SYS": "system",
    "RUN": "run",
}

PAGE_HEADINGS = (
    "What it finds",
    "Why it matters",
    "How it is detected",
    "False alarms",
    "What to try",
    "Sources",
)


@dataclass(frozen=True, slots=True)
class Threshold:
    """One number that decides something. It can be set under ``[tool.trainvitals.rules.<rule>]``.

    Args:
        name: snake case, with its unit where it has one.
        default: used unless set.
        reason: why this value.
        source: where it comes from: a paper, a measurement of ours, a convention.
    """

    name: str
    default: float
    reason: str
    source: str


@dataclass(frozen=True, slots=True)
class NotEnough:
    """The rule cannot judge this run: which signals are missing, and the one line that would log them.

    A rule that does not apply, because the run is of another kind, says so with an empty ``missing``; it is then
    not reported as unassessed.
    """

    missing: tuple[str, ...] = ()
    how: str = ""


Measurement = TypeVar("Measurement")


class Rule(ABC, Generic[Measurement]):
    """One thing that can be wrong with a training run.

    The class docstring is the page that ``trainvitals explain`` prints; it has the headings of ``PAGE_HEADINGS``.
    ``measure`` is arithmetic on the run and knows no thresholds beyond what defines the measurement; ``judge`` holds
    the measurement against the limits. Neither reads files, the clock or global state, and neither changes its input.

    Class attributes:
        code: three letters of the family and three digits.
        name: the problem, in kebab case.
        summary: one line.
        reads: the signals that ``measure`` asks for, needed or welcome; ``reads.SIGNALS`` has their names.
        thresholds: every number that decides something.
        absorbs: names of findings that this one explains when they begin no earlier than it does.
        interventions: names of suggestions, the best first.
    """

    code: ClassVar[str]
    name: ClassVar[str]
    summary: ClassVar[str]
    reads: ClassVar[tuple[str, ...]] = ()
    thresholds: ClassVar[tuple[Threshold, ...]] = ()
    absorbs: ClassVar[tuple[str, ...]] = ()
    interventions: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def measure(self, view: RunView) -> Measurement | NotEnough:
        """The numbers that the verdict rests on, or what is missing to have them."""

    @abstractmethod
    def judge(self, measurement: Measurement, limits: Mapping[str, float]) -> list[Finding]:
        """The findings that follow from a measurement; none is an answer. ``limits`` has every threshold by name."""

    def rule_out(self, measurement: Measurement, limits: Mapping[str, float]) -> Evidence | None:  # noqa: ARG002
        """The number that rules this problem out as a cause of others; asked for only where ``judge`` found nothing.

        None, which is what a rule says that does not override this: its silence proves nothing.
        """
        return None

    @property
    def family(self) -> str:
        """The family's name, for example ``loss``."""
        return FAMILIES[self.code[:3]]

    @property
    def names(self) -> tuple[str, ...]:
        """All that a person may call this rule: name, code, family name, family letters."""
        return (self.name, self.code, self.family, self.code[:3])

    def finding(self, severity: Severity, confidence: float, summary: str, **details: Any) -> Finding:
        """A finding of this rule; ``details`` are the remaining fields of ``Finding``."""
        return Finding(
            code=self.code, name=self.name, severity=severity, confidence=confidence, summary=summary, **details
        )

    def limits(self, settings: Mapping[str, float]) -> dict[str, float]:
        """Every threshold by name: the defaults, overridden by the settings.

        Raises:
            KeyError: a setting that names no threshold of this rule.
        """
        limits = {threshold.name: threshold.default for threshold in self.thresholds}
        for name, value in settings.items():
            if name not in limits:
                raise KeyError(name)
            limits[name] = value
        return limits
