"""One case of the event-file benchmark, alone in its process.

    python benchmarks/eventfile_cases.py GROUP CASE ARGUMENT...      prints one JSON object

Imports are not counted. CPU is user and system time of the process and of the children it has waited for. Every reader
ends with the same thing, NumPy columns (tag code, step, wall time, value), and is asked for a digest of all of them.
"""

from __future__ import annotations

import hashlib
import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(REPOSITORY / "monitor"), str(REPOSITORY)]

from benchmarks.eventfile_logs import masked_crc, wide_tags  # noqa: E402

Columns = tuple[list[str], np.ndarray, np.ndarray, np.ndarray, np.ndarray]
Reader = Callable[[], Columns]

IDLE_POLLS = 200
POLLS = 100
RECORDS_A_POLL = 20
SERVER_START_LIMIT_S = 600.0


def cpu_s() -> float:
    """CPU time of this process and its finished children so far."""
    own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def peak_mb(who: int = resource.RUSAGE_SELF) -> float:
    """Largest resident memory so far."""
    return resource.getrusage(who).ru_maxrss / 1024


def compiled_checksums_for_tensorboard() -> None:
    """Give TensorBoard's reader and writer the CRC in C that they lack without TensorFlow."""
    from tensorboard.compat.tensorflow_stub import pywrap_tensorflow
    from tensorboard.summary.writer import record_writer

    pywrap_tensorflow.masked_crc32c = record_writer.masked_crc32c = masked_crc


def digest_of(columns: Columns) -> str:
    """The same for the same points, whatever the order of tags; values as float32, which is what the logs hold."""
    tags, code, step, wall_time, value = columns
    digest = hashlib.sha256()
    for tag, position in sorted((tag, position) for position, tag in enumerate(tags)):
        mine = code == position
        if mine.any():
            digest.update(tag.encode() + b"\0")
            for column, kind in ((step, "<i8"), (wall_time, "<f8"), (value, "<f4")):
                digest.update(column[mine].astype(kind).tobytes())
    return digest.hexdigest()


# ---- readers: each makes ready what is not counted and returns what is ------------------------------------------


def read_trainvitals(path: str, histograms: str) -> Reader:
    from trainvitals.eventfile import EventFileReader

    def read() -> Columns:
        columns = EventFileReader(path, histograms=histograms).poll()
        return list(columns.tags), columns.tag_code, columns.step, columns.wall_time, columns.value

    return read


