"""The logs that the app's benchmark opens: many runs as a training would have recorded them, some of them sick.

python benchmarks/app_logs.py FOLDER [RUNS] [SCALARS_A_RUN]
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from trainvitals import Run
from trainvitals.eventfile.writer import EventFileWriter
from trainvitals.synth import FAULTS, SHAPES, healthy_run, sick_run

RUNS, SCALARS = 200, 25_000
EVERY_STEPS = 10
SICK_EVERY = 3
"""A folder in which a third of the runs has something wrong is one that somebody opens the app on."""


def write_runs(folder: Path, runs: int = RUNS, scalars: int = SCALARS) -> int:
    """Write runs below the folder, a subfolder each; how many scalars they hold together."""
    per_record = len(healthy_run(steps=200, every=EVERY_STEPS).run.series)
    steps = scalars // per_record * EVERY_STEPS
    shapes, faults = list(SHAPES), list(FAULTS)
    total = 0
    for i in range(runs):
        options = {"shape": shapes[i % len(shapes)], "steps": steps, "every": EVERY_STEPS, "seed": i}
        made = (
            sick_run(faults[i // SICK_EVERY % len(faults)], **options)
            if i % SICK_EVERY == 0
            else healthy_run(**options)
        )
        total += write_run(folder / f"sweep-{i // 50}" / f"run{i:03d}", made.run)
    return total


def write_run(folder: Path, run: Run) -> int:
    """Write a run as its training would: one event a step; how many scalars it holds."""
    at: dict[int, tuple[float, dict[str, float]]] = {}
    for tag, series in run.series.items():
        for step, wall_time, value in zip(
            series.step.tolist(), series.wall_time.tolist(), series.value.tolist(), strict=True
        ):
            at.setdefault(step, (wall_time, {}))[1][tag] = value
    rows: list[tuple[int, float, Mapping[str, float]]] = [(step, *at[step]) for step in sorted(at)]
    with EventFileWriter(folder) as writer:
        writer.write_rows(rows)
    return run.points


if __name__ == "__main__":
    told = [int(argument) for argument in sys.argv[2:]]
    print(f"{write_runs(Path(sys.argv[1]), *told):,} scalars")
