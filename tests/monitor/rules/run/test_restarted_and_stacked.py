"""A training that goes on is told from another one that starts over in the same place."""

from __future__ import annotations

import numpy as np
import pytest
from tests.monitor.rules.views import findings, make_view

from trainvitals.model import Restart
from trainvitals.rules.run.restarted_run import RestartedRun
from trainvitals.rules.run.stacked_runs import StackedRuns
from trainvitals.signals import Signals
from trainvitals.synth.faults import sick_run
from trainvitals.synth.healthy import healthy_run

SIGNALS = Signals(train_loss=("loss",))
STEPS = np.arange(0, 1000, 10)


def falling(step):
    return 2.0 * np.exp(-np.asarray(step) / 300.0) + 0.5


def names(columns, restart, signals=SIGNALS):
    view = make_view(columns, signals, restarts=(restart,))
    return [finding.name for rule in (RestartedRun(), StackedRuns()) for finding in findings(rule, view)]


def test_a_resumed_training_is_a_restart_at_its_step():
    step = np.concatenate([STEPS[:60], STEPS[50:]])
    restart = Restart(step=500, previous_step=590, kind="session")
    view = make_view({"loss": (step, falling(step))}, SIGNALS, restarts=(restart,))
    (finding,) = findings(RestartedRun(), view)
    assert (finding.severity, finding.first_step) == ("info", 500)
    assert "91 steps" in finding.summary
    assert findings(StackedRuns(), view) == []


def test_steps_and_loss_that_start_over_are_another_run():
    step = np.concatenate([STEPS, STEPS])
    assert names({"loss": (step, falling(step))}, Restart(0, 990, "step-back")) == ["stacked-runs"]


def test_a_new_step_counter_at_the_old_level_is_the_same_training():
    step = np.concatenate([STEPS, STEPS])
    loss = np.concatenate([falling(STEPS), np.full(len(STEPS), 0.57)])
    assert names({"loss": (step, loss)}, Restart(0, 990, "step-back")) == ["restarted-run"]


@pytest.mark.parametrize(("step", "expected"), [(40, "stacked-runs"), (60, "restarted-run")])
def test_near_the_beginning_means_five_percent_of_the_steps_made(step, expected):
    assert names({"accuracy": ([0, 990], [0, 1])}, Restart(step, 990, "session"), Signals()) == [expected]


def test_a_new_file_that_goes_on_later_is_no_other_run():
    assert names({"loss": (STEPS, falling(STEPS))}, Restart(500, 490, "session")) == ["restarted-run"]


def test_each_of_several_restarts_is_judged_on_its_own():
    step = np.concatenate([STEPS[:60], STEPS[50:], STEPS])
    restarts = (Restart(500, 590, "session"), Restart(0, 990, "new-file"))
    view = make_view({"loss": (step, falling(step))}, SIGNALS, restarts=restarts)
    assert [finding.first_step for finding in findings(RestartedRun(), view)] == [500]
    assert [finding.first_step for finding in findings(StackedRuns(), view)] == [0]


def test_a_run_without_restarts_has_neither():
    run = healthy_run().run
    view = make_view({"loss": (run.series["train/loss"].step, run.series["train/loss"].value)}, SIGNALS)
    assert findings(RestartedRun(), view) == findings(StackedRuns(), view) == []


@pytest.mark.parametrize("kind", ["restarted-run", "stacked-runs"])
def test_synthetic_restarts_are_found_at_their_step(kind):
    synthetic = sick_run(kind, onset=0.5)
    loss = synthetic.run.series["train/loss"]
    view = make_view({"loss": (loss.step, loss.value)}, SIGNALS, restarts=synthetic.run.restarts)
    found = findings(RestartedRun(), view) + findings(StackedRuns(), view)
    assert [(finding.name, finding.first_step) for finding in found] == [(kind, synthetic.truth.onset_step)]
