"""What a person asks for on the command line: settings, and the diagnoses of many paths, some of them unreadable."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from trainvitals.config import Config, FailOn, find_config_file, load_config
from trainvitals.engine import check_settings
from trainvitals.errors import LogError
from trainvitals.formats.format import RunFiles
from trainvitals.formats.read import named_runs, read_files
from trainvitals.kept import KeptDiagnoses, Store
from trainvitals.model import Diagnosis, Severity
from trainvitals.signals import understand

if TYPE_CHECKING:
    from trainvitals.figures.chart import Chart

# Below this a progress bar would only flicker.
SHOW_PROGRESS_AFTER_S = 1.0


def settings(
    *,
    select: tuple[str, ...] = (),
    ignore: tuple[str, ...] = (),
    fail_on: str | None = None,
    **told: tuple[str, ...],
) -> Config:
    """The settings of the nearest file, looking up from the working folder, overridden by the options.

    Raises:
        ConfigError: the file or an option cannot be understood.
    """
    file = find_config_file(Path.cwd())
    config = load_config(file) if file else Config()
    overrides = replace(config.signals, **{name: tags for name, tags in told.items() if tags})
    config = replace(
        config,
        select=select or config.select,
        signals=overrides,
        fail_on=cast(FailOn, fail_on) if fail_on else config.fail_on,
    ).with_ignored(ignore, reason="ignored on the command line")
    check_settings(config)
    return config


def diagnose_paths(
    paths: Sequence[str],
    config: Config,
    *,
    jobs: int = 1,
    store: Store | None = None,
    on_error: Callable[[LogError], None],
) -> list[Diagnosis]:
    """The diagnoses of all runs at these paths, in the order found; each unreadable path goes to ``on_error``.

    Args:
        paths: log files, run folders, or folders of runs.
        config: the settings that judge.
        jobs: how many processes read and judge.
        store: where diagnoses of files that have not changed are kept; None: every run is read and judged.
        on_error: told of what cannot be read.
    """
    kept = KeptDiagnoses(config, store)
    diagnoses = []
    with _progress_line() as advance:
        found = named_runs(paths, on_error)
        for run_id, outcome in zip(found, _outcomes(found, kept, jobs), strict=True):
            advance(run_id)
            if isinstance(outcome, LogError):
                on_error(outcome)
            else:
                diagnoses.append(outcome)
    return diagnoses


def _outcomes(found: Mapping[str, RunFiles], kept: KeptDiagnoses, jobs: int) -> Iterator[Diagnosis | LogError]:
    """What became of each run, in order; those that were kept ask no process."""
    known = {run_id: kept.find(files, run_id) for run_id, files in found.items()}
    new = {run_id: files for run_id, files in found.items() if known[run_id] is None}
    made = _made(new, kept, min(jobs, len(new)))
    for summary in known.values():
        yield next(made) if summary is None else summary.diagnosis


def _made(new: Mapping[str, RunFiles], kept: KeptDiagnoses, jobs: int) -> Iterator[Diagnosis | LogError]:
    if jobs <= 1:
        yield from (_judged(kept, files, run_id) for run_id, files in new.items())
        return
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        yield from pool.map(_judged, [kept] * len(new), new.values(), new)


def _judged(kept: KeptDiagnoses, files: RunFiles, run_id: str) -> Diagnosis | LogError:
    try:
        return kept.make(files, run_id).diagnosis
    except LogError as error:
        return error


def loss_charts(
    paths: Sequence[str], diagnoses: Iterable[Diagnosis], config: Config, *, on_error: Callable[[LogError], None]
) -> dict[str, Chart]:
    """The losses of runs that were diagnosed, drawn, by the ids of the runs; those without a loss have none.

    Args:
        paths: where the runs were found, all of them together, so that their ids are the same.
        diagnoses: of the runs to draw. Each run is read again, so that one at a time is held in memory.
        config: the settings that judged.
        on_error: told of what cannot be read any more.
    """
    from trainvitals.figures.loss_figure import loss_chart

    found = named_runs(paths, lambda _told_before: None)
    charts = {}
    for diagnosis in diagnoses:
        if diagnosis.id not in found or not (diagnosis.signals.train_loss or diagnosis.signals.val_loss):
            continue
        try:
            run = read_files(found[diagnosis.id], config.purge)
        except LogError as error:
            on_error(error)
            continue
        charts[diagnosis.id] = loss_chart(run, understand(run, config.signals), diagnosis)
    return charts


def exceeds(diagnoses: Iterable[Diagnosis], fail_on: FailOn) -> bool:
    """Whether any open finding is at or above the severity to fail on."""
    if fail_on == "never":
        return False
    bar = Severity(fail_on).rank
    return any(finding.severity.rank >= bar for diagnosis in diagnoses for finding in diagnosis.open_findings)


@contextmanager
def _progress_line() -> Iterator[Callable[[str], None]]:
    """A line on the terminal that says which run is being read, once reading takes over a second."""
    if not sys.stderr.isatty():
        yield lambda _name: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    from trainvitals.reporters.visible import visible

    columns = (SpinnerColumn(), TextColumn("{task.completed} runs read"), BarColumn(20), TimeElapsedColumn())
    progress = Progress(
        *columns, TextColumn("{task.fields[run]}", markup=False), console=Console(stderr=True), transient=True
    )
    task = progress.add_task("reading", total=None, run="")
    timer = threading.Timer(SHOW_PROGRESS_AFTER_S, progress.start)
    timer.start()
    try:
        yield lambda name: progress.update(task, advance=1, run=visible(name, longest=60))
    finally:
        timer.cancel()
        timer.join()
        progress.stop()
