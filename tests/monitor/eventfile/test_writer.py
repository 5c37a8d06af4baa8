"""What the writer writes, as TensorBoard's own classes read it."""

from __future__ import annotations

import itertools
import math
import os
import signal
import struct
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from tensorboard.compat.proto import event_pb2, tensor_pb2, tensor_shape_pb2, types_pb2

from trainvitals.eventfile import template as templates
from trainvitals.eventfile import writer as writers
from trainvitals.eventfile.crc32c import masked_crc32c
from trainvitals.eventfile.few import FewScalars
from trainvitals.eventfile.template import ScalarTemplate
from trainvitals.eventfile.writer import EventFileWriter

VARINT_BOUNDARIES = [0, 1, 127, 128, 16383, 16384, 2097151, 2097152, 2**31, 2**53, 2**63 - 1]


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


def same_bits(left: float, right: float) -> bool:
    return struct.pack("<f", left) == struct.pack("<f", right)


def test_tensorboard_reads_back_every_value_step_and_time(tmp_path):
    tags = [f"layer{number}/{'x' * (number % 7)}" for number in range(300)]
    values = np.random.default_rng(0).normal(size=(5, len(tags))).astype(np.float32)
    template = ScalarTemplate(tags)
    with EventFileWriter(tmp_path) as writer:
        for step, row in enumerate(values):
            writer.write_vector(step * 100, template, row, wall_time=1e9 + step / 3)
    read = accumulated(tmp_path)
    assert set(read.Tags()["scalars"]) == set(tags)
    for column, tag in enumerate(tags):
        points = read.Scalars(tag)
        assert [point.step for point in points] == [0, 100, 200, 300, 400]
        assert [point.wall_time for point in points] == [1e9 + step / 3 for step in range(5)]
        assert np.array_equal(np.array([point.value for point in points], np.float32), values[:, column])


def test_steps_at_every_varint_boundary(tmp_path):
    with EventFileWriter(tmp_path) as writer:
        for step in VARINT_BOUNDARIES:
            writer.write_scalars(step, {"loss": float(step % 1000)})
    assert scalars_of(tmp_path, "loss") == [(step, float(step % 1000)) for step in VARINT_BOUNDARIES]


@pytest.mark.parametrize("step", [-1, 2**63])
def test_a_step_that_no_event_can_hold_is_refused_and_writes_nothing(tmp_path, step):
    with EventFileWriter(tmp_path) as writer:
        with pytest.raises(ValueError, match="not between 0"):
            writer.write_scalars(step, {"loss": 1.0})
        with pytest.raises(TypeError):
            writer.write_scalars(1.5, {"loss": 1.0})  # type: ignore[arg-type]
        assert len(records_of(writer.path)) == 1
    with pytest.raises(ValueError, match="not between 0"):
        EventFileWriter(tmp_path, resume_step=step)


def test_numpy_steps_are_steps(tmp_path):
    with EventFileWriter(tmp_path) as writer:
        writer.write_scalars(np.int32(300), {"loss": 1.0})
    assert scalars_of(tmp_path, "loss") == [(300, 1.0)]


@pytest.mark.parametrize("wall_time", [math.nan, math.inf])
def test_a_wall_time_that_stops_tensorboards_server_is_refused(tmp_path, wall_time):
    with EventFileWriter(tmp_path) as writer, pytest.raises(ValueError, match="not finite"):
        writer.write_scalars(0, {"loss": 1.0}, wall_time=wall_time)


def test_special_values_keep_their_bits_and_large_ones_become_infinite(tmp_path):
    smallest_subnormal = 2.0**-149
    logged = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf, "-0": -0.0, "subnormal": smallest_subnormal}
    logged |= {"large": 1e300, "-large": -1e300, "vanishing": 1e-300}
    expected = logged | {"large": math.inf, "-large": -math.inf, "vanishing": 0.0}
    with EventFileWriter(tmp_path) as writer:
        writer.write_scalars(1, logged)
    read = accumulated(tmp_path)
    for tag, value in expected.items():
        assert same_bits(read.Scalars(tag)[0].value, value), tag


