"""The HTML report in a real browser: its charts are drawn, nothing is loaded, and nothing in a log runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.browser.server import PATIENCE_S
from tests.monitor.reporters.test_html_report import HOSTILE, chart, full

from trainvitals.config import Config
from trainvitals.reporters.html_report import render_html, runs_to_draw
from trainvitals.samples import sample_logs
from trainvitals.session import diagnose_paths, loss_charts

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture
def opened(browser, tmp_path) -> Iterator[Callable]:
    """Opens a document as a file. No page may have told an error, asked for anything, or opened a dialog."""
    told: list[str] = []
    contexts = []

    def opened(document: str, **options):
        (tmp_path / "report.html").write_text(document, encoding="utf-8")
        contexts.append(browser.new_context(**options))
        contexts[-1].set_default_timeout(PATIENCE_S * 1000)
        page = contexts[-1].new_page()
        page.on("console", lambda message: told.append(message.text))
        page.on("pageerror", lambda error: told.append(str(error)))
        page.on("dialog", lambda dialog: (told.append(dialog.message), dialog.dismiss()))
        page.on("request", lambda request: told.append(request.url) if _is_foreign(request.url) else None)
        page.goto((tmp_path / "report.html").as_uri())
        for place in page.locator(".chart").all():
            place.locator(".main-svg").first.wait_for()
        return page

    yield opened
    for context in contexts:
        context.close()
    assert told == []


def _is_foreign(url: str) -> bool:
    return not url.startswith(("file:", "data:", "blob:"))


@pytest.fixture(scope="module")
def samples() -> str:
    paths = [str(sample_logs())]
    diagnoses = diagnose_paths(paths, Config(), on_error=pytest.fail)
    return render_html(diagnoses, loss_charts(paths, runs_to_draw(diagnoses), Config(), on_error=pytest.fail))


@pytest.mark.parametrize("options", [{"color_scheme": "dark"}, {"viewport": {"width": 390, "height": 800}}])
def test_the_samples_are_drawn_and_fit_the_window(opened, samples, options) -> None:
    page = opened(samples, **options)
    assert page.locator(".chart .main-svg").count() >= 7
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    page.locator("tbody a").first.click()
    page.wait_for_function("location.hash === '#run-1'")


def test_what_is_folded_up_is_unfolded_by_the_keyboard(opened, samples) -> None:
    page = opened(samples)
    folded = page.locator("details:not([open]) > summary").first
    folded.focus()
    details = folded.locator("..")
    handle = details.element_handle()
    page.keyboard.press("Enter")
    assert handle.get_attribute("open") is not None


def test_what_is_folded_up_is_printed(opened, samples) -> None:
    page = opened(samples)
    folded = page.locator("details:not([open]) > dl").first
    assert not folded.is_visible()
    page.emulate_media(media="print")
    assert folded.is_visible()


def test_a_chart_fits_on_paper_and_then_into_the_window_again(opened, samples) -> None:
    page = opened(samples, viewport={"width": 1280, "height": 800})
    page.evaluate("""window.addEventListener("beforeprint", () => {
        window.widths = [...document.querySelectorAll(".chart .main-svg")].map((chart) => chart.clientWidth)
    })""")
    page.pdf(format="A4")
    widths = page.evaluate("window.widths")
    assert len(widths) >= 7
    assert all(500 < width <= 718 for width in widths)
    page.locator(".chart .main-svg[width='1040']").first.wait_for()


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_in_a_log_runs(opened, text) -> None:
    page = opened(render_html([replace(full(text), id=text)], {text: chart(text)}))
    assert page.locator("img, iframe").count() == 0


def test_a_script_that_got_in_would_not_run(opened, samples, browser, tmp_path: Path) -> None:
    """The policy, not only the escaping: a script that is put into the file does nothing."""
    (tmp_path / "altered.html").write_text(samples.replace("<main>", "<main><script>document.title = 'run'</script>"))
    context = browser.new_context()
    page = context.new_page()
    page.goto((tmp_path / "altered.html").as_uri())
    assert page.title() != "run"
    context.close()
