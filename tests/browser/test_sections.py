"""The sections of the Run page answer a mouse: a click in the map of layers, the slider of steps, a box in a chart."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest
from tests.browser.looking import click_in, draw_box, in_address, part, told
from tests.browser.server import PATIENCE_S

pytestmark = [pytest.mark.browser, pytest.mark.slow]

RUN = "sample_logs/vanishing-gradients"


@pytest.fixture
def at(visit, samples):
    """The Run page on a section, with what else stands in the address."""

    def opened(section, **more):
        page = visit(f"{samples}/run?{urlencode({'run': RUN, 'section': section, 'paused': 'yes', **more})}")
        page.locator(".st-key-field-section").wait_for()
        return page

    return opened


def test_a_click_in_the_map_shows_its_layer_and_its_step(at):
    from playwright.sync_api import expect

    page = at("layers", signal="grad_norm")
    click_in(page, part(page, "chart-layers"), 0.5, 0.97, "layer", "at")
    (chosen,) = told(page)["layer"]
    assert chosen != "0.weight"
    expect(page.locator(".st-key-field-layer input")).to_have_value(chosen, timeout=PATIENCE_S * 1000)


def test_a_box_in_the_history_of_a_layer_is_the_range_of_all_charts(at):
    page = at("layers", signal="grad_norm")
    draw_box(page, part(page, "chart-layer-history"), "steps")
    page.locator(".st-key-reset-layer-history").wait_for()
    page.locator(".st-key-reset-loss").wait_for()


def test_the_arrow_keys_move_the_steps_to_continue(at):
    page = at("progress")
    part(page, "chart-progress").locator(".nsewdrag").first.wait_for()
    thumb = page.locator(".st-key-field-continue input[type=range]")
    thumb.focus()
    thumb.press("ArrowRight")
    in_address(page, "continue")
    page.get_by_text("steps more, until step").wait_for()


@pytest.mark.parametrize("section", ["progress", "layers", "system", "not-judged"])
@pytest.mark.parametrize("dark", [False, True])
def test_each_section_opens_without_a_complaint(visit, samples, section, dark):
    page = visit(f"{samples}/run?{urlencode({'run': RUN, 'section': section, 'paused': 'yes'})}", dark=dark)
    page.locator(".st-key-field-section").wait_for()
    page.locator("[data-testid=stApp][data-test-script-state=notRunning]").wait_for()
    assert page.locator("[data-testid=stException]").count() == 0
