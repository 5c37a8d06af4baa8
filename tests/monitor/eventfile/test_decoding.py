"""The walk over the wire format against the protobuf classes: the same answer, or none."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import HistogramProto, Summary
from tests.monitor.eventfile.event_records import (
    event,
    histogram,
    metadata,
    scalar,
    session_start,
    tensor,
    tensor_proto,
)

from trainvitals.eventfile import protobuf
from trainvitals.eventfile.decoding import decode_event, decode_layout
from trainvitals.eventfile.layout import Content, parse_event
from trainvitals.eventfile.wire import Unsupported

TAGS = st.sampled_from(["a", "loss/train", "", "t" * 130, "é"])
PLUGINS = st.sampled_from([None, "", "scalars", "text", "histograms", "hparams"])
NUMBERS = st.floats(width=32) | st.sampled_from([0.0, 1.0])


@st.composite
def tensors(draw):
    dtype = draw(st.sampled_from([1, 2, 3, 4, 7, 9, 10, 14, 19, 23]))
    shape = draw(st.sampled_from([(), (1,), (1, 1), (2,), (0,), (2, 3)]))
    content = draw(
        st.sampled_from(["float_val", "double_val", "int_val", "int64_val", "half_val", "tensor_content", "string_val"])
    )
    if content == "tensor_content":
        return tensor_proto(dtype, shape, tensor_content=draw(st.binary(max_size=48)))
    if content == "string_val":
        return tensor_proto(dtype, shape, string_val=draw(st.lists(st.binary(max_size=5), max_size=3)))
    size = draw(st.sampled_from([0, 1, 2, 6]))
    return tensor_proto(dtype, shape, **{content: [draw(st.integers(0, 1000)) for _ in range(size)]})


@st.composite
def values(draw):
    tag = draw(TAGS)
    kind = draw(st.sampled_from(["scalar", "scalar", "tensor", "tensor", "histogram", "settings", "image", "nothing"]))
    if kind == "scalar":
        return scalar(tag, draw(NUMBERS))
    if kind == "tensor":
        return tensor(tag, draw(tensors()), draw(PLUGINS))
    if kind == "histogram":
        numbers = st.lists(st.floats(allow_nan=False), max_size=4)
        moments = {name: draw(st.sampled_from([0.0, 1.5])) for name in ("min", "max", "num", "sum", "sum_squares")}
        return Summary.Value(tag=tag, histo=HistogramProto(**moments, bucket_limit=draw(numbers), bucket=draw(numbers)))
    if kind == "settings":
        return Summary.Value(tag=tag, metadata=metadata("hparams", draw(st.binary(max_size=5))))
    if kind == "image":
        return Summary.Value(tag=tag, image=Summary.Image(encoded_image_string=draw(st.binary(max_size=20))))
    return Summary.Value(tag=tag)


STEPS = st.sampled_from([0, 1, 127, 128, 2**31, 2**62, -1, -(2**63)])
EVENTS = st.one_of(
    st.builds(lambda step, found: event(step, *found), STEPS, st.lists(values(), max_size=3)),
    st.builds(session_start, STEPS),
    st.builds(
        lambda status, text: Event(wall_time=2.0, session_log=SessionLog(status=status, msg=text)),
        st.integers(0, 3),
        st.sampled_from(["", "x"]),
    ),
    st.just(Event(wall_time=1.0, file_version="brain.Event:2")),
)


def comparable(item):
    """Equal for equal bits; every NaN is one."""
    if isinstance(item, np.ndarray):
        return item.shape, [comparable(float(each)) for each in item.ravel()]
    if isinstance(item, tuple):
        return type(item), *map(comparable, item)
    if isinstance(item, float):
        return "nan" if item != item else struct.pack("<d", item)
    return item


def by_wire(data):
    """The event by the walk alone, None where it does not know."""
    layout = parse_event(data)
    if layout is None:
        return None
    try:
        decoded = decode_layout(data, layout)
        for value in decoded.values:
            value.tag.decode()
    except (Unsupported, UnicodeDecodeError):
        return None
    return decoded


@settings(max_examples=150)
@given(EVENTS)
def test_the_walk_tells_what_protobuf_tells(message):
    data = message.SerializeToString()
    expected = comparable(protobuf.decode_event(data))
    assert comparable(decode_event(data)) == expected
    found = by_wire(data)
    assert found is None or comparable(found) == expected


@settings(max_examples=150)
@given(EVENTS, st.data())
def test_after_any_change_of_its_bytes_it_tells_the_same_or_leaves_it_to_protobuf(message, data):
    """Unknown fields, sub-messages in parts, odd varints, repeated and overriding fields arise here by chance."""
    encoded = bytearray(message.SerializeToString())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(encoded)))
        removed = data.draw(st.integers(0, 2))
        encoded[at : at + removed] = data.draw(
            st.binary(max_size=3)
            | st.sampled_from([b"\x80\x00", b"\x10\x05", b"\x2a\x00", b"\x0a\x00", b"\xf8\x07\x01"])
        )
    changed = bytes(encoded)
    found = by_wire(changed)
    if found is None:
        return
    try:
        expected = protobuf.decode_event(changed)
    except protobuf.UnparsableError:
        # Only what is skipped without a look may be broken: what was read stands there all the same.
        layout = parse_event(changed)
        unread = any(value.content is Content.OPAQUE for value in layout.values) or not layout.values
        assert unread or b"\x52" in changed
        return
    assert comparable(found) == comparable(expected)


@settings(max_examples=100)
@given(EVENTS, EVENTS)
def test_merged_messages_are_left_to_protobuf_or_told_as_it_tells_them(first, second):
    data = first.SerializeToString() + second.SerializeToString()
    found = by_wire(data)
    assert found is None or comparable(found) == comparable(protobuf.decode_event(data))


@pytest.mark.parametrize(
    "message",
    [
        event(0, scalar("a", 0.0)),
        event(300, scalar("a", 1.0), scalar("b", 2.0)),
        event(1, tensor("a", tensor_proto(1, float_val=[1.0]), "scalars")),
        event(1, tensor("a", tensor_proto(2, double_val=[1.0]))),
        event(1, tensor("a", tensor_proto(1, (), tensor_content=bytes(4)))),
        event(1, tensor("a", tensor_proto(7, string_val=[b"text"]), "text")),
        event(1, tensor("a", tensor_proto(2, (2, 3), tensor_content=bytes(48)), "histograms")),
        event(1, histogram("h", np.arange(5.0), [0.0, 2.0, 5.0])),
        session_start(7),
        Event(wall_time=1.0, file_version="brain.Event:2"),
    ],
)
def test_what_writers_produce_needs_no_protobuf(message):
    data = message.SerializeToString()
    assert by_wire(data) is not None
    assert comparable(by_wire(data)) == comparable(protobuf.decode_event(data))
