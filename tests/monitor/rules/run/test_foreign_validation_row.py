"""The row is reported, and left out of the curve that every other rule sees."""

from __future__ import annotations

import numpy as np
from tests.monitor.rules.views import findings, make_view

from trainvitals.rules.run.foreign_validation_row import ForeignValidationRow
from trainvitals.signals import Signals

RULE = ForeignValidationRow()
SIGNALS = Signals(val_loss={"": "val"})
STEPS = np.arange(1, 21) * 100
LOSSES = 0.5 + np.exp(-np.arange(20) / 5) + 0.01 * np.cos(np.arange(20) * 2.0)


def view_with(step, value):
    return make_view({"val": (np.append(STEPS, step), np.append(LOSSES, value))}, SIGNALS)


def test_a_final_evaluation_on_other_data_is_reported_and_left_out():
    view = view_with(2001, 0.1)
    (finding,) = findings(RULE, view)
    assert (finding.severity, finding.first_step) == ("info", 2001)
    assert view.val_loss is not None
    assert view.val_loss.curve.step[-1] == 2000


def test_a_final_evaluation_at_the_step_of_the_last_row_does_not_replace_it():
    view = view_with(2000, 0.1)
    assert len(findings(RULE, view)) == 1
    assert view.val_loss is not None
    assert view.val_loss.curve.value[-1] == LOSSES[-1]


def test_a_final_evaluation_on_the_same_data_stays():
    view = view_with(2001, LOSSES[-1])
    assert findings(RULE, view) == []
    assert view.val_loss is not None
    assert view.val_loss.curve.step[-1] == 2001


def test_limits_can_be_set():
    view = view_with(2001, 0.1)
    assert findings(RULE, view, smallest_outside=1e6) == []
    assert findings(RULE, view, largest_gap_share=0.001) == []


def test_a_run_without_validation_has_no_such_row():
    assert findings(RULE, make_view({"loss": (STEPS, LOSSES)}, Signals(train_loss=("loss",)))) == []
