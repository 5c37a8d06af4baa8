"""Where things stand in the bytes of one event, found by walking protobuf's wire format.

Only what writers really produce is understood: known fields, each once, in their usual wire types. Everything else
(unknown fields, sub-messages in parts, fields that override each other) raises ``Unsupported``, and the protobuf
classes decide. Field numbers are those of TensorBoard's ``event.proto``, ``summary.proto`` and ``tensor.proto``.
"""

from __future__ import annotations

from enum import Enum
from math import prod
from typing import TYPE_CHECKING, NamedTuple

from trainvitals.eventfile.wire import VARINT_LIMIT, Unsupported, fields, read_varint

if TYPE_CHECKING:
    from collections.abc import Iterator


class Content(Enum):
    """What a summary value holds."""

    FLOAT = "a float32"
    DOUBLE = "a float64"
    HISTOGRAM = "a HistogramProto"
    STRINGS = "a tensor of strings"
    ARRAY = "a tensor of float32 or float64"
    NOTHING = "metadata only"
    OPAQUE = "an image, a sound"


class TensorLayout(NamedTuple):
    """A tensor: its type, shape, and the bytes ``at .. at + size`` of its content, or those of each string."""

    dtype: int
    shape: tuple[int, ...]
    at: int
    size: int
    strings: tuple[tuple[int, int], ...] = ()


class Metadata(NamedTuple):
    """What a value says of its plugin."""

    plugin: str
    content: bytes


class ValueLayout(NamedTuple):
    """One value of a summary: tag, kind of content, and the bytes ``at .. at + size`` of the content."""

    tag_at: int
    tag_size: int
    content: Content
    at: int
    size: int
    tensor: TensorLayout | None
    metadata: Metadata | None

    @property
    def is_scalar(self) -> bool:
        """Whether this is a single number, as far as this record tells."""
        settings = self.tensor and self.metadata and self.metadata.plugin == "hparams"
        return self.content in _SCALARS and not settings


class Layout(NamedTuple):
    """Where the parts of an event stand, counted from its first byte; ``-1`` where there is none.

    A ``step_size`` of 0 means that the step is absent, which stands for step 0.
    """

    wall_time_at: int
    step_at: int
    step_size: int
    values: tuple[ValueLayout, ...]
    session_start: bool
    file_version: str | None

    @property
    def only_scalars(self) -> bool:
        """Whether the event holds scalars and nothing else."""
        return bool(self.values) and all(value.is_scalar for value in self.values)


DT_FLOAT, DT_DOUBLE, DT_STRING = 1, 2, 7
ITEM_SIZE = {DT_FLOAT: 4, DT_DOUBLE: 8}

_SCALARS = (Content.FLOAT, Content.DOUBLE)

# Keys: field number << 3 | wire type.
_EVENT_WALL_TIME, _EVENT_STEP, _EVENT_FILE_VERSION, _EVENT_SUMMARY, _EVENT_SESSION_LOG = 0x09, 0x10, 0x1A, 0x2A, 0x3A
_EVENT_SOURCE_METADATA = 0x52
# Graph, log message, run metadata, meta graph: like version, summary and session they exclude each other.
_EVENT_OTHERS = (0x22, 0x32, 0x42, 0x4A)
_SESSION_STARTED = b"\x08\x01"
_SUMMARY_VALUE = 0x0A
_VALUE_TAG, _VALUE_SIMPLE, _VALUE_HISTOGRAM, _VALUE_TENSOR, _VALUE_METADATA = 0x0A, 0x15, 0x2A, 0x42, 0x4A
# Keys of tag and value, length of the tag, the float32.
_SIMPLE_OVERHEAD = 7
_VALUE_OPAQUE = (0x1A, 0x22, 0x32)
_METADATA_PLUGIN_DATA, _METADATA_CLASS = 0x0A, 0x20
_METADATA_TEXTS = (0x12, 0x1A)
_PLUGIN_NAME, _PLUGIN_CONTENT = 0x0A, 0x12
_TENSOR_DTYPE, _TENSOR_SHAPE, _TENSOR_VERSION, _TENSOR_CONTENT = 0x08, 0x12, 0x18, 0x22
_TENSOR_VALUES = {0x2A: DT_FLOAT, 0x32: DT_DOUBLE}
_TENSOR_STRING = 0x42
_SHAPE_DIMENSION, _DIMENSION_SIZE, _DIMENSION_NAME = 0x12, 0x08, 0x12


def parse_event(data: bytes) -> Layout | None:
    """The layout of one event; None if the protobuf classes must decide what it is."""
    try:
        return _event(data)
    except (Unsupported, UnicodeDecodeError):
        return None


def _event(data: bytes) -> Layout:
    wall_time_at = step_at = -1
    step_size = contents = 0
    values: tuple[ValueLayout, ...] = ()
    session_start = False
    file_version = None
    for key, at, size in fields(data, 0, len(data)):
        if key == _EVENT_WALL_TIME:
            wall_time_at = at
        elif key == _EVENT_STEP:
            step_at, step_size = at, size
        elif key != _EVENT_SOURCE_METADATA:
            contents += 1
            if key == _EVENT_SUMMARY:
                values = tuple(_values(data, at, at + size))
            elif key == _EVENT_FILE_VERSION:
                file_version = data[at : at + size].decode()
            elif key == _EVENT_SESSION_LOG:
                session_start = data[at : at + size] == _SESSION_STARTED
                if size and not session_start:
                    raise Unsupported
            elif key not in _EVENT_OTHERS:
                raise Unsupported
    if contents > 1:
        raise Unsupported
    return Layout(wall_time_at, step_at, step_size, values, session_start, file_version)