def test_a_nan_of_a_vector_keeps_its_payload(tmp_path):
    value = np.array([0x7FC12345], "<u4").view("<f4")
    with EventFileWriter(tmp_path) as writer:
        writer.write_vector(0, ScalarTemplate(["nan"]), value)
        assert records_of(writer.path)[1].endswith(value.tobytes())


tags_strategy = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=40), max_size=8, unique=True)


@settings(max_examples=150, deadline=None)
@given(
    tags=tags_strategy,
    rows=st.lists(
        st.tuples(st.integers(0, 2**63 - 1), st.floats(width=32), st.floats(allow_nan=False, allow_infinity=False)),
        max_size=4,
    ),
)
def test_any_unicode_value_step_and_time_come_back_through_tensorboards_protobuf(tags, rows):
    with tempfile.TemporaryDirectory() as folder, EventFileWriter(folder) as writer:
        for step, value, wall_time in rows:
            writer.write_scalars(step, dict.fromkeys(tags, value), wall_time)
        events = events_of(writer.path)[1:]
    assert len(events) == (len(rows) if tags else 0)
    for event, (step, value, wall_time) in zip(events, rows, strict=False):
        assert (event.step, event.wall_time) == (step, wall_time)
        assert [entry.tag for entry in event.summary.value] == tags
        assert all(same_bits(entry.simple_value, value) for entry in event.summary.value)


def test_a_lone_surrogate_is_written_as_its_escape(tmp_path):
    with EventFileWriter(tmp_path) as writer:
        writer.write_vector(0, ScalarTemplate(["a\ud800", "a\udfff"]), np.array([1.0, 2.0]))
    assert set(accumulated(tmp_path).Tags()["scalars"]) == {"a\\ud800", "a\\udfff"}


def test_a_step_larger_than_a_record_is_split_and_nothing_is_lost(tmp_path, monkeypatch):
    monkeypatch.setattr(templates, "RECORD_SIZE_LIMIT", 200)
    values = {f"tag{number}": float(number) for number in range(50)}
    with EventFileWriter(tmp_path) as writer:
        writer.write_scalars(7, values, wall_time=5.0)
        events = events_of(writer.path)[1:]
    assert len(events) > 1
    assert all(event.summary.ByteSize() <= 200 and (event.step, event.wall_time) == (7, 5.0) for event in events)
    assert {entry.tag: entry.simple_value for event in events for entry in event.summary.value} == values


def test_one_tag_longer_than_a_record_is_written_alone(tmp_path):
    long = "x" * (templates.RECORD_SIZE_LIMIT + 1)
    with EventFileWriter(tmp_path) as writer:
        writer.write_scalars(0, {"a": 1.0, long: 2.0, "b": 3.0})
        assert [entry.tag for event in events_of(writer.path) for entry in event.summary.value] == ["a", long, "b"]


def test_a_template_refuses_repeated_tags_and_vectors_of_another_length(tmp_path):
    with pytest.raises(ValueError, match="'b' occurs twice"):
        ScalarTemplate(["a", "b", "b"])
    with EventFileWriter(tmp_path) as writer:
        for wrong in (np.zeros(1), np.zeros(3), np.zeros((2, 1)), np.float32(1)):
            with pytest.raises(ValueError, match="2 tags need as many values"):
                writer.write_vector(0, ScalarTemplate(["a", "b"]), wrong)
        assert len(records_of(writer.path)) == 1


def test_the_first_record_is_the_file_version_and_the_name_is_tensorboards(tmp_path, monkeypatch):
    monkeypatch.setattr(time, "time", lambda: 1234567.5)
    with EventFileWriter(tmp_path / "new" / "run", suffix=".rank0") as writer:
        assert writer.path.parent == tmp_path / "new" / "run"
        assert writer.path.name.startswith("events.out.tfevents.0001234567.")
        assert writer.path.name.endswith(f".{os.getpid()}.0.rank0")
        (event,) = events_of(writer.path)
    assert (event.file_version, event.wall_time, event.step) == ("brain.Event:2", 1234567.5, 0)


