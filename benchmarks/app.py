"""The app's figures: how soon 200 runs are listed and judged, what a refresh costs, what it all holds in memory.

python benchmarks/app.py [--minutes N]      needs the extras app and dev, and Debian's chromium

Every figure is taken of a server that is started as a person starts it, by a real browser that counts what comes to it.
"""

from __future__ import annotations

import argparse
import math
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(REPOSITORY / "monitor"), str(REPOSITORY)]

from benchmarks.app_growing import growing_run  # noqa: E402 - found only now where nothing is installed
from benchmarks.app_logs import RUNS, write_runs  # noqa: E402
from benchmarks.app_server import (  # noqa: E402
    MEGABYTE,
    Figure,
    Server,
    Wire,
    app,
    chromium,
    script,
    serving,
    settled,
    until,
    visiting,
)

if TYPE_CHECKING:
    from playwright.sync_api import Browser

LIST_S, VERDICTS_S, AGAIN_S, SWITCH_S = 3.0, 60.0, 3.0, 1.0
TIMES_THE_COLUMNS = 3.0
COLUMN_BYTES = 8 + 8 + 4
"""Of one scalar: step, wall time, value."""
SWITCHES = 5
REST_S = 2.5
"""What was written within the last two seconds is judged, but not kept."""

WAITING = "waiting"


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=2.0, help="how long the growing run is watched; the bar is 10")
    parser.add_argument("--runs", type=int, default=RUNS, help=f"how many; the bars are for {RUNS}")
    arguments = parser.parse_args()
    load_before = os.getloadavg()
    with tempfile.TemporaryDirectory() as scratch, chromium() as browser:
        figures = list(measured(browser, Path(scratch), arguments.runs, arguments.minutes * 60))
    print("| figure | bar | measured | |\n|---|---|---|---|")
    for each in figures:
        print(f"| {each.what} | {each.bar} | {each.measured} | {'held' if each.held else '**not held**'} |")
    loads = "; after ".join(", ".join(f"{load:.1f}" for load in each) for each in (load_before, os.getloadavg()))
    libraries = ", ".join(f"{name} {version(name)}" for name in ("streamlit", "plotly", "numpy"))
    print(f"\n{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, {libraries}.")
    print(f"Load average (1, 5, 15 minutes) before {loads}.")


def measured(browser: Browser, scratch: Path, runs: int, growing_s: float) -> Iterator[Figure]:
    """All figures, in turn."""
    logs, cache = scratch / "logs", scratch / "cache"
    scalars = write_runs(logs, runs)
    time.sleep(REST_S)
    baseline_bytes, baseline_s = bare_streamlit(browser, scratch)
    own = f" (Streamlit's own first table: {baseline_s:.2f} s)"
    with serving(app(logs), cache) as server:
        listed_s, judged_s = list_and_verdicts(browser, server, runs)
        yield figure_s(
            f"{runs} runs, {scalars:,} scalars: list with last values after the server is ready", LIST_S, listed_s, own
        )
        yield figure_s("all verdicts after the server is ready", VERDICTS_S, judged_s)
    with serving(app(logs), cache) as server:
        _, again_s = list_and_verdicts(browser, server, runs)
        own += f", the server's processor until then: {server.processor_s():.2f} s"
        yield figure_s("all verdicts at the second start", AGAIN_S, again_s, own)
        for name, took in page_switches(browser, server).items():
            yield figure_s(f"switch to {name}, drawn", SWITCH_S, statistics.median(took), f", most {max(took):.2f} s")
        held = server.memory_bytes() - baseline_bytes
        columns = scalars * COLUMN_BYTES
        yield Figure(
            f"memory above Streamlit's own {baseline_bytes / MEGABYTE:.0f} MB, columns {columns / MEGABYTE:.0f} MB",
            f"at most {TIMES_THE_COLUMNS:.0f}x the columns",
            f"{held / MEGABYTE:.0f} MB, {held / columns:.1f}x",
            held <= TIMES_THE_COLUMNS * columns,
        )
    yield from growing_run(browser, scratch, growing_s)


def figure_s(what: str, bar_s: float, took_s: float, more: str = "") -> Figure:
    """A line about a time."""
    return Figure(what, f"at most {bar_s:g} s", f"{took_s:.2f} s{more}", took_s <= bar_s)


def bare_streamlit(browser: Browser, scratch: Path) -> tuple[int, float]:
    """What an app holds that shows a table and a chart of nothing, once somebody has looked at it; and how many seconds
    after its server's first answer the table came to the browser."""
    bare = scratch / "bare.py"
    bare.write_text(
        "import pandas, streamlit as st\nfrom plotly import graph_objects as go\n"
        "st.dataframe(pandas.DataFrame({'a': [1.0]}))\nst.plotly_chart(go.Figure(go.Scatter(y=[1, 2])))\n"
    )
    with serving(script(bare), scratch / "no-cache") as server, visiting(browser) as (page, wire):
        page.goto(server.address, wait_until="commit")
        came_s = until(page, lambda: first_table(wire, 1, lambda _table: True))
        page.locator(".js-plotly-plot .main-svg").first.wait_for()
        return server.memory_bytes(), came_s - server.ready_at_s


def list_and_verdicts(browser: Browser, server: Server, runs: int) -> tuple[float, float]:
    """From the server's first answer until all last values have come to the browser, and until all verdicts have."""
    with visiting(browser) as (page, wire):
        page.goto(server.address, wait_until="commit")
        listed_s = until(page, lambda: first_table(wire, runs, lambda table: table["steps"].notna().all()))
        judged_s = until(page, lambda: first_table(wire, runs, lambda table: not is_waiting(table)))
    return listed_s - server.ready_at_s, judged_s - server.ready_at_s


def first_table(wire: Wire, runs: int, holds: Callable[..., bool]) -> float | None:
    """When the first table with a line for each run came that holds what is asked for."""
    import pyarrow

    while wire.tables:
        at_s, data = wire.tables[0]
        table = pyarrow.ipc.open_stream(data).read_pandas()
        if len(table) == runs and holds(table):
            return at_s
        wire.tables.pop(0)
    return None


def is_waiting(table: object) -> bool:
    """Whether a verdict is still to come in a table of runs."""
    return any(WAITING in str(cell) for cell in table["status"])  # type: ignore[index]


def page_switches(browser: Browser, server: Server) -> dict[str, list[float]]:
    """By page, seconds from a click on it in the navigation until its script has ended and what it draws is there."""
    took: dict[str, list[float]] = {}
    with visiting(browser) as (page, wire):
        page.goto(server.address)
        settled(page)
        for _ in range(SWITCHES):
            for name in ("Run", "Curves", "Compare", "Overview"):
                before, began_s = len(wire.runs), time.monotonic()
                page.get_by_test_id("stTopNavLink").filter(has_text=name).first.click()
                until(page, lambda before=before: ended(wire, before))
                settled(page)
                took.setdefault(name, []).append(time.monotonic() - began_s)
                page.wait_for_timeout(500)
    # The first visit of a page imports what it needs.
    return {name: each[1:] for name, each in took.items()}


def ended(wire: Wire, before: int) -> float | None:
    """When the first run of the script since then ended."""
    return next((run.ended_at_s for run in wire.runs[before:] if not math.isnan(run.ended_at_s)), None)


if __name__ == "__main__":
    main()
