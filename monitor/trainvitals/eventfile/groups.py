"""Many records at once: those of equal length are laid side by side and read column by column."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from trainvitals.eventfile.crc32c_rows import sound_rows
from trainvitals.eventfile.framing import overlapping
from trainvitals.eventfile.layout import parse_event
from trainvitals.eventfile.record import FOOTER_SIZE, HEADER_SIZE
from trainvitals.eventfile.tag_index import UNKNOWN, TagIndex
from trainvitals.eventfile.templates import Template
from trainvitals.eventfile.wire import Unsupported

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from trainvitals.eventfile.collector import Collector
    from trainvitals.eventfile.framing import Frames, Window
    from trainvitals.eventfile.layout import Layout
    from trainvitals.eventfile.problems import ProblemLedger
    from trainvitals.eventfile.records import RecordDecoder
    from trainvitals.eventfile.tag_dictionary import TagDictionary

# Fewer alike are faster one by one, unless they are large: then each is many scalars.
_FEW = 8
_LARGE = 2048
_CHUNK_SIZE = 1 << 20
# Looks of records of one size that are remembered; if there are more, they are read one by one.
_MOST_TEMPLATES = 8
_TEMPLATE_MEMORY = 16 << 20
_SHORT_SIZES = 1 << 16
_WORD_SIZE = 8


class GroupDecoder:
    """Decodes the records of large windows for a collector, and remembers what it learned of their looks."""

    def __init__(self, tags: TagDictionary, problems: ProblemLedger, records: RecordDecoder) -> None:
        self._tags = tags
        self._problems = problems
        self._records = records
        self._templates: dict[int, list[Template]] = {}
        self._template_memory = 0
        self._indexes: dict[int, TagIndex] = {}

    def decode(self, window: Window, frames: Frames, into: Collector) -> None:
        """All records of the window; those with a wrong checksum are skipped and reported."""
        place = _Place(window, np.asarray(frames.starts), into)
        for size, members in _by_size(frames.sizes):
            if size >= _LARGE and size not in self._templates:
                members = self._without_leading_others(place, size, members)
            elif len(members) < _FEW and size < _LARGE:
                self._one_by_one(place, size, members)
                continue
            many = max(1, _CHUNK_SIZE // size)
            for first in range(0, len(members), many):
                self._side_by_side(place, size, members[first : first + many])

    def _without_leading_others(self, place: _Place, size: int, members: NDArray[np.int64]) -> NDArray[np.int64]:
        """Decodes large records that are not scalars where they lie; laying them side by side would only cost."""
        for index, record in enumerate(members.tolist()):
            data = place.sound_data(record, size)
            if data is None:
                self._problems.add("bad-checksum", place.offset(record))
                continue
            layout = parse_event(data)
            if layout and layout.only_scalars:
                self._new_template(place.rows(members[index : index + 1], size)[0], data, layout)
                return members[index:]
            self._records.decode_parsed(data, layout, record, place.offset(record), place.into)
        return members[:0]

    def _one_by_one(self, place: _Place, size: int, members: NDArray[np.int64]) -> None:
        for record in members.tolist():
            data = place.sound_data(record, size)
            if data is None:
                self._problems.add("bad-checksum", place.offset(record))
            else:
                self._records.decode(data, record, place.offset(record), place.into)

    def _side_by_side(self, place: _Place, size: int, members: NDArray[np.int64]) -> None:
        rows = place.rows(members, size)
        data_at = _data_at(size)
        sound = sound_rows(rows, data_at)
        if sound is not None:
            for record in members[~sound].tolist():
                self._problems.add("bad-checksum", place.offset(record))
            rows, members = rows[sound], members[sound]
        for known in self._templates.get(size, ()):
            if len(rows):
                rows, members = self._take_fitting(place, known, rows, members)
        new_templates = 0
        while len(rows):
            data = rows[0, data_at:-FOOTER_SIZE].tobytes()
            layout = parse_event(data)
            template = None
            if layout and new_templates < _MOST_TEMPLATES and (size >= _LARGE or len(rows) >= _FEW):
                template = self._new_template(rows[0], data, layout)
            if template:
                new_templates += 1
                rows, members = self._take_fitting(place, template, rows, members)
                continue
            record = int(members[0])
            self._records.decode_parsed(data, layout, record, place.offset(record), place.into)
            rows, members = rows[1:], members[1:]

    def _new_template(self, row: NDArray[np.uint8], data: bytes, layout: Layout) -> Template | None:
        """A template of events like this one; None if it is not one of scalars alone."""
        if not layout.only_scalars or len({value.tensor is None for value in layout.values}) > 1:
            return None
        size = len(data)
        try:
            template = Template(row, data, layout, self._tags)
        except Unsupported:
            return None
        if self._template_memory + template.memory > _TEMPLATE_MEMORY:
            self._templates.clear()
            self._template_memory = 0
        alike = self._templates.setdefault(size, [])
        alike.insert(0, template)
        self._template_memory += template.memory - sum(old.memory for old in alike[_MOST_TEMPLATES:])
        del alike[_MOST_TEMPLATES:]
        return template

    def _take_fitting(
        self, place: _Place, template: Template, rows: NDArray[np.uint8], members: NDArray[np.int64]
    ) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """Reads the rows that fit, and returns the others."""
        fits = template.fits(rows)
        others = rows[~fits], members[~fits]
        if not fits.all():
            rows, members = rows[fits], members[fits]
        if not len(rows):
            return others
        piece = template.read(rows, members, self._index(template.tag_size))
        if template.repeated_tags:
            self._problems.add("duplicate-tag", place.offset(int(members[0])), template.repeated_tags * len(rows))
        nameless = piece.code[:, 0] == UNKNOWN
        if nameless.any():
            for record in members[nameless].tolist():
                self._problems.add("unparsable", place.offset(record))
            piece = piece.take(~nameless)
        place.into.add_piece(piece)
        return others

    def _index(self, tag_size: int) -> TagIndex | None:
        if tag_size and tag_size not in self._indexes:
            self._indexes[tag_size] = TagIndex(self._tags, tag_size)
        return self._indexes.get(tag_size)


class _Place(NamedTuple):
    """Where records come from and where they go."""

    window: Window
    starts: NDArray[np.int64]
    into: Collector

    def offset(self, record: int) -> int:
        """Where a record begins in the file."""
        return self.window.offset + int(self.starts[record])

    def sound_data(self, record: int, size: int) -> bytes | None:
        """The data of a record, None if its checksum is wrong."""
        return self.window.sound_data(int(self.starts[record]), size)

    def rows(self, members: NDArray[np.int64], size: int) -> NDArray[np.uint8]:
        """``[n, W]`` a copy of records of one size: their data and checksum, preceded by some bytes of the header.

        The header is the same for all records of one size, so these bytes are, too.
        """
        data_at = _data_at(size)
        width = data_at + size + FOOTER_SIZE
        every_row = overlapping(self.window.data, f"V{width}")
        return every_row[self.starts[members] + (HEADER_SIZE - data_at)].view(np.uint8).reshape(-1, width)


def _by_size(sizes: NDArray[np.int64]) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """Each size and the numbers of its records, ascending."""
    short = sizes < _SHORT_SIZES
    for chosen, dtype in ((np.flatnonzero(short), np.uint16), (np.flatnonzero(~short), np.int64)):
        # Sixteen-bit numbers are sorted in linear time.
        order = chosen[np.argsort(sizes[chosen].astype(dtype), kind="stable")]
        ends = np.flatnonzero(np.diff(sizes[order])) + 1
        yield from ((int(sizes[members[0]]), members) for members in np.split(order, ends) if len(members))


def _data_at(size: int) -> int:
    """Where data of this size begins in its row, so that data and checksum end with a word of eight bytes."""
    return -(size + FOOTER_SIZE) % _WORD_SIZE
