"""Outputs that drift together are found; confidence, rare tokens and regressions are not."""

from __future__ import annotations

import numpy as np
import pytest
from tests.monitor.rules.views import findings, make_view

from trainvitals import check_rule, tags
from trainvitals.rules.activations.output_logit_drift import OutputLogitDrift
from trainvitals.rules.rule import NotEnough
from trainvitals.signals import Signals

RULE = OutputLogitDrift()
CLASSES = 10
STEPS = 10 * np.arange(300)
RNG = np.random.default_rng(0)
CHANCE = float(np.log(CLASSES))
FALLING = CHANCE * np.exp(-STEPS / 1500)
DRIFT = np.clip((STEPS - 500) / 100, 0, None)  # a nat in a hundred steps, from step 500 on


def view_of(log_z, mean, loss=FALLING, classes=CLASSES):
    columns = {
        "loss": (STEPS, loss),
        tags.OUTPUT_LOG_Z: (STEPS, np.log(classes) + log_z + 0.05 * RNG.standard_normal(300)),
        tags.OUTPUT_ROW_SUM: (STEPS, classes * (mean + 0.05 * RNG.standard_normal(300))),
    }
    return make_view(columns, Signals(train_loss=("loss",)))


def test_the_rule_keeps_the_contract():
    check_rule(OutputLogitDrift)


@pytest.mark.parametrize("sign", [1, -1])
def test_a_common_drift_is_a_warning_either_way(sign):
    (finding,) = findings(RULE, view_of(sign * DRIFT, sign * DRIFT))
    assert finding.severity == "warning"
    assert finding.evidence[0].value == pytest.approx(25, abs=1)
    assert 550 <= finding.first_step <= 700
    assert ("up" if sign > 0 else "down") in finding.summary


def test_growing_confidence_raises_log_z_and_lowers_the_mean():
    assert findings(RULE, view_of(DRIFT, -DRIFT)) == []
    assert findings(RULE, view_of(DRIFT, 0 * DRIFT)) == []


def test_a_mean_pulled_down_by_rare_tokens_is_healthy():
    assert findings(RULE, view_of(0 * DRIFT, -DRIFT)) == []


@pytest.mark.parametrize(("nats", "found"), [(9, False), (11.5, True)])
def test_the_size_of_the_shift_decides(nats, found):
    drift = nats * DRIFT / DRIFT[-1]
    assert bool(findings(RULE, view_of(drift, drift))) is found


@pytest.mark.parametrize(("pace", "found"), [(0.9, False), (1.3, True)])
def test_the_pace_decides(pace, found):
    drift = DRIFT / DRIFT[-1] * 25
    stretched = STEPS * (10.0 / pace)
    view = view_of(drift, drift)
    columns = {tag: (stretched, series.value) for tag, series in view.run.series.items()}
    assert bool(findings(RULE, make_view(columns, view.signals))) is found


def test_a_drift_that_a_falling_rate_stops_stays_found():
    for length in (150, 200, 300):
        settled = np.minimum(DRIFT, 9 + np.log1p(np.clip(DRIFT - 9, 0, None)))
        columns = {tag: (s.step[:length], s.value[:length]) for tag, s in view_of(settled, settled).run.series.items()}
        shift = settled[length - 1]
        assert bool(findings(RULE, make_view(columns, Signals(train_loss=("loss",))))) is bool(shift > 10)


def test_outputs_that_are_no_logits_of_this_loss_are_not_judged():
    assert RULE.measure(view_of(DRIFT, DRIFT, loss=FALLING + 1)) == NotEnough()
    assert RULE.measure(view_of(DRIFT, DRIFT, loss=0.1 * FALLING)) == NotEnough()


def test_what_is_missing_is_named():
    measured = RULE.measure(make_view({"loss": (STEPS, FALLING)}, Signals(train_loss=("loss",))))
    assert isinstance(measured, NotEnough)
    assert measured.missing == (tags.OUTPUT_LOG_Z,)
