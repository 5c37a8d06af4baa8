"""Curves and Compare in a real browser: a box is the zoom and stays, controls write the URL, a link shows the same."""

from __future__ import annotations

import csv
from pathlib import Path
from urllib.parse import urlencode

import pytest
from tests.browser.looking import draw_box, part, settled, told, until
from tests.browser.server import serving

pytestmark = [pytest.mark.browser, pytest.mark.slow]

RUNS = ["sample_logs/healthy", "sample_logs/restarted"]
RANGE = "(key) => document.querySelector(`.st-key-${key} .js-plotly-plot`)?._fullLayout?.xaxis.range"


def link(samples, path, **told):
    return f"{samples}/{path}?{urlencode({'runs': RUNS, 'every': '2', **told}, doseq=True)}"


def drawn(page, key):
    """The part of a chart in which a box can be drawn, once it is there."""
    area = page.locator(f".st-key-{key} .nsewdrag").first
    area.wait_for()
    settled(page)
    return area


def until_range(page, key, is_so, other):
    """Wait until the range of a chart compares so with another, and give it."""
    page.wait_for_function(
        f"([key, other]) => {{ const range = ({RANGE})(key);"
        f" return range && (JSON.stringify(range) === JSON.stringify(other)) === {str(is_so).lower()} }}",
        arg=[key, other],
    )
    return page.evaluate(RANGE, key)


@pytest.mark.parametrize(
    ("axis", "field", "more"), [("step", "steps", {}), ("step", "steps", {"logx": "yes"}), ("wall", "time", {})]
)
def test_a_box_zooms_every_chart_of_its_axis_until_it_is_reset(visit, samples, axis, field, more):
    page = visit(link(samples, "curves", filter="loss", x=axis, **more))
    drawn(page, "curves-0")
    before = page.evaluate(RANGE, "curves-0")
    draw_box(page, part(page, "curves-0"), field)
    zoomed = until_range(page, "curves-0", False, before)
    until_range(page, "curves-1", True, zoomed)
    page.get_by_role("button", name="Reset range").click()
    page.wait_for_url(lambda url: f"{field}=" not in url)
    until_range(page, "curves-0", True, before)


def test_a_range_can_be_set_by_the_keyboard_alone(visit, samples):
    page = visit(link(samples, "curves", filter="loss"))
    drawn(page, "curves-0")
    before = page.evaluate(RANGE, "curves-0")
    page.get_by_role("button", name="Range").focus()
    page.keyboard.press("Enter")
    page.get_by_label("From step").wait_for()
    page.get_by_label("From step").focus()
    page.keyboard.type("100")
    page.keyboard.press("Tab")
    page.keyboard.type("200")
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: "steps=100" in url)
    assert until_range(page, "curves-0", False, before) == [100, 200]


def test_a_run_that_appears_can_be_chosen_without_touching_the_page(visit, serve, tmp_path):
    for name in ("first", "second"):
        table = tmp_path / "logs" / name / "metrics.csv"
        table.parent.mkdir(parents=True)
        table.write_text("step,train_loss\n" + "".join(f"{step},{3 - step / 200}\n" for step in range(300)))
        if name == "first":
            page = visit(f"{serve(tmp_path / 'logs')}/curves?every=2")
            drawn(page, "curves-0")

    def is_offered():
        page.locator("[data-testid=stMultiSelect] input").first.click()
        found = page.get_by_role("option", name="second").count()
        page.keyboard.press("Escape")
        return found

    until(page, is_offered, "the second run can be chosen")


def test_a_zoom_survives_two_refreshes_of_a_run_that_grows(visit, tmp_path):
    table = tmp_path / "logs" / "run" / "metrics.csv"
    table.parent.mkdir(parents=True)
    table.write_text("step,train_loss\n" + "".join(f"{step},{3 - step / 200}\n" for step in range(300)))
    with serving(tmp_path / "logs", cache=tmp_path / "cache") as address:
        page = visit(f"{address}/curves?every=2")
        drawn(page, "curves-0")
        before = page.evaluate(RANGE, "curves-0")
        draw_box(page, part(page, "curves-0"), "steps")
        zoomed = until_range(page, "curves-0", False, before)
        for last in (0.25, 0.125):
            with table.open("a") as file:
                step = 300 if last == 0.25 else 301
                file.write(f"{step},{last}\n")
            # What the chart shows in words ends with the newest value.
            page.locator(f".st-key-curves-0 [role=figure][aria-label*='to {last}']").wait_for()
            assert until_range(page, "curves-0", True, zoomed) == zoomed
        # It would complain of the server's end.
        page.close()


def test_a_filter_is_told_in_the_url_and_a_bad_one_on_the_page(visit, samples):
    page = visit(link(samples, "curves"))
    box = page.get_by_label("Filter by name")
    box.fill("^val/")
    box.press("Enter")
    page.wait_for_url(lambda url: "filter=" in url)
    page.locator(".st-key-curves-2").wait_for(state="detached")
    assert told(page)["filter"] == ["^val/"]
    box.fill("val(")
    box.press("Enter")
    page.get_by_text("this is no regular expression").wait_for()


def test_controls_are_in_the_url_so_that_a_link_shows_the_same(visit, samples):
    page = visit(link(samples, "curves", filter="loss"))
    drawn(page, "curves-0")
    page.get_by_text("Relative time").click()
    page.wait_for_url(lambda url: "x=relative" in url)
    page.get_by_text("Log y").click()
    page.wait_for_url(lambda url: "logy=yes" in url)
    slider = page.get_by_role("slider")
    slider.focus()
    slider.press("ArrowRight")
    page.wait_for_url(lambda url: "smoothing=0.8" in url)
    again = visit(page.evaluate("location.href"))
    drawn(again, "curves-0")
    layout = again.evaluate("document.querySelector('.st-key-curves-0 .js-plotly-plot')._fullLayout.yaxis.type")
    assert layout == "log"
    assert again.get_by_text("time since the run began").count() >= 1


def test_the_table_that_is_saved_has_the_steps_that_are_shown(visit, samples, tmp_path):
    page = visit(link(samples, "curves", filter="^train/loss$", steps="100:104"))
    drawn(page, "curves-0")
    with page.expect_download() as saving:
        page.get_by_role("button", name="Save as CSV").click()
    file = tmp_path / "curves.csv"
    saving.value.save_as(file)
    rows = list(csv.DictReader(Path(file).read_text().splitlines()))
    assert {row["run"] for row in rows} == set(RUNS)
    assert {int(row["step"]) for row in rows} == set(range(100, 105))


def test_two_runs_are_compared_and_swapped(visit, samples):
    page = visit(link(samples, "compare", runs=["sample_logs/diverging", "sample_logs/healthy"]))
    drawn(page, "compare-loss-0")
    page.get_by_text("What became of what was found").wait_for()
    assert page.locator(".st-key-compare-outcomes").inner_text().count("resolved") == 1
    page.get_by_role("button", name="Swap").click()
    swapped = ["sample_logs/healthy", "sample_logs/diverging"]
    until(page, lambda: told(page)["runs"] == swapped, "the runs have changed places")
    until(page, lambda: "resolved" not in part(page, "compare-outcomes").inner_text(), "what was resolved is new now")
