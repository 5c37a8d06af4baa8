"""The Compare page says what became of findings and promises, where curves part, and what was set differently."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest
from tests.app import shown_runs
from tests.app.pages.reading import address, figures, names, opened, titles, words

from trainvitals import Run

STEPS = np.arange(1, 401) * 10


def draw() -> None:
    from trainvitals_app.pages import compare

    compare.page()


def run(loss: np.ndarray, **settings: float | str) -> Run:
    made = Run.from_columns({"step": STEPS, "train/loss": loss})
    return replace(made, hyper_parameters=settings)


def healthy(seed: int = 0) -> np.ndarray:
    return 1.5 + 6 * STEPS**-0.35 + 0.003 * np.random.default_rng(seed).standard_normal(400)


def parted() -> np.ndarray:
    """As the healthy one until half of it, then much lower."""
    return np.where(np.arange(400) < 200, healthy(), healthy() * 0.5)


def diverged() -> np.ndarray:
    return np.where(np.arange(400) < 300, healthy(), np.nan)


@pytest.fixture(autouse=True)
def shown(monkeypatch: pytest.MonkeyPatch) -> shown_runs.ShownRuns:
    return shown_runs.show(
        monkeypatch,
        {
            "logs/bad": run(diverged(), lr=0.1, depth=4),
            "logs/good": run(healthy(), lr=0.01, depth=4),
            "logs/better": run(parted(), lr=0.02, depth=4),
            "logs/broken": None,
        },
    )


def page(*run_ids: str, **told: str | list[str]) -> AppTest:
    return opened(draw, runs=[f"logs/{name}" for name in run_ids], **told)


def test_fewer_than_two_runs_are_asked_for_more() -> None:
    for test in (page(), page("bad")):
        assert "Choose two or more runs" in words(test)
        assert figures(test) == []


def test_what_became_of_a_finding_and_of_the_promises_of_its_advice_is_told() -> None:
    said = words(page("bad", "good"))
    assert "resolved" in said
    assert "non\\-finite\\-loss" in said
    assert "finite: held" in said.replace("\\", "")


def test_the_other_way_round_it_is_new() -> None:
    test = page("bad", "good")
    swap = next(each for each in test.button if each.label == "Swap")
    swap.click().run()
    assert address(test, "runs") == ["logs/good", "logs/bad"]
    assert "add_alert: new" in words(test)


def test_where_curves_part_is_drawn_and_said() -> None:
    test = page("good", "better")
    (legend, chart) = figures(test)
    assert names(legend) == ["good", "better"]
    assert "they differ from about step" in chart["layout"]["annotations"][0]["text"]
    assert "lower from about step" in words(test).replace("\\", "")


def test_settings_that_differ_are_a_table_and_the_others_are_left_out() -> None:
    (table,) = page("bad", "good").dataframe
    assert table.value.to_dict() == {"bad": {"lr": "0.1"}, "good": {"lr": "0.01"}}


def test_three_runs_have_a_table_of_findings_and_their_curves_over_each_other() -> None:
    test = page("bad", "good", "better")
    findings, settings = (each.value for each in test.dataframe)
    assert list(findings.columns) == ["bad", "good", "better"]
    assert findings.loc["non-finite-loss", "bad"].startswith("✖ error since step 3,010")
    assert findings.loc["non-finite-loss", "good"] == "–"
    assert list(settings.loc["lr"]) == ["0.1", "0.01", "0.02"]
    assert titles(test) == ["training loss"]
    assert {"bad", "good", "better"} <= set(names(figures(test)[1]))


def test_the_range_and_the_logarithm_come_from_the_url() -> None:
    layout = figures(page("bad", "good", steps="100:900", log="yes"))[1]["layout"]
    assert layout["xaxis"]["range"] == [100, 900]
    assert layout["yaxis"]["type"] == "log"


def test_a_run_that_cannot_be_read_is_a_line_and_leaves_the_others() -> None:
    test = page("bad", "good", "broken")
    assert len(test.warning) == 1
    assert "resolved" in words(test)
    alone = page("bad", "broken")
    assert "Two runs that can be read are needed" in words(alone)


def test_runs_without_settings_or_losses_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    bare = Run.from_columns({"step": STEPS, "something": np.ones(400)})
    shown_runs.show(monkeypatch, {"logs/a": bare, "logs/b": bare})
    said = words(page("a", "b"))
    assert "The logs tell of no settings" in said
    assert "no loss that could be compared" in said


def test_names_and_settings_from_the_log_stay_text(monkeypatch: pytest.MonkeyPatch) -> None:
    hostile = "<img src=x>[a](http://b)"
    runs = {f"{hostile}{i}": run(diverged(), **{hostile: f"{hostile}{i}"}) for i in range(2)}
    shown_runs.show(monkeypatch, runs)
    test = opened(draw, runs=list(runs))
    assert "<img" not in words(test).replace("\\<img", "")
    assert "[a](" not in words(test)
    assert not any("<img" in name for figure in figures(test) for name in names(figure))
