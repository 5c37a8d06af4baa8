"""What is in a file that the writer wrote: its records, by TensorBoard's own classes."""

from __future__ import annotations

import struct
from pathlib import Path

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.compat.proto import event_pb2

from trainvitals.eventfile.crc32c import masked_crc32c


def records_of(path: Path) -> list[bytes]:
    """The data of all records; every checksum must hold and nothing may be left over."""
    content = path.read_bytes()
    records = []
    while content:
        size, size_checksum = struct.unpack_from("<QI", content)
        assert size_checksum == masked_crc32c(content[:8])
        data = content[12 : 12 + size]
        (checksum,) = struct.unpack_from("<I", content, 12 + size)
        assert checksum == masked_crc32c(data)
        records.append(data)
        content = content[16 + size :]
    return records


def events_of(path: Path) -> list[event_pb2.Event]:
    return [event_pb2.Event.FromString(data) for data in records_of(path)]


def accumulated(path: Path) -> EventAccumulator:
    sizes = dict.fromkeys(("scalars", "histograms", "tensors"), 0)
    return EventAccumulator(str(path), size_guidance=sizes).Reload()


def scalars_of(path: Path, tag: str) -> list[tuple[int, float]]:
    return [(event.step, event.value) for event in accumulated(path).Scalars(tag)]
