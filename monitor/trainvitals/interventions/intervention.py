"""What an intervention is: a suggestion whose values come from the run it is made for."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

from trainvitals.model import Suggestion

if TYPE_CHECKING:
    from trainvitals.model import Finding, Verify
    from trainvitals.view import RunView


class Intervention(ABC):
    """One thing to try. The class docstring says when it applies and why it works.

    Class attributes:
        name: what to do, in kebab case, for example ``lower-learning-rate``.
        source: where it is known from.
    """

    name: ClassVar[str]
    source: ClassVar[str]

    @abstractmethod
    def suggest(self, view: RunView, finding: Finding) -> Suggestion | None:
        """The suggestion with values taken from this run, or None where it does not apply."""

    def suggestion(self, *, summary: str, how: str, expected: str, risk: str, verify: Verify) -> Suggestion:
        """A suggestion under this intervention's name and source.

        Args:
            how: Python that can be pasted; text from the log enters it only through ``quoted``.
        """
        return Suggestion(self.name, summary, how.strip("\n"), expected, risk, verify, self.source)