def test_a_suffix_cannot_leave_the_folder(tmp_path):
    with pytest.raises(ValueError, match="suffix"):
        EventFileWriter(tmp_path / "run", suffix="/../../x")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("value", [0.0, -0.0, 1e-45, 1e300, -1e300, np.float32(0.1), math.inf, math.nan, 3])
@pytest.mark.parametrize("tags", [("train/loss",), ("train/loss", "é"), tuple("abcdefgh")])
def test_a_few_scalars_have_the_bytes_that_a_template_gives_them(value, tags):
    few, template = FewScalars(tags), ScalarTemplate(tags)
    steps = [*range(400), *VARINT_BOUNDARIES, 7, 0, 8]
    for step in steps:
        values = [value + step] * len(tags)
        (record,) = template.records(step, 1e9 + step / 3, np.array(values, np.float64))
        assert few.record(step, 1e9 + step / 3, dict(zip(tags, values, strict=True))) == record.tobytes()


def test_the_same_calls_write_the_same_bytes(tmp_path, monkeypatch):
    monkeypatch.setattr(time, "time", lambda: 1e9)
    contents = []
    for name in ("a", "b"):
        with EventFileWriter(tmp_path / name, resume_step=3) as writer:
            writer.write_scalars(3, {"loss": 1.0, "rate": 0.1}, wall_time=1.0)
            writer.write_text(3, "note", "x", wall_time=2.0)
            writer.write_hyper_parameters({"rate": 0.1}, wall_time=3.0)
            contents.append(writer.path.read_bytes())
    assert contents[0] == contents[1]


def test_two_writers_in_one_second_do_not_share_a_file(tmp_path, monkeypatch):
    monkeypatch.setattr(time, "time", lambda: 1e9)
    with EventFileWriter(tmp_path) as first, EventFileWriter(tmp_path) as second:
        first.write_scalars(0, {"loss": 1.0})
        second.write_scalars(0, {"loss": 2.0})
        assert first.path != second.path
        assert [events_of(w.path)[1].summary.value[0].simple_value for w in (first, second)] == [1.0, 2.0]


def test_a_resumed_run_makes_tensorboard_drop_what_the_crash_left_behind(tmp_path, monkeypatch):
    clock = itertools.count(1_000_000_000)
    monkeypatch.setattr(time, "time", lambda: float(next(clock)))
    with EventFileWriter(tmp_path) as before:
        for step in range(10):
            before.write_scalars(step, {"loss": 1.0})
    with EventFileWriter(tmp_path, resume_step=6) as after:
        for step in range(6, 8):
            after.write_scalars(step, {"loss": 2.0})
    assert scalars_of(tmp_path, "loss") == [(step, 1.0) for step in range(6)] + [(6, 2.0), (7, 2.0)]


def test_resuming_from_step_0_is_a_start_as_well(tmp_path):
    with EventFileWriter(tmp_path, resume_step=0) as writer:
        event = events_of(writer.path)[1]
    assert event.session_log.status == event_pb2.SessionLog.START
    assert event.step == 0


def test_histograms_come_back(tmp_path):
    sample = np.random.default_rng(0).normal(size=500)
    counts, edges = np.histogram(sample, bins=20)
    with EventFileWriter(tmp_path) as writer:
        writer.write_histogram(
            12,
            "weights",
            minimum=sample.min(),
            maximum=sample.max(),
            count=len(sample),
            total=sample.sum(),
            sum_of_squares=sample @ sample,
            bucket_limits=edges[1:],
            bucket_counts=counts,
        )
    (event,) = accumulated(tmp_path).Histograms("weights")
    histogram = event.histogram_value
    assert (event.step, histogram.min, histogram.max, histogram.num) == (12, sample.min(), sample.max(), 500)
    assert (histogram.sum, histogram.sum_squares) == (sample.sum(), sample @ sample)
    assert list(histogram.bucket_limit) == edges[1:].tolist()
    assert list(histogram.bucket) == counts.tolist()


