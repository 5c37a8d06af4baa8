"""What a person clicks does what it says."""

from __future__ import annotations

import pytest
from tests.browser.looking import part, points, until, x_range

pytestmark = [pytest.mark.browser, pytest.mark.slow]

ROW_PX, HEADER_PX = 35, 38


def main(page):
    return page.locator("[data-testid=stMain]")


def height(part):
    return (part.bounding_box() or {"height": 0})["height"]


def judged(page):
    """Wait until every run of the list has its verdict."""
    part(page, "filters").get_by_text("runs · updated").wait_for()


def test_the_sickest_runs_stand_above_the_list_and_one_click_opens_one(visit, samples):
    page = visit(samples)
    judged(page)
    sickest = part(page, "sickest").inner_text()
    assert "diverging" in sickest
    assert "non-finite-loss since step" in sickest
    assert "Try:" in sickest
    part(page, "sickest").get_by_role("link").filter(has_text="diverging").click()
    part(page, "run-header").get_by_text("non-finite-loss since step").wait_for()
    assert "run=" in page.evaluate("location.href")


def test_the_list_is_filtered_by_words_and_by_status_and_a_cell_opens_its_run(visit, samples):
    page = visit(samples)
    judged(page)
    part(page, "filters").get_by_role("textbox").fill("overfit")
    until(page, lambda: "find=overfit" in page.url, "the words stand in the URL")
    table = page.locator("[data-testid=stDataFrame] canvas").first
    until(page, lambda: 0 < height(table) < HEADER_PX + 2 * ROW_PX, "one run is left")
    corner = table.bounding_box()
    page.mouse.click(corner["x"] + 220, corner["y"] + HEADER_PX + ROW_PX / 2)
    part(page, "run-header").get_by_text("overfitting since").wait_for()
    page.goto(f"{samples}/?status=healthy")
    judged(page)
    assert part(page, "sickest").count() == 0


def test_the_report_of_a_run_is_one_file_that_says_what_the_page_says(visit, samples, tmp_path):
    page = visit(f"{samples}/run?run=sample_logs/overfitting")
    part(page, "exports").get_by_role("button").first.click()
    with page.expect_download() as download:
        page.get_by_role("button", name="HTML").click()
    file = tmp_path / "report.html"
    download.value.save_as(file)
    assert "overfitting since" in file.read_text()
    report = visit(f"file://{file}", app=False)
    report.locator(".js-plotly-plot").first.wait_for()
    assert "overfitting since" in report.inner_text("body")


def test_paused_nothing_moves_and_unpaused_it_goes_on(visit, serve, tmp_path):
    from trainvitals.eventfile.writer import EventFileWriter

    writer = EventFileWriter(tmp_path / "runs" / "growing")
    for step in range(500):
        writer.write_scalars(step, {"train/loss": 1.5 + 6 * (step + 10) ** -0.35})
    page = visit(f"{serve(tmp_path / 'runs')}/run?every=2&paused=yes")
    until(page, lambda: points(page, "loss") > 0, "the loss is drawn")
    for step in range(500, 900):
        writer.write_scalars(step, {"train/loss": 1.5 + 6 * (step + 10) ** -0.35})
    page.wait_for_timeout(5000)
    assert x_range(page, "loss")[1] < 550
    part(page, "live-bar").get_by_text("Pause").click()
    until(page, lambda: x_range(page, "loss")[1] > 890, "what was written while it was paused is drawn")
    writer.close()
