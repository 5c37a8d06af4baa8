"""The suggestions of one framework, made for a run that was trained in it."""

from __future__ import annotations

from tests.monitor.interventions.suggesting import NAMES, finding
from tests.monitor.interventions.test_dialects import view_of

from trainvitals.interventions.registry import all_interventions


def suggested(framework: str) -> dict[str, str]:
    """The code in the framework's own words, by name."""
    found = {}
    for name in NAMES:
        suggestion = all_interventions()[name].suggest(view_of(framework, name), finding())
        if suggestion is not None and suggestion.dialect == framework:
            found[name] = suggestion.how
    return found
