"""What an intervention is: a suggestion whose values come from the run it is made for."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from trainvitals.model import Finding, Suggestion
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
