"""A running training loop in, event files out. torch is loaded here only; users call ``trainvitals.watch``."""

from __future__ import annotations

from trainvitals_hooks.vitals import Vitals
from trainvitals_hooks.watcher import watch

__all__ = ["Vitals", "watch"]
