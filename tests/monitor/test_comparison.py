"""What became of each finding, since when curves differ, what was set differently; and what cannot be told."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from trainvitals import Run
from trainvitals.comparison import Comparison, compare
from trainvitals.config import Config
from trainvitals.reporters.comparison_report import loss_sentence
from trainvitals.synth import healthy_run, sick_run

STEPS = np.arange(1, 401) * 10


def run(loss, *, name: str = "run", **settings: float | str | bool) -> Run:
    made = Run.from_columns({"step": STEPS[: len(loss)], "train_loss": loss}, name=name)
    return replace(made, hyper_parameters=settings)


def healthy(seed: int = 0) -> np.ndarray:
    return 1.5 + 6 * STEPS**-0.35 + 0.003 * np.random.default_rng(seed).standard_normal(400)


def diverged(since: int = 300) -> np.ndarray:
    return np.where(np.arange(400) < since, healthy(), np.nan)


def outcomes(comparison: Comparison) -> list[tuple[str, str]]:
    return [(each.outcome, each.finding.name) for each in comparison.findings]


def test_a_finding_that_is_gone_is_resolved() -> None:
    assert outcomes(compare(run(diverged()), run(healthy()))) == [("resolved", "non-finite-loss")]


def test_a_finding_that_was_not_there_is_new() -> None:
    assert outcomes(compare(run(healthy()), run(diverged()))) == [("new", "non-finite-loss")]


def test_a_finding_in_both_is_unchanged() -> None:
    assert outcomes(compare(run(diverged()), run(diverged(200)))) == [("unchanged", "non-finite-loss")]


def test_a_risen_severity_is_worse_and_a_fallen_one_better() -> None:
    isolated = healthy()
    isolated[100] = np.nan
    assert outcomes(compare(run(isolated), run(diverged()))) == [("worse", "non-finite-loss")]
    assert outcomes(compare(run(diverged()), run(isolated))) == [("better", "non-finite-loss")]


@pytest.mark.parametrize(
    ("after", "why"),
    [
        (healthy()[:4], "too little to judge"),
        (healthy()[:250], "the run ends before step 3,010"),
    ],
)
def test_an_absence_that_says_nothing_is_unknown(after, why: str) -> None:
    (outcome,) = compare(run(diverged()), run(after)).findings
    assert (outcome.outcome, outcome.why) == ("unknown", why)


def test_what_another_finding_hides_is_unknown() -> None:
    before = sick_run("vanishing-gradients").run
    nan = {
        tag: replace(each, value=np.where(each.step > 50, np.nan, each.value)) for tag, each in before.series.items()
    }
    comparison = compare(before, replace(before, series=nan))
    unknown = {each.finding.name: each.why for each in comparison.findings if each.outcome == "unknown"}
    assert unknown == {"vanishing-gradients": "non-finite-loss hides it"}


def test_a_signal_that_was_not_logged_any_more_is_named() -> None:
    before = sick_run("vanishing-gradients").run
    bare = {tag: each for tag, each in before.series.items() if "grad" not in tag}
    comparison = compare(before, replace(before, series=bare))
    (why,) = [each.why for each in comparison.findings if each.finding.name == "vanishing-gradients"]
    assert why is not None
    assert why.startswith("not logged: ")


def test_accepted_findings_are_left_out() -> None:
    config = Config().with_ignored(["non-finite-loss"], reason="a drill")
    assert outcomes(compare(run(healthy()), run(diverged()), config)) == []


def test_losses_are_compared_set_by_set() -> None:
    before, after = (healthy_run("annealed", seed=seed).run for seed in (1, 2))
    losses = compare(before, after).losses
    assert {(loss.split, loss.suite) for loss in losses} == {("train", ""), ("val", "")}
    assert all(loss.difference is not None and loss.difference.since_step is None for loss in losses)


def test_a_better_curve_is_dated() -> None:
    (loss,) = compare(run(healthy()), run(np.where(STEPS > 2000, 0.9 * healthy(1), healthy(1)))).losses
    assert loss.difference is not None
    assert loss.difference.since_step == pytest.approx(2000, abs=200)
    assert loss.difference.after < loss.difference.before


def test_a_loss_that_is_not_finite_at_its_very_end_is_dated_and_more_than_another_seed_does() -> None:
    (loss,) = compare(run(healthy(0)), run(np.where(np.arange(400) < 390, healthy(1), np.nan))).losses
    assert loss.difference is not None
    assert loss.difference.since_step == 3910
    assert loss.beyond_seed
    assert loss_sentence(loss, same_start=False) == (
        "training loss: apart from about step 3,910 on; 1.83 → NaN where both end"
    )


def test_settings_that_differ_are_listed_by_name() -> None:
    before = run(healthy(), lr=0.1, depth=4, same="a", gone=True)
    after = run(healthy(), lr=0.01, depth=4, same="a", added=2)
    changes = [(change.name, change.before, change.after) for change in compare(before, after).settings]
    assert changes == [("added", None, 2), ("gone", True, None), ("lr", 0.1, 0.01)]
