"""From records to the event file. Whatever the disk does, the training goes on."""

from __future__ import annotations

import contextlib
import json
import math
import time
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from trainvitals.eventfile import EventFileWriter
from trainvitals.eventfile.template import ScalarTemplate
from trainvitals.tags import TRAIN_LOSS, event
from trainvitals_hooks.processes.shared_reading import SharedReading
from trainvitals_hooks.recording.anomaly import Anomaly
from trainvitals_hooks.recording.held import Held
from trainvitals_hooks.recording.record import Record
from trainvitals_hooks.recording.transfer import Transfer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from trainvitals_hooks.console import Once
    from trainvitals_hooks.processes.ranks import Ranks
    from trainvitals_hooks.recording.sink import Sink


LOOK_EVERY_S = 1.0
"""Between two looks whether the file still exists. To ask the system at every step would cost a third of an idle step,
and with the file everything before is gone as well."""

LAYOUTS_KEPT = 32
"""As many kinds of records as the writer of event files expects: the loss alone, a full record, a validation, ..."""


class _Layout:
    """The encoded tags of one kind of record. Of a tag that occurs twice the last value counts.

    Args:
        tags: in groups, as the readings gave them.
    """

    def __init__(self, tags: tuple[tuple[str, ...], ...]) -> None:
        place_of = {tag: place for place, tag in enumerate(chain.from_iterable(tags))}
        self.places = list(place_of.values())
        self.tags = tuple(place_of)
        self.template = ScalarTemplate(self.tags)
        self.watched = [(tag, place) for place, tag in enumerate(place_of) if tag in Anomaly.WATCHED]


