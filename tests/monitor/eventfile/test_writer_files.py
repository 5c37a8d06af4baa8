"""The file that is written: its name, its sessions, its end, and disks that fail."""

from __future__ import annotations

import itertools
import os
import time

import pytest
from tensorboard.compat.proto import event_pb2
from tests.monitor.eventfile.written_events import events_of, records_of, scalars_of

from trainvitals.eventfile.writer import EventFileWriter


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
