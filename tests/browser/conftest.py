"""A real browser that nothing leaves, and apps to look at with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.browser.server import PATIENCE_S, serving
from tests.conftest import CHROMIUM

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Page

# Without these, the browser itself would ask its maker's servers for updates.
SILENT = ["--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync"]

OWN = ("http://127.0.0.1:", "file:///", "data:", "blob:")
"""What may be asked for: nothing outside this machine."""

Visit = Callable[..., "Page"]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's Chromium without a window."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*SILENT, "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., str]]:
    """Starts an app that shows some paths; gives its address."""
    with ExitStack() as servers:

        def serve(*paths: Path, **options: Any) -> str:
            return servers.enter_context(serving(*paths, cache=tmp_path / "kept", **options))

        yield serve


@pytest.fixture
def visit(browser: Browser, serve: object) -> Iterator[Visit]:
    """Opens an address. At the end, no page may have told an error or asked another machine for anything.

    It is closed before any server that a test has started, or it would complain of that.
    """
    errors: list[str] = []
    requests: list[str] = []
    with ExitStack() as contexts:

        def visit(address: str, *, width: int = 1280, dark: bool = False, app: bool = True) -> Page:
            context = browser.new_context(
                viewport={"width": width, "height": 900}, color_scheme="dark" if dark else "light"
            )
            contexts.callback(context.close)
            context.set_default_timeout(PATIENCE_S * 1000)
            page = context.new_page()
            page.on("console", lambda message: errors.extend(_errors(message)))
            page.on("pageerror", lambda error: errors.append(str(error)))
            page.on("request", lambda request: requests.append(request.url))
            page.goto(address)
            if app:
                page.locator("[data-testid=stApp]").wait_for()
            return page

        yield visit
    assert errors == []
    assert [url for url in requests if not url.startswith(OWN)] == []


def _errors(message: ConsoleMessage) -> list[str]:
    """What a page complained of, but for what Streamlit itself does on a link to a page: it looks for its server below
    that page first, and does not find it there."""
    looked_for = message.location["url"].endswith(("/_stcore/host-config", "/_stcore/health"))
    return [] if message.type != "error" or looked_for else [message.text]


@pytest.fixture(scope="session")
def samples(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Iterator[str]:
    """The address of an app that shows the samples."""
    with serving(root / "sample_logs", cache=tmp_path_factory.mktemp("samples") / "cache") as address:
        yield address
