"""The Run page while its run grows: the zoom stays, what happens is told, and accepting is written down and counts."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.app.logs import append, healthy, write
from tests.browser.looking import draw_box, in_address, part, told
from tests.browser.server import serving

from trainvitals.config import load_config

pytestmark = [pytest.mark.browser, pytest.mark.slow]

RANGE = "document.querySelector('.st-key-chart-loss .js-plotly-plot')?._fullLayout?.xaxis?.range"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "runs"


@pytest.fixture
def server(folder: Path, tmp_path: Path) -> Iterator[str]:
    """An app on a folder of runs, started in a working folder of its own."""
    folder.mkdir()
    with serving(folder, cache=tmp_path / "cache", cwd=tmp_path) as address:
        yield address


def test_the_zoom_survives_refreshes_of_a_run_that_grows(server, visit, folder):
    run = write(folder / "exp", healthy(400))
    page = visit(f"{server}/run?run=runs/exp&every=2")
    draw_box(page, part(page, "chart-loss"), "steps", 0.4, 0.6)
    # What is in the address is drawn a moment later.
    page.wait_for_function(f"({RANGE})?.[0] > 0")
    low, high = zoomed(page)
    assert 0 < low < high < 400
    for points in (450, 500):
        append(run, healthy(50, first=points - 50))
        header(page, f"{points - 1} steps")
        assert zoomed(page) == (low, high)
    page.locator(".st-key-chart-loss").get_by_text("Reset range").first.click()
    page.wait_for_function("!location.search.includes('steps=')")
    page.wait_for_function(f"({RANGE})?.[1] > 490")


def test_a_finding_that_opens_while_somebody_looks_on_is_told_and_shown(server, visit, folder):
    run = write(folder / "exp", healthy(400))
    page = visit(f"{server}/run?run=runs/exp&every=2")
    header(page, "399 steps")
    page.locator("[data-testid=stAppViewContainer]").get_by_text("Nothing was found that should be changed").wait_for()
    append(run, [math.nan] * 40)
    page.get_by_test_id("stToast").get_by_text("non-finite-loss").first.wait_for()
    header(page, "non-finite-loss since step 400")
    page.locator(".st-key-card-non-finite-loss").get_by_text("Try").first.wait_for()
    page.locator(".st-key-announcements").get_by_text("opened").first.wait_for()


def test_what_is_unfolded_stays_so_while_the_run_grows(server, visit, folder):
    run = write(folder / "exp", [*healthy(400), *[math.nan] * 20])
    page = visit(f"{server}/run?run=runs/exp&every=2")
    card = page.locator(".st-key-card-non-finite-loss")
    card.get_by_text("The rule", exact=True).first.click()
    card.get_by_text("How it is detected").wait_for()
    append(run, [math.nan] * 20)
    header(page, "439 steps")
    assert card.get_by_text("How it is detected").is_visible()


def test_an_accepted_finding_is_written_down_and_counts_at_once(server, visit, folder, tmp_path):
    write(folder / "exp", [*healthy(400), *[math.nan] * 20])
    page = visit(f"{server}/run?run=runs/exp")
    card = page.locator(".st-key-card-non-finite-loss")
    card.get_by_text("Accept", exact=True).first.click()
    card.get_by_label("Why is it fine?").fill('a test of "mine"')
    card.get_by_test_id("stFormSubmitButton").get_by_role("button").click()
    page.locator(".st-key-accepted").get_by_text('a test of "mine"').wait_for()
    (accepted,) = load_config(tmp_path / "trainvitals.toml").accepted
    assert (accepted.finding, accepted.reason, accepted.run) == ("non-finite-loss", 'a test of "mine"', "**/runs/exp")


def test_a_card_moves_the_charts_and_the_address_to_its_steps(server, visit, folder):
    write(folder / "exp", [*healthy(400), *[math.nan] * 100])
    page = visit(f"{server}/run?run=runs/exp")
    page.locator(".st-key-card-non-finite-loss").get_by_role("button", name="Show in charts").click()
    in_address(page, "finding", "steps")
    page.wait_for_function(f"({RANGE})?.[0] > 300")
    low, _ = zoomed(page)
    again = visit(page.evaluate("location.href"))
    again.wait_for_function(f"({RANGE})?.[0] > 300")
    assert zoomed(again)[0] == low


def test_a_run_that_vanishes_stays_on_the_page_with_a_message(server, visit, folder):
    run = write(folder / "exp", healthy(400))
    page = visit(f"{server}/run?run=runs/exp&every=2")
    header(page, "399 steps")
    for file in run.iterdir():
        file.unlink()
    run.rmdir()
    page.get_by_text("its files are gone").first.wait_for()
    header(page, "399 steps")


def test_a_link_to_a_run_that_is_not_there_yet_waits_for_it(server, visit, folder):
    write(folder / "another", healthy(400))
    page = visit(f"{server}/run?run=runs/late&every=2")
    page.locator(".st-key-run-chooser").wait_for()
    page.get_by_text("runs/late").first.wait_for()
    page.wait_for_timeout(5000)
    write(folder / "late", healthy(300))
    header(page, "299 steps")
    assert told(page)["run"] == ["runs/late"]


SAVED = {
    "Report (HTML)": ("runs-exp.html", "non-finite-loss"),
    "Report (Markdown)": ("runs-exp.md", "non-finite-loss"),
    "Losses (CSV)": ("runs-exp.csv", "runs/exp,train_loss,0,"),
}


def test_what_is_saved_is_a_file_of_this_run(server, visit, folder, tmp_path):
    write(folder / "exp", [*healthy(400), *[math.nan] * 20])
    page = visit(f"{server}/run?run=runs/exp&paused=yes")
    header(page, "419 steps")
    page.locator(".st-key-exports").get_by_role("button").first.click()
    for title, (name, holds) in SAVED.items():
        with page.expect_download() as download:
            page.get_by_text(title, exact=True).first.click()
        assert download.value.suggested_filename == name
        download.value.save_as(tmp_path / name)
        assert holds in (tmp_path / name).read_text(encoding="utf-8")


def header(page, words):
    """Wait until the header says so."""
    page.locator(".st-key-run-header").get_by_text(words).first.wait_for()


def zoomed(page):
    page.wait_for_function(f"({RANGE}) !== undefined")
    return tuple(page.evaluate(RANGE))
