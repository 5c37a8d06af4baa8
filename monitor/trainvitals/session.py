"""What a person asks for on the command line: settings, and the diagnoses of many paths, some of them unreadable."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import cast

from trainvitals.config import Config, FailOn, find_config_file, load_config
from trainvitals.engine import check_settings, diagnose
from trainvitals.errors import LogError
from trainvitals.formats import read_runs
from trainvitals.model import Diagnosis, Run, Severity

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
    paths: Sequence[str], config: Config, *, jobs: int = 1, on_error: Callable[[LogError], None]
) -> list[Diagnosis]:
    """The diagnoses of all runs at these paths, in the order found; each unreadable path goes to ``on_error``."""
    with _progress_line() as advance:
        runs = _announced(read_runs(paths, purge=config.purge, on_error=on_error, jobs=jobs), advance)
        if jobs == 1:
            return [diagnose(run, config) for run in runs]
        from concurrent.futures import ProcessPoolExecutor
        from functools import partial

        with ProcessPoolExecutor(jobs) as pool:
            return list(pool.map(partial(diagnose, config=config), runs))


def exceeds(diagnoses: Iterable[Diagnosis], fail_on: FailOn) -> bool:
    """Whether any open finding is at or above the severity to fail on."""
    if fail_on == "never":
        return False
    bar = Severity(fail_on).rank
    return any(finding.severity.rank >= bar for diagnosis in diagnoses for finding in diagnosis.open_findings)


def _announced(runs: Iterable[Run], advance: Callable[[str], None]) -> Iterator[Run]:
    for run in runs:
        advance(run.id)
        yield run


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
