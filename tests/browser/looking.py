"""What tests see of a page."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from tests.browser.server import PATIENCE_S

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page


# What is drawn anew under a gesture does not feel it: then once more.
TRIES, TRY_S = 12, 10.0


def settled(page: Page) -> None:
    """Wait until the script of the page has ended, and hold it against what no page may show."""
    page.locator("[data-testid=stApp][data-test-script-state=notRunning]").wait_for()
    assert page.locator("[data-testid=stException]").count() == 0


def messages(page: Page) -> list[str]:
    """The kinds of all messages that come from the server, a growing list; the page is loaded anew for it.

    Of one that draws an element, the kind of that: ``download_button``.
    """
    from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

    kinds: list[str] = []

    def note(data: str | bytes) -> None:
        if isinstance(data, bytes):
            message = ForwardMsg.FromString(data)
            kind = message.WhichOneof("type")
            kinds.append((message.delta.new_element.WhichOneof("type") if kind == "delta" else kind) or "")

    page.on("websocket", lambda socket: socket.on("framereceived", note))
    page.reload()
    return kinds


def part(page: Page, key: str) -> Locator:
    """The part of a page that the app gave this key."""
    return page.locator(f".st-key-{key}").last


def until(page: Page, holds: Callable[[], object], what: str) -> None:
    """Wait until something holds; a page that is drawn anew may be gone in between."""
    from playwright.sync_api import Error

    until_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < until_s:
        try:
            if holds():
                return
        except Error:
            pass
        page.wait_for_timeout(100)
    raise AssertionError(f"never: {what}")


def told(page: Page) -> dict[str, list[str]]:
    """What stands in the URL at this moment, by name."""
    return parse_qs(urlsplit(page.evaluate("location.href")).query)


def in_address(page: Page, *names: str) -> None:
    """Wait until all of these stand in the URL."""
    until(page, lambda: set(names) <= told(page).keys(), f"{', '.join(names)} in the address")


def click_in(page: Page, chart: Locator, x: float, y: float, *names: str) -> None:
    """Click into a chart, at a part of its width and height, until the URL names what that chooses."""

    def click(left: float, top: float, width: float, height: float) -> None:
        page.mouse.click(left + x * width, top + y * height)

    _gesture(page, chart, click, *names)


def draw_box(page: Page, chart: Locator, name: str, begin: float = 0.3, end: float = 0.6) -> None:
    """Draw a box in a chart, from one part of its width to another, until the URL names its range."""

    def draw(left: float, top: float, width: float, height: float) -> None:
        middle = top + height / 2
        page.mouse.move(left + begin * width, middle)
        page.mouse.down()
        page.mouse.move(left + (begin + end) / 2 * width, middle + 4, steps=5)
        page.mouse.move(left + end * width, middle + 4, steps=5)
        page.mouse.up()

    _gesture(page, chart, draw, name)


def _gesture(page: Page, chart: Locator, make: Callable[..., None], *names: str) -> None:
    from playwright.sync_api import Error

    area = chart.locator(".nsewdrag").first
    for _ in range(TRIES):
        area.wait_for()
        settled(page)
        area.scroll_into_view_if_needed()
        box = area.bounding_box()
        if box is None:
            continue
        make(box["x"], box["y"], box["width"], box["height"])
        try:
            page.wait_for_function(
                "names => names.every(name => new URLSearchParams(location.search).has(name))",
                arg=list(names),
                timeout=1000 * TRY_S,
            )
            return
        except Error:
            continue
    raise AssertionError(f"never in the address: {', '.join(names)}")


def x_range(page: Page, key: str) -> list[float]:
    """The range of the x-axis of the chart with this key, as it is drawn."""
    plot = part(page, f"chart-{key}").locator(".js-plotly-plot").last
    found: list[float] = plot.evaluate("plot => plot._fullLayout.xaxis.range.map(Number)")
    return found


def points(page: Page, key: str) -> int:
    """How many points the lines of a chart have."""
    plot = part(page, f"chart-{key}").locator(".js-plotly-plot").last
    count: int = plot.evaluate("plot => plot.calcdata.reduce((sum, trace) => sum + trace.length, 0)")
    return count
