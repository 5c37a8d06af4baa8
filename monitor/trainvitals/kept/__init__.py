"""Diagnoses that were made before, kept for the next start of the command line and of the app.

A verdict is found again only for the very files, settings, plugins and code that it was made from; whatever goes wrong
with the store costs the time of another diagnosis and nothing else.
"""

from trainvitals.kept.diagnoses import KeptDiagnoses
from trainvitals.kept.store import Store, default_store
from trainvitals.kept.summary import RunSummary

__all__ = ["KeptDiagnoses", "RunSummary", "Store", "default_store"]
