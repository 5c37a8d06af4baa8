"""A run that grows while the Run page shows it: what a refresh costs, and whether memory stays flat."""

from __future__ import annotations

import math
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.app_server import MEGABYTE, REPOSITORY, Figure, ScriptRun, app, serving, settled, visiting

if TYPE_CHECKING:
    from playwright.sync_api import Browser

REFRESH_S, REFRESH_BYTES = 0.3, 300_000
SCALARS_A_SECOND, TAGS = 1000, 10
COLUMN_BYTES = 8 + 8 + 4
EVERY_S = 2
WARM_UP_S = 45.0
SAMPLED_EVERY_S = 5.0
TICK_S = 1.0
"""What is asked for within it is one refresh of the page."""
TIMES_WHAT_GREW, ROOM_BYTES = 3.0, 20e6
"""Flat: what was added, a few times over, and what an allocator holds back."""
MOST_BEHIND_S = 15.0

GROWER = """
import sys, time
from pathlib import Path
from trainvitals.eventfile.writer import EventFileWriter
folder, per_second, count, seconds = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
tags = ["train/loss", "learning_rate", *(f"grad_norm/layer{i}" for i in range(count - 2))]
began, step = time.time(), 0
with EventFileWriter(folder) as writer:
    while (now := time.time()) - began < seconds:
        while step < (now - began) * per_second / len(tags):
            value = 2.0 + 3.0 / (1 + step) ** 0.3 + 0.05 * ((step * 7919) % 97 / 97 - 0.5)
            writer.write_scalars(step, {tag: value for tag in tags})
            step += 1
        writer.flush()
        time.sleep(0.05)
"""


def growing_run(browser: Browser, scratch: Path, watched_s: float) -> Iterator[Figure]:
    """The figures of one run that grows for as long as it is watched."""
    folder = scratch / "growing" / "run"
    arguments = [str(folder), str(SCALARS_A_SECOND), str(TAGS), str(watched_s + 600)]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY / "monitor")}
    began_writing_s = time.monotonic()
    writer = subprocess.Popen([sys.executable, "-c", GROWER, *arguments], env=environment)
    try:
        time.sleep(WARM_UP_S)
        with serving(app(folder.parent), scratch / "cache") as server, visiting(browser) as (page, wire):
            page.goto(f"{server.address}/run?every={EVERY_S}")
            settled(page)
            page.wait_for_timeout(WARM_UP_S * 1000)
            before, began_s, memory = len(wire.runs), time.monotonic(), [server.memory_bytes()]
            used_s = server.processor_s()
            while time.monotonic() - began_s < watched_s:
                page.wait_for_timeout(SAMPLED_EVERY_S * 1000)
                memory.append(server.memory_bytes())
            shown = shown_steps(page.locator("[data-testid=stMain]").inner_text())
            used_s = server.processor_s() - used_s
            written = (time.monotonic() - began_writing_s) * SCALARS_A_SECOND / TAGS
        yield from refresh_figures([run for run in wire.runs[before:] if not math.isnan(run.ended_at_s)], used_s)
        yield memory_figure(memory, watched_s)
        behind_s = (written - shown) / (SCALARS_A_SECOND / TAGS)
        yield Figure(
            "the step shown behind the step written",
            f"at most {MOST_BEHIND_S:g} s",
            f"{behind_s:.1f} s",
            behind_s <= MOST_BEHIND_S,
        )
    finally:
        writer.terminate()
        writer.wait()


def shown_steps(text: str) -> int:
    """The number of steps that the page says the run has; what it forecasts are fewer."""
    found = re.findall(r"([\d,]+) steps", text)
    return max((int(each.replace(",", "")) for each in found), default=0)


def refresh_figures(runs: Sequence[ScriptRun], used_s: float) -> Iterator[Figure]:
    """What the refreshes cost: all parts of the page that were asked for at once are one refresh.

    Args:
        runs: of the script.
        used_s: processor seconds of the server in that time.
    """
    refreshes: list[list[ScriptRun]] = []
    for run in runs:
        if refreshes and run.asked_at_s - refreshes[-1][0].asked_at_s < TICK_S:
            refreshes[-1].append(run)
        else:
            refreshes.append([run])
    took_s = sorted(sum(run.took_s for run in refresh) for refresh in refreshes)
    size = sorted(sum(run.received_bytes for run in refresh) for refresh in refreshes)
    middle_s, often_s = statistics.median(took_s), took_s[int(0.95 * (len(took_s) - 1))]
    yield Figure(
        f"live refresh of the Run page, {len(refreshes)} of them: time of the server",
        f"at most {1000 * REFRESH_S:.0f} ms",
        f"median {1000 * middle_s:.0f} ms, 95 % within {1000 * often_s:.0f} ms; of a processor "
        f"{1000 * used_s / len(refreshes):.0f} ms each with all reading and judging",
        middle_s <= REFRESH_S,
    )
    yield Figure(
        "the same: to the browser",
        f"at most {REFRESH_BYTES / 1000:.0f} KB",
        f"median {statistics.median(size) / 1000:.0f} KB, most {size[-1] / 1000:.0f} KB",
        size[-1] <= REFRESH_BYTES,
    )


def memory_figure(memory: Sequence[int], watched_s: float) -> Figure:
    """How much more the server holds at the end than after the warm-up: medians of a sixth of the samples each."""
    few = max(1, len(memory) // 6)
    grown = statistics.median(memory[-few:]) - statistics.median(memory[:few])
    added = watched_s * SCALARS_A_SECOND * COLUMN_BYTES
    return Figure(
        f"{SCALARS_A_SECOND:,} scalars a second for {watched_s / 60:g} minutes, {added / MEGABYTE:.0f} MB more: memory",
        f"at most {TIMES_WHAT_GREW:g}x the columns and {ROOM_BYTES / MEGABYTE:.0f} MB",
        f"{grown / MEGABYTE:+.0f} MB, from {memory[0] / MEGABYTE:.0f} to {memory[-1] / MEGABYTE:.0f} MB",
        grown <= TIMES_WHAT_GREW * added + ROOM_BYTES,
    )
