"""What a rule found: on what evidence, by which causes, and what to try."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from trainvitals.model.verdict import LIKELIER_THAN_NOT, Severity, likelihood_in_words

WHY_UNKNOWN = "why cannot be told"
"""How the evidence begins that says what has to be logged, or tried, before a cause can be named."""

Dialect = Literal["pytorch", "transformers", "lightning", "accelerate"]
"""What the code of a suggestion is written for."""

Basis = Literal["paper", "law", "this run", "documentation", "hypothesis"]
"""What an expectation rests on: a published result, a formula, numbers of this run, how a tool works, or a guess."""

Undo = Literal["changes nothing", "at any step", "from a checkpoint", "new start"]
"""How to get back from a suggestion: there is nothing to undo, turn it back, load a checkpoint, or begin anew."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """One measured fact: a sentence, the signal, the value, what it was compared with, and at which step."""

    text: str
    signal: str | None = None
    value: float | None = None
    threshold: float | None = None
    step: int | None = None


@dataclass(frozen=True, slots=True)
class Cause:
    """One possible cause of a symptom, with what speaks for and against it."""

    name: str
    confidence: float
    evidence_for: tuple[str, ...] = ()
    evidence_against: tuple[str, ...] = ()
    would_decide: str | None = None

    @property
    def is_ruled_out(self) -> bool:
        """Whether it is told only because numbers speak against it."""
        return not self.evidence_for


@dataclass(frozen=True, slots=True)
class Verify:
    """How to see whether an intervention helped: ``signal`` moves in ``direction`` by ``size`` within N steps."""

    signal: str
    direction: Literal["down", "up", "finite"]
    size: float
    within_steps: int


@dataclass(frozen=True, slots=True)
class Suggestion:
    """One thing to try.

    Args:
        name: the intervention's name.
        summary: one line.
        how: code or settings that can be pasted, in ``dialect``.
        expected: what should happen; ``basis`` says what that rests on.
        risk: what may go wrong; ``undo`` says whether it can be undone.
        verify: machine-readable success.
        source: where this is known from.
    """

    name: str
    summary: str
    how: str
    expected: str
    risk: str
    verify: Verify
    source: str
    dialect: Dialect = "pytorch"
    basis: Basis = "hypothesis"
    undo: Undo = "from a checkpoint"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a rule found: what, since when, how sure, on what evidence, and what to try.

    ``begins_by`` is the latest step at which it can have begun, where the signal is too sparse to date it closer than
    between ``first_step`` and then. ``to_try`` names the interventions for this very finding, the best first; where
    it is empty, those of its rule count. The engine makes ``interventions`` of them.
    """

    code: str
    name: str
    severity: Severity
    confidence: float
    summary: str
    first_step: int | None = None
    last_step: int | None = None
    begins_by: int | None = None
    layers: tuple[str, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    state: Literal["open", "resolved", "accepted"] = "open"
    accepted_because: str | None = None
    consequences: tuple[str, ...] = ()
    causes: tuple[Cause, ...] = ()
    to_try: tuple[str, ...] = ()
    interventions: tuple[Suggestion, ...] = ()

    @property
    def root(self) -> Cause | None:
        """The cause that is likelier than everything else together, if there is one."""
        best = max(self.causes, key=lambda cause: cause.confidence, default=None)
        return best if best is not None and best.confidence > LIKELIER_THAN_NOT and not best.is_ruled_out else None

    @property
    def unexplained(self) -> str | None:
        """Why no cause can be named, and what has to be logged or tried; None where there is nothing to explain."""
        return next((item.text for item in self.evidence if item.text.startswith(WHY_UNKNOWN)), None)

    @property
    def likelihood(self) -> str:
        """The confidence in words."""
        return likelihood_in_words(self.confidence)

    @property
    def signals(self) -> frozenset[str]:
        """The tags that the evidence names."""
        return frozenset(item.signal for item in self.evidence if item.signal)
