"""The reader against TensorBoard's own, on undamaged files."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.plugins.hparams import plugin_data_pb2
from tensorboard.util import tensor_util
from tests.monitor.eventfile.event_records import (
    WALL_TIME,
    event,
    framed,
    histogram,
    metadata,
    record,
    scalar,
    session_start,
    tensor,
    tensor_proto,
    version,
    write,
)

from trainvitals.errors import LogError
from trainvitals.eventfile import EventFileReader, SessionStart, Text

EVERYTHING = {"scalars": 0, "tensors": 0, "histograms": 0, "images": 1, "audio": 1, "compressedHistograms": 1}


TAGS = ("train/loss", "train/acc", "val/loss", "a", "lr-AdamW/pg1", "grad_norm/encoder.layers.0.attention.weight")


def assert_equal_to_event_accumulator(path, columns):
    """Every scalar of one is in the other, tag by tag, in order; tensors through ``Tensors()``."""
    accumulator = EventAccumulator(str(path), EVERYTHING, purge_orphaned_data=False).Reload()
    ours = {columns.tags[code]: columns.tag_code == code for code in np.unique(columns.tag_code)}
    for tag in accumulator.Tags()["scalars"]:
        rows = ours.pop(tag)
        theirs = accumulator.Scalars(tag)
        assert columns.step[rows].tolist() == [item.step for item in theirs]
        assert columns.wall_time[rows].tolist() == [item.wall_time for item in theirs]
        np.testing.assert_array_equal(columns.value[rows], [item.value for item in theirs])
        assert columns.value[rows].sum(dtype=np.float64) == pytest.approx(
            sum(item.value for item in theirs), nan_ok=True
        )
    for tag, rows in ours.items():
        theirs = accumulator.Tensors(tag)
        assert columns.step[rows].tolist() == [item.step for item in theirs]
        assert columns.wall_time[rows].tolist() == [item.wall_time for item in theirs]
        values = [tensor_util.make_ndarray(item.tensor_proto).item() for item in theirs]
        np.testing.assert_array_equal(columns.value[rows], values)


def one_scalar_each(rng, make, steps=135):
    return [
        record(event(step, make(tag, rng.normal()), wall_time=WALL_TIME + step + place / 100))
        for step in range(steps)
        for place, tag in enumerate(TAGS)
    ]


STYLES: dict[str, Any] = {
    "per scalar": scalar,
    "new style": lambda tag, value: tensor(tag, tensor_proto(1, float_val=[value]), "scalars"),
    "double precision": lambda tag, value: tensor(tag, tensor_proto(2, double_val=[value]), "scalars"),
    "tensorflow 2": lambda tag, value: tensor(
        tag, TensorProto(dtype=1, tensor_content=np.float32(value).tobytes()), "scalars"
    ),
}


@pytest.mark.parametrize("style", STYLES)
def test_one_scalar_a_record_equals_event_accumulator(tmp_path, way, style):
    records = one_scalar_each(np.random.default_rng(1), STYLES[style])
    path = write(tmp_path / "events.out.tfevents.1", version(), *records)
    reader = EventFileReader(path)
    columns = reader.poll()
    assert len(columns) == len(records)
    assert columns.value.dtype == (np.float64 if style == "double precision" else np.float32)
    assert_equal_to_event_accumulator(path, columns)
    assert reader.problems == ()
    assert reader.first_wall_time == WALL_TIME
    assert columns.file_version == "brain.Event:2"


@pytest.mark.parametrize("make", [scalar, STYLES["new style"], STYLES["double precision"]])
def test_wide_events_equal_event_accumulator(tmp_path, way, make):
    rng = np.random.default_rng(2)
    tags = [f"{kind}/layers.{layer}.weight" for layer in range(30) for kind in ("grad_norm", "weight_norm")]
    events = [event(step, *(make(tag, rng.normal()) for tag in tags)) for step in range(0, 200, 10)]
    path = write(tmp_path / "events.out.tfevents.1", version(), *map(record, events))
    columns = EventFileReader(path).poll()
    assert len(columns) == len(tags) * len(events)
    assert_equal_to_event_accumulator(path, columns)


def test_a_log_of_everything_equals_event_accumulator(tmp_path, way):
    rng = np.random.default_rng(3)
    image = Summary.Image(height=8, width=8, colorspace=3, encoded_image_string=rng.bytes(3000))
    records = []
    for step in range(30):
        records += [record(event(step, scalar(tag, rng.normal()))) for tag in TAGS]
        records.append(record(event(step, histogram("weights", rng.normal(size=50), np.linspace(-5, 5, 300)))))
        records.append(record(event(step, Summary.Value(tag="picture", image=image))))
        records.append(record(event(step, tensor("note", tensor_proto(7, string_val=[b"text %d" % step]), "text"))))
        records.append(
            record(event(step, scalar("x", step), tensor("y", tensor_proto(2, double_val=[step]), "scalars")))
        )
    path = write(tmp_path / "events.out.tfevents.1", version(), *records)
    reader = EventFileReader(path)
    columns = reader.poll()
    assert_equal_to_event_accumulator(path, columns)
    assert set(np.unique(columns.tag_code)) == {columns.tags.index(tag) for tag in (*TAGS, "x", "y")}
    assert [text.text for text in columns.texts] == [f"text {step}" for step in range(30)]
    theirs = EventAccumulator(str(path), EVERYTHING).Reload().Histograms("weights")
    ours = columns.histogram_series()["weights"]
    assert ours.step.tolist() == [item.step for item in theirs]
    assert ours.minimum.tolist() == [item.histogram_value.min for item in theirs]
    assert (ours.norm**2).tolist() == pytest.approx([item.histogram_value.sum_squares for item in theirs])
    assert reader.problems == ()


def test_a_large_file_is_read_in_several_windows_as_in_one(tmp_path, monkeypatch):
    rng = np.random.default_rng(4)
    records = one_scalar_each(rng, scalar, steps=400)
    records[1000] = record(event(5, *(scalar(f"tag{i}", i) for i in range(3000))))
    path = write(tmp_path / "events.out.tfevents.1", version(), *records)
    whole = EventFileReader(path).poll()
    assert len(whole) == 2399 + 3000
    assert_equal_to_event_accumulator(path, whole)
    monkeypatch.setattr("trainvitals.eventfile.reader.WINDOW_SIZE", 1 << 16)
    parts = EventFileReader(path).poll()
    assert [parts.tags[code] for code in parts.tag_code] == [whole.tags[code] for code in whole.tag_code]
    np.testing.assert_array_equal(parts.value, whole.value)
    np.testing.assert_array_equal(parts.step, whole.step)
    np.testing.assert_array_equal(parts.wall_time, whole.wall_time)


@pytest.mark.parametrize(
    ("proto", "expected"),
    [
        (tensor_proto(1, float_val=[0.1]), np.float32(0.1)),
        (tensor_proto(1, (1, 1), tensor_content=np.float32(0.1).tobytes()), np.float32(0.1)),
        (tensor_proto(2, double_val=[0.1]), 0.1),
        (tensor_proto(2, (1,), tensor_content=np.float64(0.1).tobytes()), 0.1),
        (tensor_proto(3, int_val=[-(2**31) + 1]), -(2**31) + 1),
        (tensor_proto(4, int_val=[200]), 200),
        (tensor_proto(5, int_val=[-30000]), -30000),
        (tensor_proto(6, int_val=[-100]), -100),
        (tensor_proto(9, int64_val=[2**52 + 1]), 2**52 + 1),
        (tensor_proto(9, tensor_content=np.int64(-(2**40) - 1).tobytes()), -(2**40) - 1),
        (tensor_proto(10, bool_val=[True]), 1),
        (tensor_proto(14, half_val=[0x3FC0]), 1.5),
        (tensor_proto(14, tensor_content=b"\xc0\x3f"), 1.5),
        (tensor_proto(17, int_val=[60000]), 60000),
        (tensor_proto(19, half_val=[0x3E00]), 1.5),
        (tensor_proto(19, tensor_content=b"\x00\x3e"), 1.5),
        (tensor_proto(22, uint32_val=[2**32 - 1]), 2**32 - 1),
        (tensor_proto(23, uint64_val=[2**52 + 1]), 2**52 + 1),
    ],
)
def test_every_number_type_of_a_tensor_is_a_scalar(tmp_path, way, proto, expected):
    records = [record(event(step, tensor("t", proto, "scalars"))) for step in range(5)]
    columns = EventFileReader(write(tmp_path / "f.tfevents", version(), *records)).poll()
    assert columns.value.tolist() == [expected] * 5


@pytest.mark.parametrize("plugin", ["text", "hparams", "images", "audio", "histograms", "pr_curves"])
def test_a_single_number_of_another_plugin_is_no_scalar_also_where_later_records_leave_the_plugin_out(
    tmp_path, way, plugin
):
    proto = tensor_proto(1, float_val=[1.0])
    records = [record(event(0, tensor("t", proto, plugin)))]
    records += [record(event(step, tensor("t", proto), tensor("u", proto))) for step in range(1, 9)]
    columns = EventFileReader(write(tmp_path / "f.tfevents", version(), *records)).poll()
    assert {columns.tags[code] for code in columns.tag_code} == {"u"}
    assert len(columns) == 8


def test_tensors_of_several_elements_are_no_scalars(tmp_path, way):
    proto = tensor_proto(1, (2,), float_val=[1.0, 2.0])
    columns = EventFileReader(
        write(tmp_path / "f.tfevents", version(), record(event(0, tensor("t", proto, ""))))
    ).poll()
    assert len(columns) == 0


def test_doubles_that_float32_holds_stay_narrow(tmp_path, way):
    records = [record(event(step, tensor("t", tensor_proto(2, double_val=[step / 2])))) for step in range(20)]
    columns = EventFileReader(write(tmp_path / "f.tfevents", version(), *records)).poll()
    assert columns.value.dtype == np.float32
    assert columns.value.tolist() == [step / 2 for step in range(20)]


def test_values_that_are_no_numbers_and_extreme_steps_are_kept(tmp_path, way):
    values = [np.nan, np.inf, -np.inf, 0.0, -0.0]
    steps = [-1, -(2**63), 2**63 - 1, 0, 2**56]
    records = [record(event(step, scalar("t", value))) for step, value in zip(steps, values, strict=True)]
    reader = EventFileReader(write(tmp_path / "f.tfevents", version(), *records))
    columns = reader.poll()
    np.testing.assert_array_equal(columns.value, np.array(values, np.float32))
    assert np.signbit(columns.value[4])
    assert columns.step.tolist() == steps
    assert [(problem.kind, problem.count) for problem in reader.problems] == [("negative-step", 2)]


def test_session_starts_know_how_many_rows_precede_them(tmp_path, way):
    before = [record(event(step, scalar("a", 1), scalar("b", 2))) for step in range(10)]
    after = [record(event(step, scalar("a", 1))) for step in range(5, 12)]
    start = record(session_start(5, WALL_TIME + 7))
    path = write(tmp_path / "f.tfevents", version(), *before, start, *after, record(session_start(0)))
    columns = EventFileReader(path).poll()
    assert columns.session_starts == (SessionStart(20, 5, WALL_TIME + 7), SessionStart(27, 0, WALL_TIME))


def test_hyper_parameters_and_texts_are_decoded(tmp_path, way):
    info = plugin_data_pb2.SessionStartInfo()
    info.hparams["lr"].number_value = 0.1
    info.hparams["optimizer"].string_value = "adam"
    info.hparams["nesterov"].bool_value = True
    content = plugin_data_pb2.HParamsPluginData(session_start_info=info).SerializeToString()
    hparams = Summary.Value(tag="_hparams_/session_start_info", metadata=metadata("hparams", content))
    first = tensor("note", tensor_proto(7, (2,), string_val=[b"two", "zeilen ä".encode()]), "text")
    later = tensor("note", tensor_proto(7, string_val=[b"later"]))
    path = write(
        tmp_path / "f.tfevents", version(), record(event(0, hparams)), record(event(1, first)), record(event(2, later))
    )
    columns = EventFileReader(path).poll()
    assert columns.hyper_parameters == {"lr": 0.1, "optimizer": "adam", "nesterov": True}
    assert columns.texts == (Text("note", 1, "two\nzeilen ä"), Text("note", 2, "later"))


def test_histograms_can_be_located_without_decoding(tmp_path, way):
    values = histogram("h", np.arange(9.0), [0.0, 4.0, 9.0])
    records = [version(), record(event(0, scalar("a", 1))), record(event(1, values)), record(event(2, values))]
    path = write(tmp_path / "f.tfevents", *records)
    columns = EventFileReader(path, histograms="locate").poll()
    assert columns.histograms.statistics is None
    assert columns.histograms.offset.tolist() == [
        len(records[0] + records[1]),
        len(records[0] + records[1] + records[2]),
    ]
    assert columns.histograms.row.tolist() == [1, 1]
    with pytest.raises(ValueError, match="located"):
        columns.histogram_series()


@pytest.mark.parametrize("make", ["missing", "folder"])
def test_a_file_that_cannot_be_opened_is_a_log_error_that_names_it(tmp_path, make):
    path = tmp_path / "events.out.tfevents.1"
    if make == "folder":
        path.mkdir()
    with pytest.raises(LogError, match=r"events\.out\.tfevents\.1"):
        EventFileReader(path).poll()


def test_what_the_wire_format_leaves_open_goes_through_protobuf(tmp_path, way):
    plain = event(3, scalar("a", 1.5)).SerializeToString()
    twice = (
        event(3, scalar("a", 1.5)).SerializeToString()
        + Event(summary=Summary(value=[scalar("b", 2)])).SerializeToString()
    )
    unknown_field = plain + b"\xf8\x07\x01"
    long_step = b"\x10\x83\x80\x00" + plain[11:] + plain[:9]
    path = write(tmp_path / "f.tfevents", version(), *map(framed, [plain, twice, unknown_field, long_step] * 3))
    reader = EventFileReader(path)
    columns = reader.poll()
    assert [columns.tags[code] for code in columns.tag_code] == ["a", "a", "b", "a", "a"] * 3
    assert columns.step.tolist() == [3] * 15
    assert reader.problems == ()


@pytest.mark.shared
def test_real_logs_equal_event_accumulator(shared):
    paths = sorted((shared / "real_logs").rglob("*tfevents*"))
    assert len(paths) >= 10
    for path in paths:
        reader = EventFileReader(path)
        assert_equal_to_event_accumulator(path, reader.poll())
        assert {problem.kind for problem in reader.problems} <= {"no-values"}


def test_without_the_compiled_checksum_the_answer_is_the_same(tmp_path, way, monkeypatch):
    rng = np.random.default_rng(5)
    records = one_scalar_each(rng, scalar, steps=20)
    records.append(record(event(20, *(scalar(f"tag{i}", i) for i in range(200)))))
    damaged = bytearray(b"".join([version(), *records, records[0]]))
    damaged[len(version()) + 30] ^= 1
    path = write(tmp_path / "f", bytes(damaged))
    expected = EventFileReader(path).poll()
    monkeypatch.setattr("trainvitals.eventfile.crc32c.COMPILED", False)
    monkeypatch.setattr("trainvitals.eventfile.crc32c_rows.COMPILED", False)
    reader = EventFileReader(path)
    found = reader.poll()
    np.testing.assert_array_equal(found.value, expected.value)
    np.testing.assert_array_equal(found.step, expected.step)
    assert found.tags == expected.tags
    assert [(problem.kind, problem.count) for problem in reader.problems] == [("bad-checksum", 1)]
