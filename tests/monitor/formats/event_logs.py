"""Event files of a training, and the run that is read from them."""

from __future__ import annotations

from pathlib import Path

from trainvitals.eventfile.writer import EventFileWriter
from trainvitals.formats.format import Purging, RunFiles
from trainvitals.formats.tensorboard import read_tensorboard
from trainvitals.model import Run


def write(folder: Path, steps, *, tags=("loss",), resume_step=None) -> Path:
    with EventFileWriter(folder, resume_step=resume_step) as writer:
        for step in steps:
            writer.write_scalars(step, dict.fromkeys(tags, step))
        return writer.path


def files_of(folder: Path) -> RunFiles:
    """All event files below a folder, each with the subfolder it lies in."""
    paths = sorted(folder.rglob("*tfevents*"))
    prefixed = tuple((path.parent.relative_to(folder).as_posix().removeprefix("."), path) for path in paths)
    return RunFiles(folder, folder.name, "tensorboard", prefixed)


def files(root: Path, *paths: Path) -> RunFiles:
    """These files as one run."""
    return RunFiles(root, root.name, "tensorboard", tuple(("", path) for path in paths))


def read(folder: Path, purge: Purging = "session") -> Run:
    return read_tensorboard(files_of(folder), purge)


def steps_of(run: Run, tag: str = "loss") -> list[int]:
    return run.series[tag].step.tolist()


def kinds(run: Run) -> list[tuple[str, int, int]]:
    return [(restart.kind, restart.step, restart.previous_step) for restart in run.restarts]


def write_histogram(writer: EventFileWriter, step: int, value: float, wall_time: float | None = None) -> None:
    writer.write_histogram(
        step,
        "weights",
        minimum=value,
        maximum=value,
        count=1,
        total=value,
        sum_of_squares=value**2,
        bucket_limits=[value],
        bucket_counts=[1],
        wall_time=wall_time,
    )
