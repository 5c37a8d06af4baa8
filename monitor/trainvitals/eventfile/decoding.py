"""One record's bytes to one event: by the wire format where it is plain, else by the protobuf classes."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np

from trainvitals.eventfile import wire
from trainvitals.eventfile.event import (
    Event,
    Histogram,
    HyperParameters,
    LocatedHistogram,
    Matrix,
    Scalar,
    Strings,
    Value,
)
from trainvitals.eventfile.layout import ITEM_SIZE, Content, Layout, parse_event
from trainvitals.eventfile.wire import Unsupported

if TYPE_CHECKING:
    from trainvitals.eventfile.layout import TensorLayout, ValueLayout

_FLOAT = struct.Struct("<f").unpack_from
_DOUBLE = struct.Struct("<d").unpack_from

# Minimum, maximum, number, sum and sum of squares, each a key and a float64.
_HISTOGRAM_MOMENTS = bytes((0x09, 0x11, 0x19, 0x21, 0x29))
_MOMENTS = struct.Struct("<" + "xd" * len(_HISTOGRAM_MOMENTS))
_MOMENT_SIZE = 9
_NO_BUCKETS = np.empty(0)
_HISTOGRAM_LIMITS, _HISTOGRAM_COUNTS = 0x32, 0x3A
_HISTOGRAM_COLUMNS = 3


def decode_event(data: bytes) -> Event:
    """One event.

    Raises:
        UnparsableError: these bytes are no event.
    """
    layout = parse_event(data)
    if layout:
        try:
            return decode_layout(data, layout)
        except Unsupported:
            pass
    from trainvitals.eventfile import protobuf

    return protobuf.decode_event(data)


def decode_layout(data: bytes, layout: Layout, *, histograms: bool = True) -> Event:
    """The event whose layout is known already, with its ``histograms`` or only their places.

    Raises:
        Unsupported: a histogram in a form that needs the protobuf classes.
    """
    return Event(
        wall_time=_DOUBLE(data, layout.wall_time_at)[0] if layout.wall_time_at >= 0 else 0.0,
        step=wire.read_step(data, layout.step_at) if layout.step_size else 0,
        values=tuple(_value(data, value, histograms) for value in layout.values),
        session_start=layout.session_start,
        file_version=layout.file_version,
    )


def _value(data: bytes, value: ValueLayout, histograms: bool) -> Value:
    tag = data[value.tag_at : value.tag_at + value.tag_size]
    content = value.content
    plugin = value.metadata.plugin if value.metadata else ""
    if content is Content.HISTOGRAM:
        end = value.at + value.size
        return Value(tag, None, _histogram(data, value.at, end) if histograms else LocatedHistogram())
    if content is Content.FLOAT and not value.tensor:
        return Value(tag, None, Scalar(_FLOAT(data, value.at)[0], narrow=True, in_tensor=False))
    if plugin == "hparams" and value.metadata:
        return Value(tag, plugin, HyperParameters(value.metadata.content))
    if not value.tensor:
        return Value(tag, None, None)
    if content is Content.FLOAT:
        return Value(tag, plugin, Scalar(_FLOAT(data, value.at)[0], narrow=True, in_tensor=True))
    if content is Content.DOUBLE:
        return Value(tag, plugin, Scalar(_DOUBLE(data, value.at)[0], narrow=False, in_tensor=True))
    if content is Content.STRINGS:
        return Value(tag, plugin, Strings(tuple(data[at : at + size] for at, size in value.tensor.strings)))
    return Value(tag, plugin, _matrix(data, value.tensor))


def _matrix(data: bytes, tensor: TensorLayout) -> Matrix | None:
    if len(tensor.shape) != 2 or tensor.shape[1] != _HISTOGRAM_COLUMNS:
        return None
    dtype = f"<f{ITEM_SIZE[tensor.dtype]}"
    elements = np.frombuffer(data, dtype, tensor.shape[0] * tensor.shape[1], tensor.at)
    return Matrix(elements.astype(np.float64).reshape(tensor.shape))


def _histogram(data: bytes, at: int, end: int) -> Histogram:
    """A HistogramProto: five moments, bucket limits, bucket counts.

    Raises:
        Unsupported: it has a form that needs the protobuf classes.
    """
    moments = [0.0] * len(_HISTOGRAM_MOMENTS)
    limits = counts = _NO_BUCKETS
    # Zero moments are absent; usually there are none.
    all_present = at + _MOMENTS.size <= end and data[at : at + _MOMENTS.size : _MOMENT_SIZE] == _HISTOGRAM_MOMENTS
    if all_present:
        moments = list(_MOMENTS.unpack_from(data, at))
        at += _MOMENTS.size
    for key, field_at, size in wire.fields(data, at, end):
        if key == _HISTOGRAM_LIMITS and size % 8 == 0:
            limits = np.frombuffer(data, "<f8", size // 8, field_at)
        elif key == _HISTOGRAM_COUNTS and size % 8 == 0:
            counts = np.frombuffer(data, "<f8", size // 8, field_at)
        elif key in _HISTOGRAM_MOMENTS and not all_present:
            moments[_HISTOGRAM_MOMENTS.index(key)] = _DOUBLE(data, field_at)[0]
        else:
            raise Unsupported
    minimum, maximum, number, total, squares = moments
    return Histogram(minimum, maximum, number, total, squares, limits, counts)
