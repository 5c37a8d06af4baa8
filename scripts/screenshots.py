"""Take pictures of every page of the app, light and dark, narrow and wide.

    python scripts/screenshots.py FOLDER [PATH...]

Without a PATH of runs, of the samples; two of those are in `docs/images/`, for README.
Needs Debian's `chromium` and playwright.
"""

from __future__ import annotations

import argparse
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from playwright.sync_api import Page, ViewportSize, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
PAGES = {"overview": "", "run": "run", "curves": "curves", "compare": "compare"}
"""What the picture is called; where the page is."""
QUERIES = {
    "run": "run=sample_logs/vanishing-gradients",
    "curves": "runs=sample_logs/learning-rate-exhausted&runs=sample_logs/healthy",
    "compare": "runs=sample_logs/learning-rate-exhausted&runs=sample_logs/healthy",
}
"""What the pages show of the samples."""
WIDTHS = (1280, 1920)
HEIGHT = 1000
PATIENCE_S = 120.0


def main() -> None:
    """Start the app, visit each page, write a picture of each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where the pictures go")
    parser.add_argument("paths", nargs="*", type=Path, help="runs to show; the samples if none is given")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    with serving([path.resolve() for path in arguments.paths]) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for dark in (False, True):
            for width in WIDTHS:
                size = ViewportSize(width=width, height=HEIGHT)
                page = browser.new_page(viewport=size, color_scheme="dark" if dark else "light")
                page.set_default_timeout(PATIENCE_S * 1000)
                for name, path in PAGES.items():
                    page.goto(f"{address}/{path}?{'' if arguments.paths else QUERIES.get(name, '')}")
                    until_drawn(page)
                    file = arguments.folder / f"{name}-{width}-{'dark' if dark else 'light'}.png"
                    page.screenshot(path=file)
                    print(file)
                page.close()


@contextmanager
def serving(paths: list[Path]) -> Iterator[str]:
    """The address of an app that shows these paths, and has kept no diagnosis before.

    It is started in an empty folder, where it shows the samples if there are no paths.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", str(ROOT / "app" / "main.py")]
    command += ["--server.port", str(port), "--server.headless", "true", "--", *map(str, paths)]
    with tempfile.TemporaryDirectory() as cache, tempfile.TemporaryDirectory() as empty:
        environment = {"PATH": os.defpath, "TRAINVITALS_CACHE": cache}
        server = subprocess.Popen(command, cwd=empty, env=environment)
        try:
            until_s = time.monotonic() + PATIENCE_S
            while time.monotonic() < until_s and not answers(port):
                time.sleep(0.1)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait(PATIENCE_S)


def answers(port: int) -> bool:
    """Whether the server is there."""
    try:
        with urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=PATIENCE_S) as answer:
            return bool(answer.status == 200)
    except (URLError, ConnectionError):
        return False


def until_drawn(page: Page) -> None:
    """Wait until the script has ended and nothing on the page is a placeholder any more."""
    page.locator("[data-testid=stApp][data-test-script-state=notRunning]").wait_for()
    page.wait_for_function("document.querySelectorAll('[data-testid=stSkeleton]').length == 0")
    page.wait_for_function("!document.body.innerText.includes('still to be judged')")
    # Plotly draws after the script has ended; a picture may wait for that.
    page.wait_for_timeout(4000)


if __name__ == "__main__":
    main()
