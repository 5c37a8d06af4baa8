"""Every page opens in a real browser: no error in its console, nothing asked of another machine."""

from __future__ import annotations

import pytest
from tests.browser.looking import settled

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PAGES = {"": "Overview", "run": "Run", "curves": "Curves", "compare": "Compare"}


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("path", PAGES)
def test_each_page_opens_on_the_samples(visit, samples, path, dark):
    page = visit(f"{samples}/{path}", dark=dark)
    settled(page)
    assert page.locator("[data-testid=stMain]").inner_text().strip()
