"""Every page opens in a real browser: no error in its console, nothing asked of another machine."""

from __future__ import annotations

import pytest
from tests.browser.looking import messages, settled, until

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PAGES = {"": "Overview", "run": "Run", "curves": "Curves", "compare": "Compare"}


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("path", PAGES)
def test_each_page_opens_on_the_samples(visit, samples, path, dark):
    page = visit(f"{samples}/{path}", dark=dark)
    settled(page)
    assert page.locator("[data-testid=stMain]").inner_text().strip()


def test_no_message_refers_to_one_that_the_browser_might_have_forgotten(visit, samples):
    page = visit(f"{samples}/run?run=sample_logs%2Foverfitting&paused=yes")
    kinds = messages(page)
    until(page, lambda: "script_finished" in kinds, "the page is there")
    settled(page)
    # Without the option, the chart that was there before is sent as a reference.
    for presses in (1, 2):
        page.get_by_text("Logarithmic loss").click()
        until(page, lambda presses=presses: ("log=" in page.url) == (presses == 1), "the chart is drawn otherwise")
        settled(page)
    until(page, lambda: kinds.count("script_finished") >= 3, "the chart is drawn for each press")
    assert "delta" in kinds
    assert "ref_hash" not in kinds
