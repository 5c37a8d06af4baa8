"""Records one at a time: the way for few records, and for all that do not look like many others."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from trainvitals.eventfile.decoding import decode_layout
from trainvitals.eventfile.layout import Content, parse_event
from trainvitals.eventfile.wire import Unsupported, read_varint

if TYPE_CHECKING:
    from trainvitals.eventfile.collector import Collector
    from trainvitals.eventfile.layout import Layout
    from trainvitals.eventfile.problems import ProblemLedger
    from trainvitals.eventfile.tag_dictionary import TagDictionary

_WALL_TIME_KEY, _STEP_KEY = 0x09, 0x10
_BEHIND_WALL_TIME = 9
_SHORTEST = 20
_FLOAT_SIZE = 4
_MOST_STEP_BYTES = 10
_DOUBLE = struct.Struct("<d").unpack_from
_FLOAT = struct.Struct("<f").unpack_from


class RecordDecoder:
    """Decodes records for a collector.

    Nearly all records of a log are one float32 scalar after wall time and step. What stands between step and value is
    then the same for all records of a tag, so it is looked up rather than parsed.
    """

    def __init__(self, tags: TagDictionary, problems: ProblemLedger) -> None:
        self._tags = tags
        self._problems = problems
        self._known_middles: dict[bytes, int] = {}

    def decode(self, data: bytes, record: int, offset: int, into: Collector) -> None:
        """One record with a sound checksum: number ``record`` of its window, at byte ``offset`` of the file."""
        if len(data) < _SHORTEST or data[0] != _WALL_TIME_KEY:
            self._parse(data, record, offset, into)
            return
        at = _BEHIND_WALL_TIME
        step = 0
        if data[at] == _STEP_KEY:
            step = data[at + 1]
            at += 2
            if step > 0x7F:
                try:
                    step, at = read_varint(data, at - 1)
                except Unsupported:
                    at = len(data)
        code = self._known_middles.get(data[at:-_FLOAT_SIZE])
        if code is None or at > _BEHIND_WALL_TIME + _MOST_STEP_BYTES:
            self._parse(data, record, offset, into)
            return
        into.rows.append((record, code, step, _DOUBLE(data, 1)[0], _FLOAT(data, len(data) - _FLOAT_SIZE)[0]))

    def decode_parsed(self, data: bytes, layout: Layout | None, record: int, offset: int, into: Collector) -> bool:
        """``decode`` for a record whose layout is known; returns whether that sufficed, without protobuf."""
        if layout:
            try:
                into.add_event(decode_layout(data, layout, histograms=into.decodes_histograms), record, offset)
                return True
            except Unsupported:
                pass
        self._decode_with_protobuf(data, record, offset, into)
        return False

    def _parse(self, data: bytes, record: int, offset: int, into: Collector) -> None:
        layout = parse_event(data)
        if self.decode_parsed(data, layout, record, offset, into) and layout:
            self._remember(data, layout)

    def _decode_with_protobuf(self, data: bytes, record: int, offset: int, into: Collector) -> None:
        from trainvitals.eventfile import protobuf

        try:
            into.add_event(protobuf.decode_event(data), record, offset)
        except (Unsupported, protobuf.UnparsableError):
            self._problems.add("unparsable", offset)

    def _remember(self, data: bytes, layout: Layout) -> None:
        """The bytes between step and value of a record that is one simple scalar in the usual order."""
        if layout.wall_time_at != 1 or len(layout.values) != 1:
            return
        value = layout.values[0]
        behind_step = layout.step_at + layout.step_size if layout.step_size else _BEHIND_WALL_TIME
        usual_order = layout.step_at in (-1, _BEHIND_WALL_TIME + 1) and value.at == len(data) - _FLOAT_SIZE
        if value.content is Content.FLOAT and not value.tensor and usual_order:
            raw = data[value.tag_at : value.tag_at + value.tag_size]
            self._known_middles[data[behind_step:-_FLOAT_SIZE]] = self._tags.code(raw)
