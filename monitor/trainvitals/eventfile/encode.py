"""The part of protobuf's wire format that TensorBoard events need, written as bytes.

Field numbers are those of TensorBoard's ``event.proto``, ``summary.proto``, ``tensor.proto`` and the hparams plugin's
``plugin_data.proto``. Absent and zero mean the same in all of them, except inside a oneof.
"""

from __future__ import annotations

import math
import struct
from numbers import Real
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike

VARINT, FIXED64, DELIMITED, FIXED32 = 0, 1, 2, 5

LARGEST_STEP = 2**63 - 1

FLOAT_SIZE = 4

WALL_TIME = 1
STEP = 2
_SUMMARY = 5
_SUMMARY_VALUE = 1
_SIMPLE_VALUE = 2
_DT_FLOAT = 1
_DT_STRING = 7
_SESSION_STARTED = 1


def varint(number: int) -> bytes:
    """A non-negative number in base 128, least significant group first."""
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def integer(field: int, number: int) -> bytes:
    """A varint field."""
    return varint(field << 3 | VARINT) + varint(number)


def double(field: int, number: float) -> bytes:
    """A float64 field."""
    return varint(field << 3 | FIXED64) + struct.pack("<d", number)


def delimited(field: int, payload: bytes) -> bytes:
    """A field of bytes, text or a message that is encoded already."""
    return varint(field << 3 | DELIMITED) + varint(len(payload)) + payload


def text(field: int, characters: str) -> bytes:
    """A text field. A lone surrogate, which UTF-8 cannot hold, is written as its escape sequence."""
    return delimited(field, characters.encode("utf-8", "backslashreplace"))


def summary_head(wall_time: float, step: int, body_size: int) -> bytes:
    """What precedes the ``body_size`` bytes of a Summary in its Event."""
    return _stamp(wall_time, step) + varint(_SUMMARY << 3 | DELIMITED) + varint(body_size)


def file_version(wall_time: float) -> bytes:
    """The Event that opens every file."""
    return _stamp(wall_time, 0) + text(3, "brain.Event:2")


def session_start(wall_time: float, step: int) -> bytes:
    """The Event that says that a resumed run records again from ``step`` on."""
    return _stamp(wall_time, step) + delimited(7, integer(1, _SESSION_STARTED))


def scalar_value(tag: str) -> bytes:
    """One scalar of a Summary; its last four bytes are the float32 value, zero here."""
    return delimited(_SUMMARY_VALUE, text(1, tag) + varint(_SIMPLE_VALUE << 3 | FIXED32) + bytes(4))


def float32(value: float) -> bytes:
    """A value as four bytes, beyond the range of float32 infinite."""
    try:
        return struct.pack("<f", float(value))
    except OverflowError:
        return struct.pack("<f", math.inf if value > 0 else -math.inf)


def histogram_value(
    tag: str,
    *,
    minimum: float,
    maximum: float,
    count: float,
    total: float,
    sum_of_squares: float,
    bucket_limits: ArrayLike,
    bucket_counts: ArrayLike,
) -> bytes:
    """One histogram of a Summary.

    Raises:
        ValueError: there are no buckets, or not one limit for each count.
    """
    limits = np.asarray(bucket_limits, "<f8")
    counts = np.asarray(bucket_counts, "<f8")
    if limits.ndim != 1 or limits.shape != counts.shape or not len(limits):
        raise ValueError(
            f"histogram {tag!r}: bucket_limits {limits.shape} and bucket_counts {counts.shape} must pair up"
        )
    moments = (minimum, maximum, count, total, sum_of_squares)
    histogram = b"".join(double(field, moment) for field, moment in enumerate(moments, start=1))
    histogram += delimited(6, limits.tobytes()) + delimited(7, counts.tobytes())
    return delimited(_SUMMARY_VALUE, text(1, tag) + delimited(5, histogram))


def text_value(tag: str, characters: str) -> bytes:
    """One text of a Summary: a string tensor without dimensions, for the plugin ``text``."""
    tensor = integer(1, _DT_STRING) + delimited(2, b"") + text(8, characters)
    return delimited(_SUMMARY_VALUE, text(1, tag) + delimited(8, tensor) + delimited(9, _plugin_data("text", b"")))


def hyper_parameters_value(values: Mapping[str, object], start_time: float) -> bytes:
    """The settings of a run as the plugin ``hparams`` reads them.

    The plugin knows truth values, float64 numbers and text; anything else is written as its ``str``.
    """
    session = b"".join(delimited(1, text(1, name) + delimited(2, _setting(value))) for name, value in values.items())
    content = delimited(3, session + double(5, start_time))
    # The plugin reads the content alone, but TensorBoard lists only values that have a tensor: an empty one.
    empty_tensor = integer(1, _DT_FLOAT) + delimited(2, delimited(2, integer(1, 0)))
    return delimited(
        _SUMMARY_VALUE,
        text(1, "_hparams_/session_start_info")
        + delimited(8, empty_tensor)
        + delimited(9, _plugin_data("hparams", content)),
    )


def _stamp(wall_time: float, step: int) -> bytes:
    return double(WALL_TIME, wall_time) + (integer(STEP, step) if step else b"")


def _plugin_data(plugin: str, content: bytes) -> bytes:
    return delimited(1, text(1, plugin) + delimited(2, content))


def _setting(value: object) -> bytes:
    if isinstance(value, bool | np.bool_):
        return integer(4, int(value))
    if isinstance(value, Real):
        try:
            return double(2, float(value))
        except OverflowError:
            return text(3, str(value))
    return text(3, str(value))
