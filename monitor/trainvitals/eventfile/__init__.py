"""TensorBoard event files: read as columns, written from templates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trainvitals.eventfile.columns import EventColumns, HistogramColumns, SessionStart, Text
    from trainvitals.eventfile.reader import EventFileReader
    from trainvitals.eventfile.writer import EventFileWriter

__all__ = ["EventColumns", "EventFileReader", "EventFileWriter", "HistogramColumns", "SessionStart", "Text"]

# Loaded on first use, so that who writes does not load the reader.
_HOME = {
    "EventColumns": "columns",
    "EventFileReader": "reader",
    "EventFileWriter": "writer",
    "HistogramColumns": "columns",
    "SessionStart": "columns",
    "Text": "columns",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
