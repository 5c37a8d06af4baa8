"""What was marked in an event file: texts whose tag says that something happened at their step."""

from __future__ import annotations

from collections.abc import Iterable

from trainvitals import tags
from trainvitals.eventfile.columns import Text
from trainvitals.formats.json_text import parse_json
from trainvitals.model import Marker

_PREFIX = tags.event("")


def markers_in(texts: Iterable[Text]) -> tuple[Marker, ...]:
    """The markers among the texts, by step; what was told of them is empty where it is no JSON object."""
    found = (_marker(text) for text in texts if text.tag.startswith(_PREFIX))
    return tuple(sorted(found, key=lambda marker: marker.step))


def _marker(text: Text) -> Marker:
    try:
        told = parse_json(text.text)
    except ValueError:
        told = None
    details = {str(name): value for name, value in told.items()} if isinstance(told, dict) else {}
    return Marker(int(text.step), text.tag.removeprefix(_PREFIX), details)
