"""The app as a person starts it, for the benchmark: when it answers, what it takes, and what it sends to a browser."""

from __future__ import annotations

import math
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.error import URLError
from urllib.request import urlopen

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, WebSocket

REPOSITORY = Path(__file__).resolve().parents[1]
SOURCES = [str(REPOSITORY / name) for name in ("monitor", "hooks", "app")]
PATIENCE_S = 600.0
MEGABYTE = 1e6


@dataclass(frozen=True, slots=True)
class Server:
    """A server that answers.

    Args:
        address: where. process: its number. ready_at_s: when it answered for the first time, by ``time.monotonic``.
    """

    address: str
    process: int
    ready_at_s: float

    def memory_bytes(self) -> int:
        """What it and its child processes hold, memory that they share counted once."""
        return sum(map(_proportional_bytes, _family(self.process)))

    def processor_s(self) -> float:
        """What it alone has used of a processor so far, its child processes not counted."""
        fields = Path(f"/proc/{self.process}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def app(*paths: Path) -> list[str]:
    """``trainvitals app PATH...``, still without its port."""
    return ["trainvitals", "app", *map(str, paths), "--no-browser", "--port"]


def script(path: Path) -> list[str]:
    """``streamlit run SCRIPT``, still without its port."""
    return ["streamlit", "run", str(path), "--server.headless", "true", "--server.port"]


@contextmanager
def serving(module: Sequence[str], cache: Path) -> Iterator[Server]:
    """A server that is started as ``python -m MODULE... PORT``, with diagnoses kept in the folder ``cache``."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", *module, str(port)]
    environment = {**os.environ, "TRAINVITALS_CACHE": str(cache), "PYTHONPATH": os.pathsep.join(SOURCES)}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(command, cwd=REPOSITORY, env=environment, start_new_session=True, **quiet)
    try:
        address = f"http://127.0.0.1:{port}"
        yield Server(address, process.pid, _until_ready(process, address))
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _until_ready(process: subprocess.Popen[bytes], address: str) -> float:
    until_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < until_s and process.poll() is None:
        try:
            with urlopen(f"{address}/_stcore/health", timeout=PATIENCE_S) as answer:
                if answer.status == 200:
                    return time.monotonic()
        except (URLError, ConnectionError):
            time.sleep(0.02)
    raise RuntimeError("the server does not answer")


def _family(process: int) -> list[int]:
    """A process and all that it has begun, as far as they are still there."""
    children: list[int] = []
    with suppress(OSError):
        for thread in Path(f"/proc/{process}/task").iterdir():
            children += map(int, (thread / "children").read_text().split())
    return [process, *(each for child in children for each in _family(child))]


def _proportional_bytes(process: int) -> int:
    with suppress(OSError):
        for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table."""

    what: str
    bar: str
    measured: str
    held: bool


@dataclass(slots=True)
class ScriptRun:
    """One run of the script, or of a part of it.

    Args:
        asked_at_s: when the browser asked for it; ended_at_s: when all had come, NaN while it runs; both by
            ``time.monotonic``.
        received_bytes: what came for it.
    """

    asked_at_s: float
    ended_at_s: float = math.nan
    received_bytes: int = 0

    @property
    def took_s(self) -> float:
        """From being asked for to its end."""
        return self.ended_at_s - self.asked_at_s


@dataclass
class Wire:
    """What goes between a page and its server, as Streamlit's own messages.

    Args:
        runs: of the script, in order. tables: every table that came, newest last, with the moment.
    """

    runs: list[ScriptRun] = field(default_factory=list)
    tables: list[tuple[float, bytes]] = field(default_factory=list)
    _asked_at_s: float = math.nan

    def listen(self, page: Page) -> None:
        """To all that this page sends and receives from now on."""
        page.on("websocket", self._opened)

    def _opened(self, socket: WebSocket) -> None:
        socket.on("framesent", self._sent)
        socket.on("framereceived", self._received)

    def _sent(self, data: str | bytes) -> None:
        from streamlit.proto.BackMsg_pb2 import BackMsg

        is_asking = isinstance(data, bytes) and BackMsg.FromString(data).HasField("rerun_script")
        # What is asked for again while it waits is done once.
        if is_asking and math.isnan(self._asked_at_s):
            self._asked_at_s = time.monotonic()

    def _received(self, data: str | bytes) -> None:
        from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

        if not isinstance(data, bytes):
            return
        now_s, message = time.monotonic(), ForwardMsg.FromString(data)
        if message.HasField("new_session"):
            self.runs.append(ScriptRun(now_s if math.isnan(self._asked_at_s) else self._asked_at_s))
            self._asked_at_s = math.nan
        if self.runs:
            self.runs[-1].received_bytes += len(data)
        if message.HasField("script_finished") and self.runs:
            self.runs[-1].ended_at_s = now_s
        if message.HasField("delta") and message.delta.new_element.HasField("dataframe"):
            self.tables.append((now_s, message.delta.new_element.dataframe.arrow_data.data))


@contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's browser, without a window."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu"]
        )
        yield browser
        browser.close()


@contextmanager
def visiting(browser: Browser) -> Iterator[tuple[Page, Wire]]:
    """A fresh page, and what goes between it and its server."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(PATIENCE_S * 1000)
    page, wire = context.new_page(), Wire()
    wire.listen(page)
    yield page, wire
    context.close()


def until(page: Page, happened: Callable[[], float | None]) -> float:
    """The moment that ``happened`` gives, once it gives one."""
    until_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < until_s:
        at_s = happened()
        if at_s is not None:
            return at_s
        page.wait_for_timeout(20)
    raise TimeoutError("it has not come about")


def settled(page: Page) -> None:
    """Wait until the script has ended and every chart is drawn."""
    page.locator("[data-testid=stApp][data-test-script-state=notRunning]").wait_for()
    for chart in page.locator("[data-testid=stPlotlyChart]").all():
        chart.locator(".main-svg").first.wait_for()
