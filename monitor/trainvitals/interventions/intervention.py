"""What an intervention is: a suggestion whose values come from the run it is made for."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

from trainvitals.interventions.snippets import in_accelerate
from trainvitals.model import Basis, Dialect, Suggestion, Undo

if TYPE_CHECKING:
    from trainvitals.model import Finding, Verify
    from trainvitals.view import RunView

UNDO_IN_WORDS: dict[Undo, str] = {
    "changes nothing": "it changes nothing",
    "at any step": "can be undone at any step",
    "from a checkpoint": "can be undone from a checkpoint",
    "new start": "needs a new start",
}


class Intervention(ABC):
    """One thing to try. The class docstring says when it applies and why it works.

    Class attributes:
        name: what to do, in kebab case, for example ``lower-learning-rate``.
        source: where it is known from.
        basis: what the expected effect rests on. What declares none is a hypothesis, and is called one.
        undo: how to get back.
    """

    name: ClassVar[str]
    source: ClassVar[str]
    basis: ClassVar[Basis] = "hypothesis"
    undo: ClassVar[Undo] = "from a checkpoint"

    @abstractmethod
    def suggest(self, view: RunView, finding: Finding) -> Suggestion | None:
        """The suggestion with values taken from this run, or None where it does not apply."""

    def suggestion(
        self,
        *,
        summary: str,
        how: str,
        expected: str,
        risk: str,
        verify: Verify,
        dialect: Dialect = "pytorch",
        transformers: str | None = None,
        lightning: str | None = None,
    ) -> Suggestion:
        """A suggestion under this intervention's name and source.

        Args:
            how: plain PyTorch that can be pasted; text from the log enters it only through ``quoted``.
            risk: what may go wrong; whether it can be undone is added.
            dialect: ``view.dialect``.
            transformers, lightning: the same for these; None where ``how`` has no loop in it and holds everywhere.
        """
        own = {"transformers": transformers, "lightning": lightning}.get(dialect)
        if own is None and dialect == "accelerate":
            own = in_accelerate(how)
        return Suggestion(
            name=self.name,
            summary=summary,
            how=(how if own is None else own).strip("\n"),
            expected=f"a hypothesis: {expected}" if self.basis == "hypothesis" else expected,
            risk=f"{risk}; {UNDO_IN_WORDS[self.undo]}" if risk else UNDO_IN_WORDS[self.undo],
            verify=verify,
            source=self.source,
            dialect="pytorch" if own is None else dialect,
            basis=self.basis,
            undo=self.undo,
        )
