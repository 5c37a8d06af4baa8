"""The list of interventions, by name."""

from __future__ import annotations

from functools import cache
from importlib import import_module

from trainvitals.interventions.intervention import Intervention

# One line an intervention: the module below ``trainvitals.interventions`` and the class in it.
BUILT_IN: tuple[tuple[str, str], ...] = ()


@cache
def all_interventions() -> dict[str, Intervention]:
    """Every intervention by its name."""
    loaded = [getattr(import_module(f"trainvitals.interventions.{module}"), cls)() for module, cls in BUILT_IN]
    return {intervention.name: intervention for intervention in loaded}
