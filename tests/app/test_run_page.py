"""The Run page says what is wrong, shows it in the charts, and has a message for everything that can be odd."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.app.run_page import Here, button, charts, opened, words
from tests.app.run_page import here as here

from trainvitals import Run, read_run
from trainvitals.errors import ConfigError, LogError
from trainvitals.live.changes import Change
from trainvitals.model import FindingOutcome, MarkedChange, Marker, Problem, Series
from trainvitals.reporters import wording
from trainvitals_app import shared

HOSTILE = "[x](javascript:alert(1)) <img src=x onerror=alert(1)> **b** `c` :material/home: $y$\n# h \x1b[31m\u202e"


@pytest.fixture
def sick(root: Path) -> Run:
    return read_run(root / "sample_logs" / "overfitting")


@pytest.fixture
def healthy(root: Path) -> Run:
    return read_run(root / "sample_logs" / "healthy")


def test_a_sick_run_says_what_since_when_and_what_to_try(here: Here, sick: Run) -> None:
    here.put(sick)
    at = opened({"run": sick.id})
    told = words(at)
    diagnosis = here.snapshot(sick.id).diagnosis
    assert wording.headline(diagnosis) in told
    for part in ("sick", "overfitting", "began between steps 49 and 64", "very likely (97", "Try", "expect", "risk"):
        assert part in told
    finding = diagnosis.open_findings[0]
    assert finding.interventions[0].how in [code.value for code in at.code]
    assert len(charts(at)) >= 1
    assert "overfitting" in charts(at)[0]


def test_a_healthy_run_says_that_there_is_nothing_to_change(here: Here, healthy: Run) -> None:
    here.put(healthy)
    told = words(opened({"run": healthy.id}))
    assert "healthy" in told
    assert "Nothing was found that should be changed" in told


def test_a_range_that_is_typed_goes_into_the_address_and_what_cannot_be_read_does_not(here: Here, sick: Run) -> None:
    here.put(sick)
    at = opened({"run": sick.id})

    def show(*ends: str) -> None:
        for name, end in zip(("From step", "To step"), ends, strict=True):
            next(each for each in at.text_input if each.label == name).set_value(end)
        next(each for each in at.button if each.label == "Show").click().run()

    show("a step", "")
    assert "'a step' is not a number" in words(at)
    assert "steps" not in at.query_params
    show("10", "20")
    assert not at.exception
    assert at.query_params["steps"] == "10:20"


def test_without_a_run_in_the_address_the_worst_is_shown(here: Here, sick: Run, healthy: Run) -> None:
    here.put(healthy, "a-healthy")
    here.put(sick, "b-sick")
    at = opened()
    assert at.query_params["run"] == "b-sick"
    assert at.selectbox(key="run-chooser").options == ["a-healthy", "b-sick"]


def test_choosing_another_run_leaves_the_range_and_the_finding_behind(here: Here, sick: Run, healthy: Run) -> None:
    here.put(sick, "sick")
    here.put(healthy, "healthy")
    at = opened({"run": "sick", "steps": "40:90", "finding": "overfitting"})
    at.selectbox(key="run-chooser").set_value("healthy").run()
    assert not at.exception
    assert at.query_params["run"] == "healthy"
    assert "steps" not in at.query_params
    assert "finding" not in at.query_params


def test_a_card_moves_the_charts_to_its_steps_and_back(here: Here, root: Path) -> None:
    run = read_run(root / "sample_logs" / "diverging")
    here.put(run)
    at = opened({"run": run.id})
    before = charts(at)[0]
    button(at, "show-non-finite-loss").click().run()
    assert not at.exception
    first, last = map(float, at.query_params["steps"].split(":"))
    assert 0 < first < 355 < 999 <= last
    assert at.query_params["finding"] == "non-finite-loss"
    assert charts(at)[0] != before
    button(at, "show-non-finite-loss").click().run()
    assert "steps" not in at.query_params
    assert charts(at)[0] == before


@pytest.mark.parametrize("kind", ["evidence", "causes", "try", "rule", "accept"])
def test_the_rest_of_a_card_is_there_when_asked_for(here: Here, root: Path, kind: str) -> None:
    run = read_run(root / "sample_logs" / "not-learning")
    here.put(run)
    at = opened({"run": run.id})
    before = words(at)
    at.button_group(key="more-not-learning").set_value(kind).run()
    assert not at.exception
    assert len(words(at)) > len(before)


def test_the_page_of_the_rule_is_the_one_that_explain_prints(here: Here, sick: Run) -> None:
    here.put(sick)
    at = opened({"run": sick.id})
    at.button_group(key="more-overfitting").set_value("rule").run()
    assert "How it is detected" in words(at)
    assert "Set them under [tool.trainvitals.rules.overfitting]." in words(at)


def test_an_unknown_run_is_a_message(here: Here, sick: Run) -> None:
    here.put(sick)
    at = opened({"run": HOSTILE})
    assert "there is no such run here" in words(at)
    assert "javascript:alert(1)" in str(at.selectbox(key="run-chooser").value)
    assert not charts(at)


def test_a_run_that_cannot_be_read_is_a_message(here: Here) -> None:
    here.runs["torn"] = LogError("holds no event", where="torn/events.out", hint="was the disk full?")
    assert "torn/events.out: holds no event (was the disk full?)" in words(opened({"run": "torn"}))


def test_no_run_at_all_says_where_one_is_looked_for(here: Here) -> None:
    told = words(opened())
    assert "/logs" in told
    assert "trainvitals.watch" in told


def test_a_run_whose_files_are_gone_stays_as_it_was_read(here: Here, sick: Run) -> None:
    here.put(sick)
    here.trouble = "its files are gone"
    told = words(opened({"run": sick.id}))
    assert "its files are gone" in told
    assert "overfitting" in told


@pytest.mark.parametrize("points", [1, 2, 3])
def test_a_run_of_few_points_is_a_page(here: Here, points: int) -> None:
    run = Run.from_columns({"step": list(range(points)), "loss": [1.0] * points}, name="few")
    here.put(run, "few")
    assert "cannot tell yet" in words(opened({"run": "few"}))


def test_a_run_without_a_loss_says_how_to_name_one(here: Here) -> None:
    run = Run.from_columns({"step": list(range(50)), "wibble": list(range(50))}, name="lossless")
    here.put(run, "lossless")
    assert "--train-loss" in words(opened({"run": "lossless"}))


def test_of_a_loss_that_is_found_but_not_judged_no_name_is_asked(here: Here) -> None:
    step = list(range(50))
    columns = {
        "step": step,
        "Losses/Policy Loss": [1.0 / (1 + at) for at in step],
        "Environment/Cumulative Reward": step,
    }
    here.put(Run.from_columns(columns, name="rewarded"), "rewarded")
    told = words(opened({"run": "rewarded"}))
    assert "not of a kind that can be judged" in told
    assert "--train-loss" not in told


def test_a_run_without_anything_is_a_page(here: Here) -> None:
    here.put(Run("empty", "", "empty", "columns", {}))
    assert "cannot tell yet" in words(opened({"run": "empty"}))


def test_a_loss_that_is_nowhere_finite_is_a_page(here: Here) -> None:
    steps = np.arange(50)
    here.put(Run("nan", "", "nan", "columns", {"loss": Series("loss", steps, steps / 1.0, np.full(50, np.nan))}))
    assert "non-finite-loss" in words(opened({"run": "nan", "log": "yes"}))


def test_names_and_texts_of_a_log_are_never_obeyed(here: Here) -> None:
    steps = np.arange(300)
    loss = np.where(steps > 200, np.nan, 2.0 / (1 + steps))
    run = Run.from_columns({"step": steps, f"loss/{HOSTILE}": loss, "train_loss": loss}, name=HOSTILE)
    run = replace(
        run,
        hyper_parameters={HOSTILE: HOSTILE},
        texts={HOSTILE: HOSTILE},
        problems=(Problem("torn-tail", HOSTILE, HOSTILE),),
    )
    here.put(run, HOSTILE)
    for section in ("progress", "settings", "files"):
        at = opened({"run": HOSTILE, "section": section})
        at.button_group(key="more-non-finite-loss").set_value("evidence").run()
        assert not at.exception
        for element in at.markdown:
            assert not element.allow_html
            assert "](" not in element.value.replace("\\]\\(", "")
            assert "\x1b" not in element.value
            assert "\u202e" not in element.value


def test_thousands_of_layers_do_not_flood_the_page(here: Here, root: Path) -> None:
    run = read_run(root / "sample_logs" / "vanishing-gradients")
    here.put(run)
    shown = here.snapshot(run.id)
    finding = replace(shown.diagnosis.findings[0], layers=tuple(f"layers.{i}" for i in range(5000)))
    here.known = {key: replace(shown, diagnosis=replace(shown.diagnosis, findings=(finding,))) for key in here.known}
    told = words(opened({"run": run.id}))
    assert "5,000 layers" in told
    assert "layers.2500" not in told


def test_what_opens_while_somebody_looks_on_is_announced_once(here: Here, sick: Run) -> None:
    here.put(sick)
    finding = here.snapshot(sick.id).diagnosis.findings[0]
    here.changes = (Change(sick.id, "opened", finding, None, 10, time.time() - 3600),)
    at = opened({"run": sick.id})
    assert not at.toast
    here.changes = (*here.changes, Change(sick.id, "opened", finding, None, 299, time.time() + 1))
    at.run()
    assert len(at.toast) == 1
    assert "step 299 opened" in words(at)
    assert "step 10 opened" not in words(at)
    at.run()
    assert not at.toast
    assert "step 299 opened" in words(at)


def test_while_paused_the_run_stays_as_it_was(here: Here, sick: Run, healthy: Run) -> None:
    here.put(sick, "run")
    at = opened({"run": "run", "paused": "yes"})
    here.put(healthy, "run")
    at.run()
    assert "overfitting" in words(at)
    at.query_params["paused"] = "no"
    at.run()
    assert "overfitting" not in words(at)


def test_sections_are_those_that_the_run_has_signals_for(here: Here, sick: Run) -> None:
    here.put(replace(sick, hyper_parameters={}, texts={}, problems=(Problem("gap", "a.csv:3", "12 bytes lost"),)))
    at = opened({"run": sick.id, "section": "settings"})
    sections = at.button_group(key="field-section")
    assert sections.options == ["Progress", "Not judged", "Files"]
    sections.set_value("files").run()
    assert at.query_params["section"] == "files"
    assert "12 bytes lost" in str(at.dataframe[0].value)


def test_a_run_that_appears_is_shown(here: Here, sick: Run) -> None:
    at = opened()
    assert "No runs yet" in words(at)
    here.put(sick)
    at.run()
    assert not at.exception
    assert "No runs yet" not in words(at)
    assert "overfitting" in words(at)


def test_settings_that_break_while_somebody_looks_on_are_one_line(
    here: Here, sick: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    here.put(sick)
    at = opened({"run": sick.id})

    def broken() -> Here:
        raise ConfigError("unknown setting 'wibble'", where="trainvitals.toml")

    monkeypatch.setattr(shared, "catalogue", broken)
    monkeypatch.setattr(shared, "open_runs", broken)
    at.run()
    assert not at.exception
    assert "unknown setting 'wibble'" in words(at)


def test_of_several_findings_only_the_one_to_begin_with_has_its_code_in_view(here: Here, sick: Run) -> None:
    here.put(sick)
    shown = here.snapshot(sick.id)
    worst = shown.diagnosis.findings[0]
    other = replace(worst, summary="the other one", confidence=0.6)
    here.known = {
        key: replace(shown, diagnosis=replace(shown.diagnosis, findings=(worst, other))) for key in here.known
    }
    at = opened({"run": sick.id})
    assert words(at).count(worst.interventions[0].expected) == 1
    assert words(at).count("**Try**") == 2
    for key in ("more-overfitting", "more-overfitting-2"):
        at.button_group(key=key).set_value("rule")
    at.run()
    assert not at.exception
    assert words(at).count("How it is detected") == 2
    at.button_group(key="more-overfitting-2").set_value("try").run()
    assert words(at).count(worst.interventions[0].expected) == 2


def test_what_became_of_findings_since_a_marked_change_is_told(here: Here, sick: Run) -> None:
    here.put(sick)
    shown = here.snapshot(sick.id)
    outcome = FindingOutcome("resolved", shown.diagnosis.findings[0], None)
    marked = MarkedChange(Marker(120, "intervention", {"what": f"lower-lr {HOSTILE}"}), (outcome,))
    nothing = MarkedChange(Marker(200, "intervention"), ())
    here.known = {
        key: replace(shown, diagnosis=replace(shown.diagnosis, changes=(marked, nothing))) for key in here.known
    }
    told = words(opened({"run": sick.id}))
    assert "at step 120: lower-lr" in told
    assert "resolved] :material/warning: **warning** overfitting" in told
    assert "nothing was found before it, and nothing since" in told
