"""Where a loss was best."""

from __future__ import annotations

import numpy as np

from trainvitals import diagnose
from trainvitals.best_loss import best_of, best_validation
from trainvitals.formats import read_run
from trainvitals.kept.summary import summarise
from trainvitals.model import Evidence, Finding, Run, Severity
from trainvitals.samples import sample_logs
from trainvitals.signals import understand
from trainvitals.view import LossCurve, RunView

STEPS = np.arange(0, 4000, 20)


def loss_of(value: np.ndarray) -> LossCurve | None:
    run = Run.from_columns({"step": STEPS[: len(value)], "val_loss": value})
    return RunView(run, understand(run)).val_loss


def valley() -> np.ndarray:
    return 2 + (STEPS - 2000.0) ** 2 / 1e6


def test_a_lucky_value_far_from_the_best_level_is_not_the_best() -> None:
    value = valley()
    value[5] = 1.0
    best = best_of(loss_of(value))
    assert best is not None
    assert best[:2] == (2000, 2.0)


def test_of_few_points_the_smallest_is_the_best() -> None:
    best = best_of(loss_of(np.array([3.0, 1.0, 2.0])))
    assert best is not None
    assert best[:2] == (20, 1.0)


def test_what_has_no_finite_point_has_no_best() -> None:
    assert best_of(None) is None
    assert best_of(loss_of(np.full(10, np.nan))) is None


def test_of_several_suites_it_is_the_one_that_a_finding_names() -> None:
    run = Run.from_columns({"step": STEPS, "val_a_loss": valley(), "val_b_loss": valley() + 1})
    view = RunView(run, understand(run))
    assert [loss.tag for loss in view.val_losses.values()] == ["val_a_loss", "val_b_loss"]
    told = Evidence("it was level", signal="val_b_loss", step=1500)
    found = Finding("GEN001", "overfitting", Severity.WARNING, 0.9, "it rises", first_step=1500, evidence=(told,))
    judged, named = best_validation(view), best_validation(view, (found,))
    assert judged is not None
    assert named is not None
    assert (judged.step, judged.loss.tag) == (2000, "val_a_loss")
    assert (named.step, named.loss.tag) == (1500, "val_b_loss")


def test_the_list_and_the_finding_name_the_same_step() -> None:
    run = read_run(sample_logs() / "overfitting")
    diagnosis = diagnose(run)
    found = next(finding for finding in diagnosis.open_findings if finding.name == "overfitting")
    summary = summarise(run, diagnosis, 0.0)
    assert summary.best_val_step == found.first_step
    assert f"{summary.best_val:.4g}" in found.summary