@pytest.mark.parametrize(("limits", "counts"), [([], []), ([1.0], []), ([1.0, 2.0], [1.0]), ([[1.0]], [[1.0]])])
def test_a_histogram_whose_buckets_do_not_pair_up_is_refused(tmp_path, limits, counts):
    with EventFileWriter(tmp_path) as writer, pytest.raises(ValueError, match="must pair up"):
        writer.write_histogram(
            0,
            "h",
            minimum=0,
            maximum=1,
            count=1,
            total=1,
            sum_of_squares=1,
            bucket_limits=limits,
            bucket_counts=counts,
        )


def provider_of(path: Path) -> MultiplexerDataProvider:
    multiplexer = EventMultiplexer().AddRunsFromDirectory(str(path)).Reload()
    return MultiplexerDataProvider(multiplexer, str(path))


@pytest.mark.filterwarnings("ignore:html5lib's sanitizer is deprecated:DeprecationWarning")
def test_tensorboards_text_plugin_shows_the_text(tmp_path):
    from tensorboard import context
    from tensorboard.plugins import base_plugin
    from tensorboard.plugins.text.text_plugin import TextPlugin

    with EventFileWriter(tmp_path) as writer:
        writer.write_text(3, "note", "**bold** \u2713")
        writer.write_text(4, "note", "")
    plugin = TextPlugin(base_plugin.TBContext(data_provider=provider_of(tmp_path)))
    request = context.RequestContext()
    assert plugin.index_impl(request, "") == {".": ["note"]}
    shown = plugin.text_impl(request, ".", "note", "", enable_markdown=True)
    assert [(entry["step"], entry["text"]) for entry in shown] == [(3, "<p><strong>bold</strong> \u2713</p>"), (4, "")]


def test_tensorboards_hparams_plugin_shows_the_settings(tmp_path):
    from google.protobuf import json_format
    from tensorboard import context
    from tensorboard.plugins import base_plugin
    from tensorboard.plugins.hparams import api_pb2, list_session_groups
    from tensorboard.plugins.hparams.backend_context import Context

    settings_written = {"rate": 1e-3, "layers": 12, "fused": True, "name": "a \u00e9", "numpy": np.float32(0.5)}
    odd = {"off": np.bool_(False), "huge": 10**400, "none": None, "list": [1, 2]}
    with EventFileWriter(tmp_path / "run") as writer:
        writer.write_hyper_parameters(settings_written | odd)  # type: ignore[arg-type]
        writer.write_scalars(1, {"loss": 0.25})
    backend = Context(base_plugin.TBContext(data_provider=provider_of(tmp_path)))
    request = context.RequestContext()
    content = backend.hparams_metadata(request, "")
    hyper = backend.hparams_from_data_provider(request, "", limit=None)
    experiment = backend.experiment_from_metadata(
        request, "", include_metrics=True, hparams_run_to_tag_to_content=content, data_provider_hparams=hyper
    )
    wanted = api_pb2.ListSessionGroupsRequest(
        slice_size=10, allowed_statuses=[api_pb2.STATUS_UNKNOWN, api_pb2.STATUS_RUNNING], include_metrics=True
    )
    wanted.col_params.extend(
        [api_pb2.ColParams(hparam=info.name) for info in experiment.hparam_infos]
        + [api_pb2.ColParams(metric=info.name) for info in experiment.metric_infos]
    )
    (group,) = list_session_groups.Handler(request, backend, "", wanted).run().session_groups
    shown = {name: json_format.MessageToDict(value) for name, value in group.hparams.items()}
    assert shown == {
        "rate": 1e-3,
        "layers": 12.0,
        "fused": True,
        "name": "a \u00e9",
        "numpy": 0.5,
        "off": False,
        "huge": str(10**400),
        "none": "None",
        "list": "[1, 2]",
    }
    assert [(metric.name.tag, metric.value) for metric in group.metric_values] == [("loss", 0.25)]


