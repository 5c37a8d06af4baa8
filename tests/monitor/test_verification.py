"""Whether a promise was kept: by how much a signal moved, against its noise and what another seed does."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from trainvitals import Run, diagnose
from trainvitals.model import Marker, Suggestion, Verify
from trainvitals.outcomes import outcomes
from trainvitals.reporters.json_report import schema, to_document
from trainvitals.verification import Course

STEPS = np.arange(0, 4000, 10)


def run(level: float, *, seed: int = 0, start: int = 0, noise: float = 0.01, tag: str = "train/loss") -> Run:
    """A loss that falls from 3 to a level within a tenth of the steps, with noise; its first value is 3."""
    rng = np.random.default_rng(seed)
    steps = STEPS[start <= STEPS]
    value = level + (3.0 - level) * np.exp(-(steps - start) / 200.0) + noise * rng.standard_normal(len(steps))
    value[0] = 3.0 + 0.001 * seed
    return Run.from_columns({"step": steps, tag: value})


def promised(direction="down", size=0.1, within=400, signal="train/loss") -> Suggestion:
    return Suggestion("lower-learning-rate", "", "", "", "", Verify(signal, direction, size, within), "")


def judged(before: Run, after: Run, suggestion: Suggestion):
    (verified,) = Course(before, after).verified([suggestion])
    return verified


def test_a_promise_is_held_where_the_level_moved_far_enough() -> None:
    verified = judged(run(2.0), run(1.5), promised())
    assert verified.held is True
    assert verified.change is not None
    assert verified.change.change == pytest.approx(-0.5, abs=0.02)


def test_a_change_to_the_other_side_or_too_small_does_not_hold() -> None:
    assert judged(run(2.0), run(2.4), promised()).held is False
    assert judged(run(2.0), run(1.98), promised()).held is False
    assert judged(run(2.0), run(2.4), promised("up")).held is True


def test_noise_can_hide_it() -> None:
    verified = judged(run(2.0, noise=1.0), run(1.8, noise=1.0), promised())
    assert (verified.held, verified.why) == (None, "the noise hides it")


def test_between_different_starts_a_factor_of_two_is_asked_for() -> None:
    verified = judged(run(2.0), run(1.5, seed=1), promised())
    assert (verified.held, verified.why) == (None, "another start may do as much")
    assert judged(run(2.0), run(0.8, seed=1), promised()).held is True


def test_what_goes_on_where_the_first_was_is_judged_within_the_steps_of_the_promise() -> None:
    before, after = run(2.0), run(1.0, start=2000, seed=1)
    assert Course(before, after).continued
    assert judged(before, after, promised(size=0.9, within=1500)).held is True
    assert judged(before, after, promised(size=0.9, within=150)).held is not True


def test_a_signal_that_is_not_logged_any_more_cannot_be_told() -> None:
    verified = judged(run(2.0), run(1.0, tag="loss"), promised())
    assert (verified.held, verified.why) == (None, "not logged")
    (renamed,) = Course(run(2.0), run(1.0, tag="loss"), {"train/loss": "loss"}).verified([promised()])
    assert renamed.held is True


def broken(since: int) -> Run:
    sick = run(2.0)
    loss = sick.series["train/loss"]
    return replace(sick, series={"train/loss": replace(loss, value=np.where(loss.step >= since, np.nan, loss.value))})


def test_finite_means_past_the_step_where_it_broke() -> None:
    finite = promised("finite", 0.0)
    assert judged(broken(3000), run(2.0), finite).held is True
    assert judged(broken(3000), broken(3500), finite).held is False
    short = run(2.0)
    short = replace(short, series={tag: each.take(each.step < 2000) for tag, each in short.series.items()})
    assert judged(broken(3000), short, finite).held is None


def test_equal_promises_are_told_once_with_all_who_made_them() -> None:
    other = replace(promised(), name="clip-gradients")
    (verified,) = Course(run(2.0), run(1.0)).verified([promised(), other])
    assert verified.suggestions == ("lower-learning-rate", "clip-gradients")


def mended_run(*, mended: bool) -> Run:
    """A loss that begins to rise at step 2000; from 3000 on it falls again, or goes on rising."""
    steps = np.arange(0, 6000, 10)
    rng = np.random.default_rng(0)
    loss = 1.0 + 2.0 * np.exp(-steps / 500.0) + 0.01 * rng.standard_normal(len(steps))
    loss += np.clip((steps - 2000) / 400.0, 0.0, 2.5 if mended else 10.0)
    if mended:
        later = steps >= 3000
        loss[later] = 0.9 + 1.5 * np.exp(-(steps[later] - 3000) / 300.0) + 0.01 * rng.standard_normal(later.sum())
    made = Run.from_columns({"step": steps, "train/loss": loss})
    return replace(made, markers=(Marker(3000, "intervention", {"name": "lower-learning-rate"}),))


def test_an_intervention_inside_a_run_is_judged_by_what_came_before_and_after() -> None:
    (change,) = diagnose(mended_run(mended=True)).changes
    diverging = next(each for each in change.findings if each.finding.name == "diverging-loss")
    assert diverging.outcome == "resolved"
    assert any(verified.held for verified in diverging.verified)
    (change,) = diagnose(mended_run(mended=False)).changes
    diverging = next(each for each in change.findings if each.finding.name == "diverging-loss")
    assert diverging.outcome != "resolved"
    assert not any(verified.held for verified in diverging.verified if verified.verify.direction == "down")


def test_a_healthy_run_with_an_intervention_shows_nothing_new_and_nothing_resolved() -> None:
    steps = np.arange(0, 6000, 10)
    loss = 1.0 + 6 * (steps + 50.0) ** -0.4 + 0.02 * np.random.default_rng(3).standard_normal(len(steps))
    made = Run.from_columns({"step": steps, "train/loss": loss})
    (change,) = diagnose(replace(made, markers=(Marker(3000, "intervention"),))).changes
    assert not {each.outcome for each in change.findings} & {"new", "resolved", "worse", "better"}


def test_soon_after_a_change_nothing_is_called_resolved() -> None:
    sick = mended_run(mended=True)
    early = replace(sick, series={tag: each.take(each.step < 3200) for tag, each in sick.series.items()})
    (change,) = diagnose(early).changes
    assert "resolved" not in {each.outcome for each in change.findings}


def test_nothing_is_resolved_or_new_beside_a_loss_that_is_not_finite_or_what_was_explained_before() -> None:
    sick = mended_run(mended=True)
    loss = sick.series["train/loss"]
    gone = replace(sick, series={"train/loss": replace(loss, value=np.where(loss.step > 3300, np.nan, loss.value))})
    (change,) = diagnose(gone).changes
    told = {each.finding.name: (each.outcome, each.why) for each in change.findings}
    assert told["diverging-loss"] == ("unknown", "non-finite-loss hides it")
    assert told["non-finite-loss"] == ("new", None)
    before = diagnose(replace(gone, markers=()))
    explaining = replace(before.findings[0], name="learning-rate-too-high", consequences=("non-finite-loss",))
    after = diagnose(replace(gone, markers=()))
    found = outcomes(replace(before, findings=(explaining,)), after, Course(gone, gone).measured((explaining,)))
    told = {each.finding.name: (each.outcome, each.why) for each in found}
    assert told["non-finite-loss"] == ("unknown", "learning-rate-too-high explained it before")


def test_only_interventions_inside_of_the_run_are_judged() -> None:
    sick = mended_run(mended=True)
    elsewhere = (Marker(5990, "intervention"), Marker(9000, "intervention"), Marker(3000, "checkpoint"))
    assert diagnose(replace(sick, markers=elsewhere)).changes == ()


def test_the_document_with_changes_fits_the_schema() -> None:
    import jsonschema

    document = to_document([diagnose(mended_run(mended=True))])
    assert document["runs"][0]["changes"][0]["findings"]
    jsonschema.validate(document, schema())