def new_accumulator(path: str) -> Any:
    """Everything of scalars and tensors is kept; of the rest one a tag, which is the cheapest setting."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    guidance = {"scalars": 0, "tensors": 0, "histograms": 1, "compressedHistograms": 1, "images": 1, "audio": 1}
    return EventAccumulator(path, size_guidance=guidance)


def read_accumulator(path: str, compiled: bool) -> Reader:
    from tensorboard.util import tensor_util

    if compiled:
        compiled_checksums_for_tensorboard()
    new_accumulator(path)

    def scalar_tensors(accumulator: Any) -> Iterator[tuple[str, list[Any], list[float]]]:
        for tag in accumulator.Tags()["tensors"]:
            if accumulator.SummaryMetadata(tag).plugin_data.plugin_name == "scalars":
                points = accumulator.Tensors(tag)
                yield tag, points, [float(tensor_util.make_ndarray(point.tensor_proto).item()) for point in points]

    def read() -> Columns:
        accumulator = new_accumulator(path).Reload()
        found = [(tag, points, [p.value for p in points]) for tag in accumulator.Tags()["scalars"]
                 for points in (accumulator.Scalars(tag),)]  # fmt: skip
        found += scalar_tensors(accumulator)
        return (
            [tag for tag, _, _ in found],
            np.repeat(np.arange(len(found)), [len(points) for _, points, _ in found]),
            np.array([point.step for _, points, _ in found for point in points]),
            np.array([point.wall_time for _, points, _ in found for point in points]),
            np.array([value for _, _, values in found for value in values]),
        )

    return read


def read_rustboard(path: str, checksum: bool) -> Reader:
    """TensorBoard's data server with all scalars, asked over gRPC as TensorBoard asks it."""
    import subprocess

    import grpc
    import tensorboard_data_server
    from tensorboard.data.proto import data_provider_pb2 as messages
    from tensorboard.data.proto import data_provider_pb2_grpc as services

    request = messages.ReadScalarsRequest(
        plugin_filter=messages.PluginFilter(plugin_name="scalars"), downsample=messages.Downsample(num_points=1 << 40)
    )

    def wait_for(what: Callable[[], bool]) -> None:
        end = time.monotonic() + SERVER_START_LIMIT_S
        while not what():
            if time.monotonic() > end:
                raise TimeoutError("the data server did not load the log")
            time.sleep(0.01)

    def ask(port: str) -> Any:
        channel = grpc.insecure_channel(f"127.0.0.1:{port}", options=[("grpc.max_receive_message_length", -1)])
        with channel:
            return services.TensorBoardDataProviderStub(channel).ReadScalars(request)

    def read() -> Columns:
        with tempfile.TemporaryDirectory() as folder:
            port, log = Path(folder) / "port", Path(folder) / "log"
            command = [tensorboard_data_server.server_binary(), "--logdir", str(Path(path).parent), "--port", "0"]
            command += ["--port-file", str(port), "--reload", "once", "--samples-per-plugin", "scalars=all", "-v"]
            command += ["--checksum" if checksum else "--no-checksum"]
            with log.open("w") as log_file, subprocess.Popen(command, stderr=log_file) as server:
                try:
                    wait_for(lambda: port.exists() and port.read_text().endswith("\n"))
                    wait_for(lambda: "Finished load cycle" in log.read_text())
                    response = ask(port.read_text().strip())
                finally:
                    server.terminate()
        found = [tag for run in response.runs for tag in run.tags]
        return (
            [tag.tag_name for tag in found],
            np.repeat(np.arange(len(found)), [len(tag.data.step) for tag in found]),
            np.concatenate([np.array(tag.data.step) for tag in found]),
            np.concatenate([np.array(tag.data.wall_time) for tag in found]),
            np.concatenate([np.array(tag.data.value) for tag in found]),
        )

    return read


READERS: dict[str, Callable[[str], Reader]] = {
    "trainvitals, histograms located": lambda path: read_trainvitals(path, "locate"),
    "trainvitals, histograms decoded": lambda path: read_trainvitals(path, "decode"),
    "EventAccumulator": lambda path: read_accumulator(path, compiled=False),
    "EventAccumulator, CRC in C": lambda path: read_accumulator(path, compiled=True),
    "RustBoard over gRPC": lambda path: read_rustboard(path, checksum=False),
    "RustBoard over gRPC, --checksum": lambda path: read_rustboard(path, checksum=True),
}


def read_case(case: str, path: str) -> dict[str, Any]:
    """CPU and peak memory of one reader from the path to columns."""
    read = READERS[case](path)
    before_mb, before_s, begun = peak_mb(), cpu_s(), time.perf_counter()
    columns = read()
    used = {"cpu_s": cpu_s() - before_s, "wall_s": time.perf_counter() - begun}
    used["peak_mb"] = peak_mb() - before_mb + (peak_mb(resource.RUSAGE_CHILDREN) if "Rust" in case else 0)
    return used | {"rows": len(columns[2]), "digest": digest_of(columns)}


# ---- polls -----------------------------------------------------------------------------------------------------


def record_ends(content: bytes) -> list[int]:
    """Where each record ends."""
    ends, at = [], 0
    while at < len(content):
        at += 16 + int.from_bytes(content[at : at + 8], "little")
        ends.append(at)
    return ends


def poller(case: str, path: str) -> tuple[Callable[[], Any], Callable[[], int]]:
    """What one poll is, and how to count the scalars seen so far."""
    if case == "trainvitals":
        from trainvitals.eventfile import EventFileReader

        reader, seen = EventFileReader(path), [0]

        def poll() -> None:
            seen[0] += len(reader.poll())

        return poll, lambda: seen[0]
    compiled_checksums_for_tensorboard()
    accumulator = new_accumulator(path)
    return accumulator.Reload, lambda: sum(len(accumulator.Scalars(tag)) for tag in accumulator.Tags()["scalars"])


