"""Vital signs for training runs: read a log, say what is wrong, since when, why, how sure, and what to try.

>>> import numpy, trainvitals
>>> steps = numpy.arange(400)
>>> run = trainvitals.Run.from_columns({"step": steps, "loss": 2 + 8 * (steps + 10.0) ** -0.5})
>>> trainvitals.diagnose(run).status
<Status.HEALTHY: 'healthy'>
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trainvitals.config import Config
    from trainvitals.contract import check_rule
    from trainvitals.engine import diagnose
    from trainvitals.errors import TrainvitalsError
    from trainvitals.formats import read_run, read_runs
    from trainvitals.model import Diagnosis, Finding, Run, Series
    from trainvitals.rules.rule import Rule
    from trainvitals_hooks import watch

__version__ = "0.1.0"

__all__ = [
    "Config",
    "Diagnosis",
    "Finding",
    "Rule",
    "Run",
    "Series",
    "TrainvitalsError",
    "check_rule",
    "diagnose",
    "read_run",
    "read_runs",
    "watch",
]

# Loaded on first use (PEP 562), so that importing the package and printing a help text stay fast.
_HOME = {
    "Config": "config",
    "Diagnosis": "model",
    "Finding": "model",
    "Rule": "rules.rule",
    "Run": "model",
    "Series": "model",
    "TrainvitalsError": "errors",
    "check_rule": "contract",
    "diagnose": "engine",
    "read_run": "formats",
    "read_runs": "formats",
}


def __getattr__(name: str) -> Any:
    if name == "watch":
        return _watch()
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def _watch() -> Any:
    """The one name that lives in the other package, because it needs torch."""
    try:
        from trainvitals_hooks import watch
    except ModuleNotFoundError as missing:
        if missing.name != "torch":
            raise
        from trainvitals.errors import MissingExtraError

        hint = "pip install torch, or pip install 'trainvitals[torch]'"
        raise MissingExtraError("watching a training loop needs torch", hint=hint) from None
    return watch


def __dir__() -> list[str]:
    return sorted((*globals(), *__all__))
