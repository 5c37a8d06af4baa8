"""TensorBoard runs: one or more event files, possibly in subfolders, as one ``Run`` that can grow."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from trainvitals.errors import LogError
from trainvitals.eventfile.histogram import HistogramStatistics
from trainvitals.formats.agreed_restarts import order_by_tag
from trainvitals.formats.concurrency import Concurrency, Part, merged
from trainvitals.formats.event_stream import EventStream, ScalarRows
from trainvitals.formats.event_tags import tag_in_run
from trainvitals.formats.format import Format, Purging, RunFiles
from trainvitals.formats.markers import markers_in
from trainvitals.formats.other_writers import BESIDE, tags_beside
from trainvitals.formats.other_writers import problems as problems_beside
from trainvitals.formats.run_restarts import restarts_of_run
from trainvitals.formats.sessions import NO_LIMIT, Purge, session_purges
from trainvitals.model import HistogramSeries, Run, Series

if TYPE_CHECKING:
    from numpy.typing import NDArray

FORMAT_NAME = "tensorboard"
FILE_MARK = "tfevents"
FIRST_RECORD_SIZE = 64
NOT_A_LOG_SUFFIX = ".profile-empty"
"""Empty files by which TensorBoard's profiler marks a folder."""
FILE_VERSION = b"brain.Event:"


def is_event_file(name: str, head: bytes) -> bool:
    """Whether a file is an event file: by its name, as TensorBoard itself decides, or by its first record."""
    named = FILE_MARK in name and not name.endswith(NOT_A_LOG_SUFFIX)
    return named or FILE_VERSION in head[:FIRST_RECORD_SIZE]


def read_tensorboard(files: RunFiles, purge: Purging = "session") -> Run:
    """The run that these event files hold.

    Args:
        files: the event files that belong to the run.
        purge: as for ``TensorBoardLog``.

    Raises:
        LogError: none of the files can be read.
    """
    return TensorBoardLog(lambda: files, purge=purge).poll()


class TensorBoardLog:
    """A run that may still be growing.

    Tags of subfolders are named as ``event_tags`` says, in most cases ``<subfolder>/<tag>``.

    Files are read in the order of their first wall times. Files of overlapping times with the same tags are concurrent
    writers: none replaces points of another, and their points are merged by wall time.

    Args:
        find: the event files that belong to the run at this moment; asked at each poll, and no others are kept.
        purge: what to do with points that were recorded before a restart. ``session``: a START event drops earlier
            points of its folder at its step or later, as TensorBoard does. ``step``: in each tag the newest point wins
            wherever steps repeat or go back. ``none``: everything stays.
    """

    def __init__(self, find: Callable[[], RunFiles], *, purge: Purging = "session") -> None:
        self._find = find
        self._purge: Purging = purge
        self._streams: dict[tuple[str, Path], EventStream] = {}
        self._run: Run | None = None

    def poll(self) -> Run:
        """The run as it is now. Reads what has appeared; returns the same object if nothing has.

        Raises:
            LogError: none of the files can be read.
        """
        files = self._find()
        before = list(self._streams)
        self._streams = {
            (prefix, path): self._streams.get((prefix, path)) or EventStream(prefix, path, files.where(path), "decode")
            for prefix, path in files.files
        }
        polled = [stream.poll() for stream in self._streams.values()]
        if self._run is None or any(polled) or list(self._streams) != before:
            self._run = _assemble(files, list(self._streams.values()), self._purge)
        return self._run


def _assemble(files: RunFiles, streams: Sequence[EventStream], purge: Purging) -> Run:
    if not streams:
        raise LogError(
            "holds no event files", where=str(files.root), hint=f"give a folder with files called *{FILE_MARK}*"
        )
    failures = [stream.unreadable for stream in streams if stream.unreadable is not None and not stream.tags]
    if len(failures) == len(streams):
        raise failures[0]
    streams = sorted(streams, key=lambda stream: stream.order)
    beside = tags_beside(streams)
    names = _TagNames(streams, beside)
    parts = [Part.of(stream.prefix, stream.where, names.renamed(stream), stream.starts) for stream in streams]
    concurrency = Concurrency(parts)
    purges = session_purges(parts, concurrency) if purge == "session" else [Purge((), NO_LIMIT) for _ in parts]
    restarts, problems = restarts_of_run(parts, concurrency)
    series = _series(parts, purges, concurrency, names.tags)
    if purge == "step":
        contested = {names.tags[code] for code in concurrency.contested_codes()}
        series = {tag: each if tag in contested else each.latest() for tag, each in series.items()}
    return Run(
        id=files.name,
        path=str(files.root),
        name=files.name,
        format=FORMAT_NAME,
        series=series,
        histograms=_histograms(streams, purges, names),
        hyper_parameters={name: value for stream in streams for name, value in stream.hyper_parameters.items()},
        texts={names.of(stream, text.tag): text.text for stream in streams for text in stream.texts},
        restarts=tuple(restarts),
        markers=markers_in(text for stream in streams for text in stream.texts),
        problems=(
            *(problem for stream in streams for problem in stream.problems),
            *(*concurrency.problems(), *problems_beside(beside), *problems),
        ),
    )