def test_hparams_and_text_are_canonical_tensors(tmp_path):
    with EventFileWriter(tmp_path) as writer:
        writer.write_text(0, "note", "abc")
        writer.write_hyper_parameters({})
        text, hyper = (event.summary.value[0].tensor for event in events_of(writer.path)[1:])
    no_dimensions = tensor_shape_pb2.TensorShapeProto()
    expected = tensor_pb2.TensorProto(dtype=types_pb2.DT_STRING, tensor_shape=no_dimensions, string_val=[b"abc"])
    assert text == expected
    assert hyper.dtype == types_pb2.DT_FLOAT
    assert [dimension.size for dimension in hyper.tensor_shape.dim] == [0]


def test_records_reach_the_file_without_a_flush(tmp_path):
    with EventFileWriter(tmp_path) as writer:
        for step in range(3):
            writer.write_scalars(step, {"loss": 1.0})
            assert len(records_of(writer.path)) == step + 2
        writer.flush()
        writer.sync()
        assert len(records_of(writer.path)) == 4


def test_a_closed_writer_refuses_to_write(tmp_path):
    writer = EventFileWriter(tmp_path)
    writer.close()
    writer.close()
    writer.sync()
    with pytest.raises(ValueError, match="closed"):
        writer.write_scalars(0, {"loss": 1.0})
    assert len(list(tmp_path.iterdir())) == 1


def test_short_writes_are_continued(tmp_path, monkeypatch):
    real_write = os.write
    with EventFileWriter(tmp_path) as writer:
        monkeypatch.setattr(os, "write", lambda descriptor, data: real_write(descriptor, data[:7]))
        writer.write_scalars(5, {"loss": 1.0, "rate": 2.0})
        monkeypatch.undo()
        (event,) = events_of(writer.path)[1:]
    assert [entry.tag for entry in event.summary.value] == ["loss", "rate"]


def test_a_full_disk_is_an_oserror_and_the_file_heals_once_there_is_room(tmp_path, monkeypatch):
    real_write = os.write
    room = 25

    def write_until_full(descriptor, data):
        nonlocal room
        if not room:
            raise OSError(28, "No space left on device")
        done = real_write(descriptor, data[:room])
        room -= done
        return done

    with EventFileWriter(tmp_path) as writer:
        writer.write_scalars(0, {"loss": 1.0})
        whole = writer.path.stat().st_size
        monkeypatch.setattr(os, "write", write_until_full)
        for _ in range(2):
            with pytest.raises(OSError, match="No space left"):
                writer.write_scalars(1, {"loss": 2.0})
        assert whole <= writer.path.stat().st_size <= whole + 25
        assert scalars_of(tmp_path, "loss") == [(0, 1.0)]
        monkeypatch.undo()
        writer.write_scalars(2, {"loss": 3.0})
        assert len(records_of(writer.path)) == 3
    assert scalars_of(tmp_path, "loss") == [(0, 1.0), (2, 3.0)]


