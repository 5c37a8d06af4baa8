"""Event files for tests, built with TensorBoard's own protobuf classes and framed by hand."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import google_crc32c
import numpy as np
from tensorboard.compat.proto.event_pb2 import Event, SessionLog, SourceMetadata
from tensorboard.compat.proto.summary_pb2 import HistogramProto, Summary, SummaryMetadata
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

WALL_TIME = 1.7e9


def masked(data: bytes) -> bytes:
    crc = google_crc32c.value(data)
    return struct.pack("<I", (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF)


def framed(data: bytes) -> bytes:
    length = struct.pack("<Q", len(data))
    return length + masked(length) + data + masked(data)


def record(event: Any) -> bytes:
    return framed(event.SerializeToString())


def version(wall_time: float = WALL_TIME) -> bytes:
    source = SourceMetadata(writer="tensorboard.summary.writer.event_file_writer")
    return record(Event(wall_time=wall_time, file_version="brain.Event:2", source_metadata=source))


def event(step: int, *values: Any, wall_time: float = WALL_TIME) -> Any:
    return Event(wall_time=wall_time, step=step, summary=Summary(value=values))


def scalar(tag: str, value: float) -> Any:
    return Summary.Value(tag=tag, simple_value=value)


def metadata(plugin: str, content: bytes = b"") -> Any:
    return SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name=plugin, content=content))


def tensor(tag: str, proto: Any, plugin: str | None = None) -> Any:
    value = Summary.Value(tag=tag, tensor=proto)
    if plugin is not None:
        value.metadata.CopyFrom(metadata(plugin))
    return value


def tensor_proto(dtype: int, shape: Sequence[int] = (), **content: Any) -> Any:
    dimensions = [TensorShapeProto.Dim(size=size) for size in shape]
    return TensorProto(dtype=dtype, tensor_shape=TensorShapeProto(dim=dimensions), **content)


def histogram(tag: str, values: np.ndarray[Any, Any], edges: Sequence[float]) -> Any:
    """As torch's ``make_histogram`` makes it: the first limit is a left edge, with a count of 0."""
    counts, limits = np.histogram(values, edges)
    return Summary.Value(
        tag=tag,
        histo=HistogramProto(
            min=values.min(),
            max=values.max(),
            num=len(values),
            sum=values.sum(),
            sum_squares=values @ values,
            bucket_limit=limits.tolist(),
            bucket=[0, *counts.tolist()],
        ),
    )


def session_start(step: int, wall_time: float = WALL_TIME) -> Any:
    return Event(wall_time=wall_time, step=step, session_log=SessionLog(status=SessionLog.START))


def write(path: Path, *records: bytes) -> Path:
    path.write_bytes(b"".join(records))
    return path
