"""Events through TensorBoard's own protobuf classes: slow, and right about everything.

TensorBoard is imported on first use only.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from trainvitals.eventfile.event import Event, Histogram, HyperParameters, Matrix, Scalar, Strings, Value

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Data type -> (field of its values in a TensorProto, type of an element in ``tensor_content``, exact as float32).
_DT_STRING, _DT_BFLOAT16, _DT_HALF = 7, 14, 19
_NUMBERS: dict[int, tuple[str, str, bool]] = {
    1: ("float_val", "<f4", True),
    2: ("double_val", "<f8", False),
    3: ("int_val", "<i4", False),
    4: ("int_val", "<u1", True),
    5: ("int_val", "<i2", True),
    6: ("int_val", "<i1", True),
    9: ("int64_val", "<i8", False),
    10: ("bool_val", "?", True),
    _DT_BFLOAT16: ("half_val", "<u2", True),
    17: ("int_val", "<u2", True),
    _DT_HALF: ("half_val", "<u2", True),
    22: ("uint32_val", "<u4", False),
    23: ("uint64_val", "<u8", False),
}
_HISTOGRAM_COLUMNS = 3


class UnparsableError(Exception):
    """Protobuf refuses the bytes."""


def decode_event(data: bytes) -> Event:
    """One event.

    Raises:
        UnparsableError: these bytes are no event.
    """
    from google.protobuf.message import DecodeError
    from tensorboard.compat.proto.event_pb2 import Event as Message  # type: ignore[import-untyped]
    from tensorboard.compat.proto.event_pb2 import SessionLog

    try:
        message = Message.FromString(data)
    except DecodeError as error:
        raise UnparsableError from error
    what = message.WhichOneof("what")
    return Event(
        wall_time=message.wall_time,
        step=message.step,
        values=tuple(_value(value) for value in message.summary.value),
        session_start=what == "session_log" and message.session_log.status == SessionLog.START,
        file_version=message.file_version if what == "file_version" else None,
    )


def decode_hyper_parameters(content: bytes) -> dict[str, float | str | bool]:
    """The settings in an ``HParamsPluginData``; empty where it describes something else or cannot be parsed."""
    from google.protobuf.message import DecodeError
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData  # type: ignore[import-untyped]

    try:
        session = HParamsPluginData.FromString(content).session_start_info
    except DecodeError:
        return {}
    kinds = {name: setting.WhichOneof("kind") for name, setting in session.hparams.items()}
    return {
        name: getattr(session.hparams[name], kind)
        for name, kind in kinds.items()
        if kind in ("number_value", "string_value", "bool_value")
    }


def _value(value: Any) -> Value:
    raw = value.tag.encode()
    kind = value.WhichOneof("value")
    if kind == "simple_value":
        return Value(raw, None, Scalar(value.simple_value, narrow=True, in_tensor=False))
    if kind == "histo":
        return Value(raw, None, _histogram(value.histo))
    plugin = value.metadata.plugin_data
    if plugin.plugin_name == "hparams":
        return Value(raw, plugin.plugin_name, HyperParameters(plugin.content))
    if kind == "tensor":
        # Before plugins had tags, a tensor went by the name of its node.
        return Value(raw or value.node_name.encode(), plugin.plugin_name, _tensor(value.tensor))
    return Value(raw, None, None)


def _histogram(histogram: Any) -> Histogram:
    return Histogram(
        histogram.min,
        histogram.max,
        histogram.num,
        histogram.sum,
        histogram.sum_squares,
        np.array(histogram.bucket_limit, np.float64),
        np.array(histogram.bucket, np.float64),
    )


def _tensor(tensor: Any) -> Scalar | Matrix | Strings | None:
    if tensor.dtype == _DT_STRING:
        return Strings(tuple(tensor.string_val))
    if tensor.dtype not in _NUMBERS:
        return None
    shape = [dimension.size for dimension in tensor.tensor_shape.dim]
    elements = _elements(tensor)
    count = prod(shape)
    # A single stored element stands for all of them.
    if min(shape, default=1) < 0 or len(elements) not in (1, count):
        return None
    if count == 1:
        narrow = _NUMBERS[tensor.dtype][2]
        return Scalar(float(elements[0]), narrow, in_tensor=True)
    if len(shape) == 2 and shape[1] == _HISTOGRAM_COLUMNS and len(elements) == count:
        return Matrix(elements.astype(np.float64).reshape(shape))
    return None


def _elements(tensor: Any) -> NDArray[Any]:
    field, dtype, _ = _NUMBERS[tensor.dtype]
    size = np.dtype(dtype).itemsize
    if tensor.tensor_content:
        content = tensor.tensor_content
        elements = np.frombuffer(content[: len(content) // size * size], dtype)
    else:
        values = list(getattr(tensor, field))
        elements = np.array(values, {"half_val": np.uint16}.get(field))
    if tensor.dtype == _DT_HALF:
        return elements.view(np.float16)
    if tensor.dtype == _DT_BFLOAT16:
        return (elements.astype(np.uint32) << 16).view(np.float32)
    return elements
