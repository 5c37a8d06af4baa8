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
    assert kinds.count("plotly_chart") >= 3
    assert "ref_hash" not in kinds


@pytest.mark.parametrize("address", ["run?run=sample_logs%2Foverfitting", "curves?runs=sample_logs%2Foverfitting"])
def test_what_can_be_saved_is_not_drawn_anew_under_a_click(visit, samples, address):
    page = visit(f"{samples}/{address}&every=2")
    kinds = messages(page)
    until(page, lambda: "download_button" in kinds and "script_finished" in kinds, "the page is there")
    drawn, refreshed = kinds.count("download_button"), kinds.count("script_finished") + 4
    until(page, lambda: kinds.count("script_finished") >= refreshed, "it is refreshed a few times")
    assert kinds.count("download_button") == drawn
