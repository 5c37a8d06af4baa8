"""JSON as loggers write it: bare NaN and Infinity, and whatever can be read of a file that breaks off."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

_DECODER = json.JSONDecoder()
_BETWEEN = re.compile(r"[\s,]*")


def parse_json(text: str) -> object:
    """The value in a JSON text.

    Raises:
        ValueError: it is no JSON, or it is nested too deeply.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def objects_from(text: str, start: int) -> Iterator[dict[str, object]]:
    """The complete objects that follow each other in a text, with or without commas, up to anything else.

    Args:
        text: for example a JSON list that breaks off.
        start: where the first object may begin.
    """
    while True:
        between = _BETWEEN.match(text, start)
        start = between.end() if between else start
        if not text.startswith("{", start):
            return
        try:
            value, start = _DECODER.raw_decode(text, start)
        except (ValueError, RecursionError):
            return
        yield value
