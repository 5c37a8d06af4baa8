"""The list of runs in a real browser: a click opens a run, ticks and filters stay, what grows announces itself."""

from __future__ import annotations

import math

import pytest
from tests.app.logs import append, healthy, write
from tests.browser.looking import messages, settled, told, until
from tests.browser.server import serving

pytestmark = [pytest.mark.browser, pytest.mark.slow]

HEADER_PX, ROW_PX, TICK_X, RUN_X = 38, 35, 16, 200


def all_judged(page):
    """Wait until the list is in its final order."""
    page.locator(".st-key-freshness:not(:has-text('still to be judged'))").wait_for()
    page.locator("[data-testid=stDataFrame] canvas").first.wait_for()
    settled(page)


def cells(page):
    """What stands in the list, as a screen reader is told it."""
    cells = page.locator("[data-testid=stDataFrame] [role=gridcell]")
    cells.first.wait_for(state="attached")
    return cells.all_text_contents()


def click(page, row, x):
    """Click into a row of the list, once what it replaces is gone."""
    settled(page)
    page.wait_for_function("document.querySelectorAll('[data-testid=stDataFrame]').length === 1")
    box = page.locator("[data-testid=stDataFrame]").bounding_box()
    page.mouse.click(box["x"] + x, box["y"] + HEADER_PX + (row + 0.5) * ROW_PX)


def test_a_click_on_a_row_opens_its_run(visit, samples):
    page = visit(samples)
    all_judged(page)
    page.get_by_placeholder("run, problem or cause").fill("overfit")
    page.wait_for_url(lambda url: "find=overfit" in url)
    page.locator("[role=gridcell]", has_text="loss-spikes").first.wait_for(state="detached")
    click(page, 0, RUN_X)
    page.wait_for_url(lambda url: "/run?" in url)
    until(page, lambda: told(page).get("run") == ["sample_logs/overfitting"], "its run is shown")
    page.get_by_text("overfitting since", exact=False).first.wait_for()


def test_what_was_ticked_stays_over_refreshes_and_goes_along(visit, samples):
    page = visit(f"{samples}/?every=2")
    kinds = messages(page)
    all_judged(page)
    click(page, 0, TICK_X)
    until(page, lambda: len(told(page).get("runs", [])) == 1, "one run is ticked")
    click(page, 2, TICK_X)
    until(page, lambda: len(told(page).get("runs", [])) == 2, "two runs are ticked")
    ticked = told(page)["runs"]
    refreshed = kinds.count("script_finished") + 3
    until(page, lambda: kinds.count("script_finished") >= refreshed, "the list was refreshed")
    assert told(page)["runs"] == ticked
    page.get_by_role("link", name="Compare 2").click()
    page.wait_for_url(lambda url: "/compare" in url)
    until(page, lambda: told(page).get("runs") == ticked, "they go along")


def test_a_link_shows_the_same_filter(visit, samples):
    page = visit(f"{samples}/?status=healthy")
    all_judged(page)
    text = " ".join(cells(page))
    assert "restarted" in text
    assert "overfitting" not in text


def test_a_run_that_begins_and_one_that_falls_ill_announce_themselves(visit, tmp_path):
    logs = tmp_path / "logs"
    run = write(logs / "first", healthy(300))
    with serving(logs, cache=tmp_path / "cache") as address:
        page = visit(f"{address}/?every=2")
        all_judged(page)
        append(run, [math.nan] * 40)
        page.locator("[data-testid=stToast]", has_text="non-finite-loss").filter(has_text="first").first.wait_for()
        page.locator(".st-key-sickest", has_text="non-finite-loss since step 300").wait_for()
        write(logs / "second", healthy(300))
        page.locator(".st-key-freshness", has_text="2 runs").wait_for()
        page.locator(".st-key-filters", has_text="1 healthy").wait_for()
        # It would complain of the server's end.
        page.close()


def test_hostile_names_stay_text(visit, tmp_path):
    name = "<img src=x onerror=alert(1)> **b** :smile: :red[r] [l](javascript:alert(1)) $m$ \u202e\x1b[31m"
    write(tmp_path / "logs" / name.replace("/", "_"), [*healthy(300), *[math.nan] * 40])
    write(tmp_path / "logs" / "good", healthy(300))
    with serving(tmp_path / "logs", cache=tmp_path / "cache") as address:
        page = visit(address)
        page.on("dialog", lambda dialog: pytest.fail(f"a name was run: {dialog.message}"))
        all_judged(page)
        sick = page.locator(".st-key-sickest")
        sick.wait_for()
        assert sick.locator("img, a[href^=javascript], .katex").count() == 0
        assert "<img src=x" in sick.inner_text()
        page.close()


@pytest.mark.parametrize("there", [True, False])
def test_where_nothing_is_a_line_says_what_to_do(visit, tmp_path, there):
    logs = tmp_path / "logs"
    if there:
        logs.mkdir()
        (logs / "garbage.bin").write_bytes(bytes(range(256)) * 100)
    with serving(logs, cache=tmp_path / "cache") as address:
        page = visit(f"{address}/?every=2")
        page.get_by_text("No runs yet").wait_for()
        assert page.locator("[data-testid=stException]").count() == 0
        write(logs / "first", healthy(300))
        page.locator(".st-key-freshness", has_text="1 run").wait_for()
        page.close()
