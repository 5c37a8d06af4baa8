"""The Curves page shows what the URL says, and every control changes what it says."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest
from tests.app import shown_runs
from tests.app.pages.reading import address, figures, names, opened, titles, words

from trainvitals import Run

STEPS = np.arange(300)


def draw() -> None:
    from trainvitals_app.pages import curves

    curves.page()


def run(**columns: np.ndarray) -> Run:
    named = {name.replace("__", "/"): values for name, values in columns.items()}
    return Run.from_columns({"step": STEPS, **named})


def falling() -> np.ndarray:
    return 2 + 3 * np.exp(-STEPS / 50) + 0.1 * np.random.default_rng(0).standard_normal(300)


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> shown_runs.ShownRuns:
    return shown_runs.show(
        monkeypatch,
        {
            "logs/a": run(train__loss=falling(), lr=1e-3 * np.ones(300), epoch=STEPS / 10),
            "logs/b": run(train__loss=falling() + 1, extra=falling()),
            "logs/broken": None,
        },
    )


def page(**told: str | list[str]) -> AppTest:
    return opened(draw, **told)


def test_it_begins_with_the_run_that_was_looked_at_last(shown: shown_runs.ShownRuns) -> None:
    assert address(page(run="logs/b"), "runs") == ["logs/b"]
    first = page()
    assert address(first, "runs") == ["logs/a"]
    assert set(titles(first)) == {"train/loss", "lr", "epoch"}


def test_signals_of_several_runs_are_laid_over_each_other(shown: shown_runs.ShownRuns) -> None:
    test = page(runs=["logs/a", "logs/b"])
    assert titles(test)[0] == "train/loss"
    assert set(titles(test)) == {"train/loss", "lr", "epoch", "extra"}
    (legend, *_) = figures(test)
    assert names(legend) == ["a", "b"]


def test_a_filter_chooses_and_a_bad_one_is_told_and_hides_nothing(shown: shown_runs.ShownRuns) -> None:
    test = page(runs="logs/a", filter="LOSS")
    assert titles(test) == ["train/loss"]
    test.text_input[0].set_value("loss(").run()
    assert "no regular expression" in words(test)
    assert len(titles(test)) == 3
    assert address(test, "filter") == ["loss("]
    test.text_input[0].set_value("nothing").run()
    assert "No signal of these runs matches" in words(test)
    assert titles(test) == []


def test_picked_signals_are_shown_alone(shown: shown_runs.ShownRuns) -> None:
    test = page(runs="logs/a")
    test.multiselect[1].set_value(["lr"]).run()
    assert titles(test) == ["lr"]
    assert address(test, "tags") == ["lr"]


def test_smoothing_comes_from_the_url_and_goes_there(shown: shown_runs.ShownRuns) -> None:
    test = page(runs="logs/a", filter="loss", smoothing="0.9")
    assert names(figures(test)[0]) == ["logs/a, each point", "logs/a"]
    test.select_slider[0].set_value(0.0).run()
    assert names(figures(test)[0]) == ["logs/a"]
    assert address(test, "smoothing") == ["0"]


def test_only_axes_that_a_run_has_are_offered_and_the_others_are_named(shown: shown_runs.ShownRuns) -> None:
    test = page(runs=["logs/a", "logs/b"], x="epoch", filter="loss")
    assert "tokens (log tokens" in test.button_group(key="field-x").help
    assert "Left out" in words(test)
    (_, chart) = figures(test)
    assert chart["layout"]["xaxis"]["title"]["text"] == "epoch"
    assert {name.split(",")[0] for name in names(chart)} == {"a"}
    without = page(runs="logs/b", x="epoch", filter="loss")
    assert figures(without)[0]["layout"]["xaxis"]["title"]["text"] == "step"


def test_logarithmic_axes_and_the_range_come_from_the_url(shown: shown_runs.ShownRuns) -> None:
    test = page(runs="logs/a", filter="loss", logy="yes", logx="yes", steps="10:100")
    layout = figures(test)[0]["layout"]
    assert layout["yaxis"]["type"] == layout["xaxis"]["type"] == "log"
    assert layout["xaxis"]["range"] == [1, 2]
    test.toggle[0].set_value(False).run()
    assert figures(test)[0]["layout"]["xaxis"]["range"] == [10, 100]


def test_every_chart_of_an_axis_shows_the_same_range(shown: shown_runs.ShownRuns) -> None:
    test = page(runs=["logs/a", "logs/b"], steps="10:100")
    assert {tuple(each["layout"]["xaxis"]["range"]) for each in figures(test)[1:]} == {(10, 100)}


def test_many_signals_come_a_page_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    shown_runs.show(monkeypatch, {"a": run(**{f"signal{i}": falling() for i in range(30)})})
    test = page()
    assert len(titles(test)) == 9
    assert "Page 1 of 4, 30 signals" in words(test)
    forward = next(each for each in test.button if each.label == "Next")
    forward.click().run()
    assert titles(test)[0] == "signal9"
    assert address(test, "page") == ["2"]
    assert len(titles(page(page="99"))) == 3


def test_a_run_that_cannot_be_read_is_a_line_beside_the_others(shown: shown_runs.ShownRuns) -> None:
    test = page(runs=["logs/a", "logs/broken", "logs/gone"])
    assert len(test.warning) == 2
    assert "train/loss" in titles(test)


def test_a_run_that_grows_is_drawn_anew(shown: shown_runs.ShownRuns) -> None:
    test = page(runs="logs/a", filter="loss", smoothing="0")
    loss = falling()
    loss[-10:] = math.nan
    shown.grow("logs/a", run(train__loss=loss))
    test.run()
    assert "logs/a: 10 NaN" in names(figures(test)[0])


def draw_what_was_seen_before() -> None:
    import streamlit as st

    from trainvitals_app import shared
    from trainvitals_app.pages import curves

    if "again" in st.session_state:
        st.markdown("the whole page again")
        return
    st.session_state["offered-runs"] = [row.id for row in shared.catalogue().rows()]
    st.session_state["again"] = True
    view = curves.View(("logs/a",), ("train/loss",), ("train/loss",), "step", 0.0, False, False)
    curves._charts(view, ((("logs/a", 0),), ["train/loss"], None))


def test_a_signal_that_appears_while_a_run_grows_brings_the_whole_page_up_to_date(shown: shown_runs.ShownRuns) -> None:
    assert "the whole page again" in words(opened(draw_what_was_seen_before))


def test_while_paused_nothing_moves(shown: shown_runs.ShownRuns) -> None:
    test = page(runs="logs/a", filter="loss", paused="yes")
    shown.grow("logs/a", run(train__loss=falling() * math.nan))
    test.run()
    assert not any("NaN" in name for name in names(figures(test)[0]))


def test_without_runs_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    shown_runs.show(monkeypatch, {})
    assert "No runs yet" in words(page())


def test_names_from_the_log_stay_text(monkeypatch: pytest.MonkeyPatch) -> None:
    hostile = "<img src=x>[a](http://b) :smile:"
    shown_runs.show(monkeypatch, {hostile: run(**{hostile: falling()})})
    test = page(filter="(" + hostile)
    assert not any("<img" in json.dumps(each) for each in figures(test))
    assert "<img" not in words(test).replace("\\<img", "")