class Recorder:
    """One event file, opened with the first thing that is written.

    Args:
        folder: of the run; made again if it disappears.
        opening: the settings of the run, written first.
        on_values: told of the values that show an anomaly, once they are on the host.
        sink: given everything that is recorded, if anybody wants it.
        ranks: the other processes of the training, and what they know.
    """

    def __init__(
        self,
        folder: Path,
        opening: Mapping[str, float | str | bool | int],
        once: Once,
        on_values: Callable[[Mapping[str, float]], None],
        sink: Sink | None,
        ranks: Ranks,
    ) -> None:
        self.folder = folder
        self.written = 0
        self.lost = 0
        self._resume_step: int | None = None
        self._opening = opening
        self._once = once
        self._on_values = on_values
        self._sink = sink
        self._ranks = ranks
        self._loss_is_finite = True
        self._writer: EventFileWriter | None = None
        self._transfer = Transfer()
        self._held = Held()
        self._layout_of = lru_cache(maxsize=LAYOUTS_KEPT)(_Layout)
        self._tags: tuple[tuple[str, ...], ...] = ()
        self._layout = self._layout_of(())

    def continue_at(self, folder: Path, step: int) -> None:
        """Go on from this step in this folder: what it holds of this and later steps is void."""
        self.close()
        self.folder, self._resume_step = folder, step

    def put_numbers(self, step: int, wall_time: float, numbers: dict[str, float]) -> None:
        """As ``put`` of a record that has nothing but numbers: what most steps write, the loss alone.

        They go into the event file with whatever is written next, a second later at most if the training goes on; at
        once if the loss is not finite, which somebody may be waiting for.
        """
        if self._held.take(step, wall_time, numbers):
            return
        if self._writer is None or self._transfer.flights:
            self.put(Record(step, wall_time, numbers=numbers))
            return
        self._attempt(lambda writer: writer.write_scalars(step, numbers, wall_time))
        if TRAIN_LOSS in numbers:
            loss = numbers[TRAIN_LOSS]
            if loss - loss != 0 or not self._loss_is_finite:
                self._loss_is_finite = math.isfinite(loss)
                self._on_values({TRAIN_LOSS: loss})
        if self._sink is not None:
            self._sink.take(step, numbers, numbers.values())
        elif self._loss_is_finite and self._writer is not None:
            self._held.begin(self._writer.path, tuple(numbers))
        else:
            self._held.pause()

    def put(self, record: Record) -> None:
        """Write a record, as soon as all of its numbers are on the host."""
        try:
            self._put(record)
        except Exception as error:
            self.lost += 1
            self._once.tell(
                "put", f"step {record.step} is lost: {type(error).__name__}: {error}. The training goes on."
            )
        if self._transfer.flights:
            # What is made after this record must not be written before it.
            self._write_held()

    def put_event(self, step: int, kind: str, details: Mapping[str, object]) -> None:
        """Write a marker."""
        text = json.dumps(dict(details), default=str, sort_keys=True) if details else kind
        self.put_text(step, event(kind), text)

    def put_text(self, step: int, tag: str, text: str) -> None:
        """Write a text, behind what is still on its way."""
        now = time.time()
        self._transfer.send([], lambda _: self._attempt(lambda writer: writer.write_text(step, tag, text, now)))

    def poll(self) -> None:
        """Write what has arrived from the device."""
        self._transfer.poll()

    def drain(self) -> None:
        """Wait for everything that is still on its way, and write it."""
        self._transfer.drain()

    def close(self) -> None:
        """Write everything and close the file."""
        self._transfer.drain()
        self._write_held()
        self._held.close()
        writer, self._writer = self._writer, None
        if writer is not None:
            with contextlib.suppress(OSError):
                writer.close()

    def _put(self, record: Record) -> None:
        numbers, readings = record.numbers, record.readings
        for calls in record.calls:
            numbers |= calls.means()
            if (on_device := calls.reading()) is not None:
                readings.append(on_device)
        if not readings and not self._transfer.flights:
            if numbers:
                self._attempt(lambda writer: writer.write_scalars(record.step, numbers, record.wall_time))
                self._on_values({tag: numbers[tag] for tag in Anomaly.WATCHED if tag in numbers})
                if self._sink is not None:
                    self._sink.take(record.step, numbers, numbers.values())
            return
        shared = self._ranks.size > 1 and any(isinstance(reading, SharedReading) for reading in readings)
        others = self._ranks.expect() if shared else None

        def deliver(arrays: list[NDArray[np.float64]]) -> None:
            tags, values = ([tuple(numbers)], [np.array([*numbers.values()], np.float64)]) if numbers else ([], [])
            last = 0
            for reading in readings:
                first, last = last, last + len(reading.tensors)
                try:
                    mine = arrays[first:last]
                    if others is not None and isinstance(reading, SharedReading):
                        named, value = others.conclude(reading, mine)
                    else:
                        named, value = reading.finish(mine)
                except Exception as error:
                    self._once.tell("finish", f"a part of step {record.step} is lost: {type(error).__name__}: {error}")
                else:
                    tags.append(named)
                    values.append(value)
            if tags:
                self._write(record, tuple(tags), np.concatenate(values))

        self._transfer.send([tensor for reading in readings for tensor in reading.tensors], deliver, others)

    def _write(self, record: Record, tags: tuple[tuple[str, ...], ...], value: NDArray[np.float64]) -> None:
        if tags != self._tags:
            # One full record mostly has the tags of the one before, and to compare them is cheaper than to hash them.
            self._tags, self._layout = tags, self._layout_of(tags)
        layout = self._layout
        if len(layout.places) < len(value):
            value = value[layout.places]
        self._attempt(lambda writer: writer.write_vector(record.step, layout.template, value, record.wall_time))
        self._on_values({tag: float(value[place]) for tag, place in layout.watched})
        if self._sink is not None:
            self._sink.take(record.step, layout.tags, value.tolist())

    def _write_held(self) -> None:
        """Write what is held, and hold nothing more for the time being."""
        if self._held.rows():
            self._attempt(lambda _: None, records=0)
            self.lost += len(self._held.rows())
        self._held.pause()

    def _attempt(self, write: Callable[[EventFileWriter], None], records: int = 1) -> None:
        """Write what is held, then this; where the first fails, it stays held, and the second is lost."""
        rows = self._held.rows()

        def write_both(writer: EventFileWriter) -> None:
            if rows:
                writer.write_rows(rows)
                self.written += len(rows)
                rows.clear()
                self._held.go_on()
            write(writer)

        try:
            try:
                write_both(self._open())
            except FileNotFoundError:
                # The file or its folder is gone; a new file is better than nothing for the rest of the run.
                self._writer = None
                self._held.close()
                write_both(self._open())
        except (OSError, ValueError) as error:
            self.lost += records if self._held.rows() else records + len(rows)
            self._once.tell(
                "write", f"{self.folder}: cannot write ({error}). The training goes on; each record is tried."
            )
        else:
            self.written += records

    def _open(self) -> EventFileWriter:
        if self._writer is None:
            self._writer = EventFileWriter(self.folder, resume_step=self._resume_step, look_every_s=LOOK_EVERY_S)
            self._resume_step = None
            if self._opening:
                self._writer.write_hyper_parameters(self._opening)
                self._opening = {}
        return self._writer
