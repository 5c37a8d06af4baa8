"""Every page opens in a real browser: no error in its console, nothing asked of another machine."""

from __future__ import annotations

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PAGES = {"": "Overview", "run": "Run", "curves": "Curves", "compare": "Compare"}


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("path", PAGES)
def test_each_page_opens_on_the_samples(visit, samples, path, dark):
    page = visit(f"{samples}/{path}", dark=dark)
    settled(page)
    assert page.locator("[data-testid=stException]").count() == 0
    assert page.locator("[data-testid=stMain]").inner_text().strip()


def settled(page):
    """Wait until the script of the page has ended."""
    page.locator("[data-testid=stApp][data-test-script-state=notRunning]").wait_for()
