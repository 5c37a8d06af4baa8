"""What can be measured of a training that is stuck, each fact in one word: the table of causes is written in these.

Facts are taken over the stretch in which the training is stuck. A fact whose signal was not recorded is absent.
"""

from __future__ import annotations

from trainvitals.causes import facts_of_data, facts_of_networks, facts_of_steps
from trainvitals.causes.stretch import Fact, Stretch
from trainvitals.view import RunView

LOOKS = (*facts_of_data.LOOKS, *facts_of_steps.LOOKS, *facts_of_networks.LOOKS)


def facts_of(view: RunView, first_step: int | None) -> dict[str, Fact]:
    """Everything that can be said of a run from this step on, by name."""
    stretch = Stretch(view, first_step or 0)
    found = (fact for look in LOOKS for fact in look(stretch))
    return {fact.name: fact for fact in found}