class _TagNames:
    """The tags of a run, and how those of each file are called there.

    Args:
        beside: tags that are another writer's, by file.
    """

    def __init__(self, streams: Sequence[EventStream], beside: Mapping[EventStream, frozenset[str]]) -> None:
        self._beside = beside
        tags_of_prefix: dict[str, set[str]] = {}
        for stream in streams:
            tags_of_prefix.setdefault(stream.prefix, set()).update(stream.tags)
        self._alone = {prefix for prefix, tags in tags_of_prefix.items() if len(tags) == 1}
        codes: dict[str, int] = {}
        self._codes: dict[EventStream, NDArray[np.int32]] = {}
        for stream in streams:
            own = [codes.setdefault(self.of(stream, tag), len(codes)) for tag in stream.tags]
            self._codes[stream] = np.array(own, np.int32)
        self.tags = tuple(codes)

    def of(self, stream: EventStream, tag: str) -> str:
        """The name that a tag of this file has in the run."""
        name = tag_in_run(stream.prefix, tag, only_tag=stream.prefix in self._alone)
        return name + BESIDE if tag in self._beside.get(stream, ()) else name

    def codes(self, stream: EventStream, own: NDArray[np.int32]) -> NDArray[np.int32]:
        """The run's tag codes for those of the file."""
        return self._codes[stream][own]

    def renamed(self, stream: EventStream) -> ScalarRows:
        """The file's scalars with the run's tag codes."""
        rows = stream.scalars
        return replace(rows, tag_code=self.codes(stream, rows.tag_code)) if len(rows) else rows


def _series(
    parts: Sequence[Part], purges: Sequence[Purge], concurrency: Concurrency, tags: Sequence[str]
) -> dict[str, Series]:
    if len(parts) == 1 and purges[0].nothing:
        rows, order = parts[0].rows, parts[0].tags
    else:
        kept = [
            part.rows if purge.nothing else part.rows.take(purge.kept(part.rows.step))
            for part, purge in zip(parts, purges, strict=True)
        ]
        rows = merged(kept, concurrency)
        order = order_by_tag(rows.tag_code)
    by_tag = rows.take(order.order)
    bounds = order.bounds.tolist()
    return {
        tags[code]: Series(tags[code], by_tag.step[a:b], by_tag.wall_time[a:b], by_tag.value[a:b])
        for code, a, b in zip(order.code.tolist(), bounds, bounds[1:], strict=False)
    }


def _histograms(
    streams: Sequence[EventStream], purges: Sequence[Purge], names: _TagNames
) -> dict[str, HistogramSeries]:
    codes, steps, wall_times, statistics = [], [], [], []
    for stream, purge in zip(streams, purges, strict=True):
        found = stream.histograms
        if found is None or found.statistics is None:
            continue
        kept = purge.kept_histograms(found)
        codes.append(names.codes(stream, found.tag_code[kept]))
        steps.append(found.step[kept])
        wall_times.append(found.wall_time[kept])
        statistics.append(found.statistics.take(kept))
    if not codes:
        return {}
    order = order_by_tag(np.concatenate(codes))
    step, wall_time = np.concatenate(steps)[order.order], np.concatenate(wall_times)[order.order]
    every = HistogramStatistics.joined(statistics).take(order.order)
    series = {}
    for code, first, last in zip(order.code.tolist(), order.bounds, order.bounds[1:], strict=False):
        own = every.take(np.arange(first, last))
        moments = (own.count, own.minimum, own.maximum, own.mean, own.std, own.norm, own.quantiles)
        tag = names.tags[code]
        series[tag] = HistogramSeries(tag, step[first:last], wall_time[first:last], *moments)
    return series


FORMAT = Format(FORMAT_NAME, is_event_file, read_tensorboard, joins=True)
