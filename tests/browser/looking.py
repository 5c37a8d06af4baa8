"""What tests see of a page."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from tests.browser.server import PATIENCE_S

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page


def settled(page: Page) -> None:
    """Wait until the script of the page has ended, and hold it against what no page may show."""
    page.locator("[data-testid=stApp][data-test-script-state=notRunning]").wait_for()
    assert page.locator("[data-testid=stException]").count() == 0


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