def test_a_writer_that_cannot_write_its_first_record_leaves_no_file(tmp_path, monkeypatch):
    def full(_descriptor, _data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space left"):
        EventFileWriter(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_deleted_file_is_an_error_and_not_a_silent_loss(tmp_path):
    with EventFileWriter(tmp_path / "run") as writer:
        writer.path.unlink()
        writer.path.parent.rmdir()
        with pytest.raises(FileNotFoundError, match="deleted"):
            writer.write_scalars(0, {"loss": 1.0})


def test_a_writer_that_looks_now_and_then_sees_a_deleted_file_at_its_next_look(tmp_path, monkeypatch):
    now_s = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: now_s)
    with EventFileWriter(tmp_path, look_every_s=1.0) as writer:
        writer.path.unlink()
        now_s = 0.9
        writer.write_scalars(0, {"loss": 1.0})
        now_s = 1.1
        with pytest.raises(FileNotFoundError, match="deleted"):
            writer.write_scalars(1, {"loss": 1.0})


def test_a_folder_that_is_a_file_is_an_oserror(tmp_path):
    (tmp_path / "run").write_text("x")
    with pytest.raises(FileExistsError):
        EventFileWriter(tmp_path / "run")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_after_a_fork_the_child_writes_its_own_file(tmp_path):
    with EventFileWriter(tmp_path) as writer:
        writer.write_scalars(0, {"loss": 1.0})
        parents = writer.path
        # The fork happens while another thread would hold the lock.
        with writer._lock:
            child = os.fork()
            if child == 0:
                try:
                    writer.write_scalars(1, {"loss": 2.0})
                    writer.close()
                finally:
                    os._exit(0 if writer.path != parents else 1)
        _, status = os.waitpid(child, 0)
        assert status == 0
        writer.write_scalars(2, {"loss": 3.0})
        assert writer.path == parents
    (childs,) = set(tmp_path.iterdir()) - {parents}
    steps = {path: [event.step for event in events_of(path)[1:]] for path in (parents, childs)}
    assert steps == {parents: [0, 2], childs: [1]}
    assert f".{child}." in childs.name


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_that_writes_nothing_leaves_no_file(tmp_path):
    with EventFileWriter(tmp_path) as writer:
        child = os.fork()
        if child == 0:
            writer.sync()
            writer.close()
            os._exit(0)
        os.waitpid(child, 0)
        writer.write_scalars(0, {"loss": 1.0})
    assert len(list(tmp_path.iterdir())) == 1


def test_two_threads_never_mix_their_records(tmp_path):
    with EventFileWriter(tmp_path) as writer:

        def write(name: str) -> None:
            for step in range(200):
                writer.write_scalars(step, {f"{name}/a": 1.0, f"{name}/b": 2.0})

        threads = [threading.Thread(target=write, args=(name,)) for name in "xy"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        events = events_of(writer.path)[1:]
    for name in "xy":
        mine = [event for event in events if event.summary.value[0].tag.startswith(name)]
        assert [event.step for event in mine] == list(range(200))


def test_more_tag_sets_than_are_kept_are_all_written(tmp_path):
    with EventFileWriter(tmp_path) as writer:
        for step in range(2 * writers.TEMPLATES_KEPT):
            writer.write_scalars(step, {f"tag{step}": float(step)})
        events = events_of(writer.path)[1:]
    assert [event.summary.value[0].simple_value for event in events] == [float(n) for n in range(len(events))]


KILLED_WRITER = """
    import sys
    import numpy as np
    from trainvitals.eventfile.template import ScalarTemplate
    from trainvitals.eventfile.writer import EventFileWriter

    template = ScalarTemplate([f"layer{number}/norm" for number in range(3000)])
    writer = EventFileWriter(sys.argv[1])
    print("ready", flush=True)
    for step in range(1_000_000):
        writer.write_vector(step, template, np.full(3000, step))
        print(step, flush=True)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL on this system")
def test_a_killed_process_loses_at_most_the_record_it_was_writing(tmp_path):
    source = str(Path(writers.__file__).parents[2])
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(KILLED_WRITER), str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": source},
    )
    assert process.stdout is not None
    told = [process.stdout.readline() for _ in range(30)]
    process.kill()
    told += process.stdout.read().splitlines(keepends=True)
    process.wait()
    process.stdout.close()
    last_told = int([line for line in told[1:] if line.endswith("\n")][-1])
    (path,) = tmp_path.iterdir()
    points = scalars_of(path, "layer7/norm")
    assert points == [(step, float(step)) for step in range(len(points))]
    assert len(points) in (last_told + 1, last_told + 2)


def test_writing_loads_no_tensorboard_scipy_or_pandas(tmp_path):
    program = f"""
        import sys
        from trainvitals.eventfile.writer import EventFileWriter
        with EventFileWriter({str(tmp_path)!r}) as writer:
            writer.write_scalars(0, {{"loss": 1.0}})
            writer.write_text(0, "note", "x")
            writer.write_hyper_parameters({{"rate": 1.0}})
        print([name for name in ("tensorboard", "google.protobuf", "scipy", "pandas") if name in sys.modules])
    """
    source = str(Path(writers.__file__).parents[2])
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": source},
    )
    assert result.stdout.strip() == "[]"
