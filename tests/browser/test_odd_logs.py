"""Logs that are damaged, empty, huge or written by somebody who means harm: a message, never a traceback."""

from __future__ import annotations

import os

import numpy as np
import pytest
from tests.browser.looking import part, points, settled, until
from tests.browser.server import serving

from trainvitals.eventfile.writer import EventFileWriter

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PAGES = ["", "run", "curves", "compare"]
HOSTILE = [
    "<script>document.title='pwned'</script>/loss",
    "<img src=x onerror=\"document.title='pwned'\">",
    "[click me](javascript:document.title='pwned')",
    "**bold** $x^2$ :red[red] `code` # head",
    "=cmd|' /C calc'!A0",
    "a" * 3000,
    "\x1b[31m\u202eright to left",
]


def every_page(visit, address, **query):
    """Each page, opened."""
    for path in PAGES:
        page = visit(f"{address}/{path}")
        settled(page)
        yield page


def test_a_folder_without_runs_says_what_to_do(visit, serve, tmp_path):
    (tmp_path / "runs").mkdir()
    address = serve(tmp_path / "runs")
    for page in every_page(visit, address):
        page.locator("[data-testid=stMain]").get_by_text("No run").first.wait_for()


def test_damaged_and_empty_files_are_told_and_the_rest_is_shown(visit, serve, tmp_path, root):
    runs = tmp_path / "runs"
    sample = next((root / "sample_logs" / "healthy").glob("*tfevents*")).read_bytes()
    for name, content in {
        "empty": b"",
        "garbage": os.urandom(5000),
        "torn": sample[: len(sample) // 2 + 3],
        "damaged": sample[:4000] + b"\0" * 500 + sample[4500:],
        "good": sample,
    }.items():
        (runs / name).mkdir(parents=True)
        (runs / name / "events.out.tfevents.1.x").write_bytes(content)
    (runs / "metrics.csv").write_text("step,loss\n1,2\n2,oops\n3\n4,5,6,7\n")
    address = serve(runs)
    for page in every_page(visit, address):
        page.close()
    page = visit(address)
    part(page, "filters").get_by_text("runs · updated").wait_for()
    for name in ("runs/garbage", "runs/damaged", "runs/torn", "runs/nowhere"):
        page = visit(f"{address}/run?run={name}")
        settled(page)
        until(page, lambda page=page: len(page.inner_text("[data-testid=stMain]")) > 100, "a message")


def test_names_from_a_log_stay_text(visit, serve, tmp_path):
    runs = tmp_path / "runs"
    writer = EventFileWriter(runs / "x <b>bold</b> **run** [a](javascript:1)")
    for step in range(200):
        values = dict.fromkeys(HOSTILE, 1.0 + step / 100)
        writer.write_scalars(step, {"train/loss": 2.0 / (step + 1), **values})
    writer.close()
    address = serve(runs)
    for page in every_page(visit, address):
        until(page, lambda page=page: len(page.inner_text("[data-testid=stMain]")) > 50, "something is shown")
        assert page.title() != "pwned"
        assert page.locator("[data-testid=stMain] a[href^=javascript]").count() == 0
        assert (
            page.locator("[data-testid=stMain] b, [data-testid=stMain] img, [data-testid=stMain] script").count() == 0
        )
    page = visit(f"{address}/curves")
    page.get_by_text("x <b>bold</b> **run** [a](javascript:1)").first.wait_for()
    until(page, lambda: page.locator(".js-plotly-plot").count() > 3, "the signals are drawn")
    assert page.title() != "pwned"


def test_a_huge_log_is_drawn_in_few_points(visit, serve, tmp_path):
    writer = EventFileWriter(tmp_path / "runs" / "huge")
    noise = np.random.default_rng(0).normal(0, 0.02, 300_000)
    for step in range(300_000):
        writer.write_scalars(step, {"train/loss": 1.5 + 6 * (step + 10) ** -0.35 + noise[step]})
    writer.close()
    address = serve(tmp_path / "runs")
    page = visit(f"{address}/run")
    until(page, lambda: 1000 < points(page, "loss") < 10_000, "the loss is drawn in few points")
    settled(page)


@pytest.mark.shared
@pytest.mark.parametrize("path", PAGES)
def test_each_page_opens_on_logs_of_strangers(visit, strangers, path):
    page = visit(f"{strangers}/{path}")
    until(page, lambda: len(page.inner_text("[data-testid=stMain]")) > 100, "something is shown")
    settled(page)


@pytest.fixture(scope="module")
def strangers(tmp_path_factory, shared):
    with serving(shared / "real_logs", cache=tmp_path_factory.mktemp("strangers") / "kept") as address:
        yield address