def _values(data: bytes, at: int, end: int) -> Iterator[ValueLayout]:
    for key, value_at, size in fields(data, at, end, repeated=_SUMMARY_VALUE):
        if key != _SUMMARY_VALUE:
            raise Unsupported
        yield _value(data, value_at, value_at + size)


def _value(data: bytes, at: int, end: int) -> ValueLayout:
    # By far the most common form, recognised whole: a tag shorter than 128 bytes, then a float32.
    tag_size = end - at - _SIMPLE_OVERHEAD
    if 0 <= tag_size < 0x80 and data[at] == _VALUE_TAG and data[at + 1] == tag_size and data[end - 5] == _VALUE_SIMPLE:
        return ValueLayout(at + 2, tag_size, Content.FLOAT, end - 4, 4, None, None)
    return _value_of_fields(data, at, end)


def _value_of_fields(data: bytes, at: int, end: int) -> ValueLayout:
    tag_at, tag_size = at, 0
    content, content_at, content_size = Content.NOTHING, at, 0
    tensor = metadata = None
    contents = 0
    for key, field_at, size in fields(data, at, end):
        if key == _VALUE_TAG:
            tag_at, tag_size = field_at, size
        elif key == _VALUE_METADATA:
            metadata = _metadata(data, field_at, field_at + size)
        else:
            contents += 1
            content_at, content_size = field_at, size
            if key == _VALUE_SIMPLE:
                content = Content.FLOAT
            elif key == _VALUE_HISTOGRAM:
                content = Content.HISTOGRAM
            elif key == _VALUE_TENSOR:
                tensor = _tensor(data, field_at, field_at + size)
                content = _tensor_content(tensor)
                content_at, content_size = tensor.at, tensor.size
            elif key in _VALUE_OPAQUE:
                content = Content.OPAQUE
            else:
                raise Unsupported
    if contents > 1 or (tensor and not tag_size):
        raise Unsupported
    return ValueLayout(tag_at, tag_size, content, content_at, content_size, tensor, metadata)


def _tensor_content(tensor: TensorLayout) -> Content:
    if tensor.dtype == DT_STRING:
        return Content.STRINGS
    if tensor.size != ITEM_SIZE[tensor.dtype] * prod(tensor.shape):
        raise Unsupported
    if prod(tensor.shape) != 1:
        return Content.ARRAY
    return Content.FLOAT if tensor.dtype == DT_FLOAT else Content.DOUBLE


def _metadata(data: bytes, at: int, end: int) -> Metadata:
    plugin, content = "", b""
    for key, field_at, size in fields(data, at, end):
        if key == _METADATA_PLUGIN_DATA:
            for plugin_key, plugin_at, plugin_size in fields(data, field_at, field_at + size):
                if plugin_key == _PLUGIN_NAME:
                    plugin = data[plugin_at : plugin_at + plugin_size].decode()
                elif plugin_key == _PLUGIN_CONTENT:
                    content = data[plugin_at : plugin_at + plugin_size]
                else:
                    raise Unsupported
        elif key in _METADATA_TEXTS:
            data[field_at : field_at + size].decode()
        elif key != _METADATA_CLASS:
            raise Unsupported
    return Metadata(plugin, content)


def _tensor(data: bytes, at: int, end: int) -> TensorLayout:
    dtype = contents = content_at = content_size = 0
    shape: tuple[int, ...] = ()
    strings: list[tuple[int, int]] = []
    content_type = None
    for key, field_at, size in fields(data, at, end, repeated=_TENSOR_STRING):
        if key == _TENSOR_STRING:
            strings.append((field_at, size))
        elif key == _TENSOR_DTYPE:
            dtype = read_varint(data, field_at)[0]
        elif key == _TENSOR_SHAPE:
            shape = tuple(_dimensions(data, field_at, field_at + size))
        elif key == _TENSOR_CONTENT or key in _TENSOR_VALUES:
            content_type = _TENSOR_VALUES.get(key)
            content_at, content_size = field_at, size
            contents += 1
        elif key != _TENSOR_VERSION:
            raise Unsupported
    if dtype == DT_STRING:
        understood = not contents
    else:
        without_content = not contents and prod(shape) == 0
        understood = dtype in ITEM_SIZE and not strings and (contents == 1 or without_content)
    if not understood or content_type not in (None, dtype):
        raise Unsupported
    return TensorLayout(dtype, shape, content_at, content_size, tuple(strings))


def _dimensions(data: bytes, at: int, end: int) -> Iterator[int]:
    for key, field_at, size in fields(data, at, end, repeated=_SHAPE_DIMENSION):
        if key != _SHAPE_DIMENSION:
            raise Unsupported
        length = 0
        for dimension_key, dimension_at, dimension_size in fields(data, field_at, field_at + size):
            if dimension_key == _DIMENSION_SIZE and dimension_size < VARINT_LIMIT:
                length = read_varint(data, dimension_at)[0]
            elif dimension_key == _DIMENSION_NAME:
                data[dimension_at : dimension_at + dimension_size].decode()
            else:
                raise Unsupported
        yield length