def poll_case(case: str, path: str) -> dict[str, Any]:
    """A live log of one scalar a record: CPU of a poll that finds nothing, and of one that finds 20 records."""
    content = Path(path).read_bytes()
    ends = record_ends(content)
    loaded = len(ends) - POLLS * RECORDS_A_POLL
    with tempfile.TemporaryDirectory() as folder:
        live = Path(folder) / Path(path).name
        live.write_bytes(content[: ends[loaded - 1]])
        poll, seen = poller(case, str(live))
        poll()
        begun = time.process_time()
        for _ in range(IDLE_POLLS):
            poll()
        idle_s = (time.process_time() - begun) / IDLE_POLLS
        busy_s = 0.0
        with live.open("ab", buffering=0) as file:
            for first in range(loaded, len(ends), RECORDS_A_POLL):
                file.write(content[ends[first - 1] : ends[first + RECORDS_A_POLL - 1]])
                begun = time.process_time()
                poll()
                busy_s += time.process_time() - begun
        return {"cpu_s": busy_s / POLLS, "idle_s": idle_s, "rows": seen(), "digest": str(seen())}


# ---- writers ---------------------------------------------------------------------------------------------------


def write_trainvitals(folder: str, tags: list[str]) -> tuple[Callable[[int, Any], None], Callable[[], None]]:
    from trainvitals.eventfile.template import ScalarTemplate
    from trainvitals.eventfile.writer import EventFileWriter

    writer, template = EventFileWriter(folder), ScalarTemplate(tags)
    return lambda step, row: writer.write_vector(step, template, row, wall_time=float(step)), writer.close


def write_trainvitals_mapping(folder: str, tags: list[str]) -> tuple[Callable[[int, Any], None], Callable[[], None]]:
    from trainvitals.eventfile.writer import EventFileWriter

    writer = EventFileWriter(folder)

    def write(step: int, row: Any) -> None:
        writer.write_scalars(step, dict(zip(tags, row.tolist(), strict=True)), wall_time=float(step))

    return write, writer.close


def write_tensorboard(folder: str, tags: list[str]) -> tuple[Callable[[int, Any], None], Callable[[], None]]:
    """The path that torch's SummaryWriter takes, without torch: one Event a scalar through EventFileWriter."""
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    writer = EventFileWriter(folder, max_queue_size=10)

    def write(step: int, row: Any) -> None:
        for tag, value in zip(tags, row.tolist(), strict=True):
            summary = Summary(value=[Summary.Value(tag=tag, simple_value=value)])
            writer.add_event(Event(wall_time=float(step), step=step, summary=summary))

    return write, writer.close


def write_torch(folder: str, tags: list[str]) -> tuple[Callable[[int, Any], None], Callable[[], None]]:
    from torch.utils.tensorboard import SummaryWriter

    writer = SummaryWriter(folder)

    def write(step: int, row: Any) -> None:
        for tag, value in zip(tags, row.tolist(), strict=True):
            writer.add_scalar(tag, value, step, walltime=float(step))

    return write, writer.close


WRITERS = {
    "trainvitals, write_vector": write_trainvitals,
    "trainvitals, write_scalars": write_trainvitals_mapping,
    "tensorboard EventFileWriter, one Event a scalar": write_tensorboard,
    "torch SummaryWriter.add_scalar": write_torch,
}


def write_case(case: str, steps: str, tag_count: str) -> dict[str, Any]:
    """CPU of all threads a scalar; the first 20 steps are read back by EventAccumulator."""
    tags = wide_tags(int(tag_count))
    values = np.random.default_rng(0).normal(size=(int(steps), len(tags))).astype(np.float32)
    compared_steps = 20
    with tempfile.TemporaryDirectory() as folder:
        write, close = WRITERS[case](folder, tags)
        before_s, begun = cpu_s(), time.perf_counter()
        for step, row in enumerate(values):
            write(step, row)
        close()
        used = {"cpu_s": (cpu_s() - before_s) / values.size, "wall_s": (time.perf_counter() - begun) / values.size}
        used["bytes"] = sum(path.stat().st_size for path in Path(folder).iterdir()) / values.size
        names, code, step_column, wall_time, value = read_accumulator(folder, compiled=True)()
    early = step_column < compared_steps
    digest = digest_of((names, code[early], step_column[early], wall_time[early], value[early]))
    return used | {"rows": len(step_column), "digest": digest}


GROUPS: dict[str, Callable[..., dict[str, Any]]] = {"read": read_case, "poll": poll_case, "write": write_case}

if __name__ == "__main__":
    print(json.dumps(GROUPS[sys.argv[1]](*sys.argv[2:])))
