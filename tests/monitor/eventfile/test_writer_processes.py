"""The writer in processes that fork, have several threads, are killed, or have not loaded TensorBoard."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest
from tests.monitor.eventfile.written_events import events_of, scalars_of

from trainvitals.eventfile import writer as writers
from trainvitals.eventfile.writer import EventFileWriter


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
