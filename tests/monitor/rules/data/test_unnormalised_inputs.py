"""unnormalised-inputs: a warning only where inputs far from zero go with harm."""

from __future__ import annotations

import numpy as np
import pytest
from tests.monitor.rules.views import findings, layer_tags, make_view, severities

from trainvitals import check_rule, tags
from trainvitals.rules.data.unnormalised_inputs import UnnormalisedInputs
from trainvitals.rules.rule import NotEnough
from trainvitals.signals import Signals

RULE = UnnormalisedInputs()
STEPS = np.arange(1000)
RECORDS = STEPS[::10]
LAYERS = layer_tags("activation_saturated_fraction", 3)
SIGNALS = Signals(train_loss=("loss",), per_layer={LAYERS.kind: LAYERS})
FALLING = 0.2 + 2.0 * np.exp(-STEPS / 200)
STUCK = np.full(1000, 1.1) + 0.02 * np.sin(STEPS)
HUGE_FIRST = np.where(STEPS < 20, 5e4 / (1 + STEPS), FALLING)


def view_of(mean, spread, loss=FALLING, saturated=0.1):
    generator = np.random.default_rng(0)
    columns = {
        tags.BATCH_MEAN: (RECORDS, mean + 0.05 * spread * generator.standard_normal(len(RECORDS))),
        tags.BATCH_STD: (RECORDS, np.full(len(RECORDS), spread)),
        "loss": (STEPS, loss),
        **{tag: (RECORDS, np.full(len(RECORDS), saturated)) for tag in LAYERS.tags},
    }
    return make_view(columns, SIGNALS)


def test_the_rule_keeps_the_contract():
    check_rule(UnnormalisedInputs)


@pytest.mark.parametrize("loss", [STUCK, HUGE_FIRST, *(np.where(last < STEPS, np.nan, FALLING) for last in (50, 1))])
def test_far_inputs_with_a_loss_that_suffers_are_a_warning(loss):
    (finding,) = findings(RULE, view_of(300.0, 40.0, loss))
    assert finding.severity == "warning"
    assert finding.first_step == 0
    assert finding.evidence[0].value == pytest.approx(7.5, rel=0.02)


def test_saturated_units_are_harm_and_their_layer_is_named():
    (finding,) = findings(RULE, view_of(-300.0, 40.0, saturated=0.9))
    assert finding.severity == "warning"
    assert "layer0" in finding.summary


def test_two_kinds_of_harm_are_surer_than_one():
    one, two = (findings(RULE, view_of(300.0, 40.0, STUCK, saturated))[0] for saturated in (0.1, 0.9))
    assert one.confidence < two.confidence


@pytest.mark.parametrize(("mean", "spread"), [(120.0, 70.0), (300.0, 40.0), (1e-4, 1e-4)])
def test_where_the_training_does_well_they_are_an_information(mean, spread):
    assert severities(RULE, view_of(mean, spread)) == ["info"]


@pytest.mark.parametrize(("mean", "spread"), [(0.0, 1.0), (0.45, 0.28), (0.13, 0.31), (1.0 / 6, 0.37)])
@pytest.mark.parametrize("loss", [FALLING, STUCK, HUGE_FIRST])
def test_usual_inputs_are_not_blamed_whatever_the_loss(mean, spread, loss):
    view = view_of(mean, spread, loss, saturated=0.9)
    assert findings(RULE, view) == []
    assert "centred" in RULE.rule_out(RULE.measure(view), RULE.limits({})).text


@pytest.mark.parametrize(("distance", "found"), [(4.8, 0), (5.2, 1)])
def test_the_limit_is_five_spreads(distance, found):
    assert len(findings(RULE, view_of(distance, 1.0, STUCK))) == found


def test_one_odd_batch_is_not_how_the_inputs_are():
    view = view_of(0.0, 1.0, STUCK)
    view.run.series[tags.BATCH_MEAN].value[3] = 1e6
    assert findings(RULE, view) == []


def test_a_squared_error_that_learns_fast_from_a_large_start_is_told_from_huge_first_losses():
    prices = 1e6 * FALLING
    assert severities(RULE, view_of(300.0, 40.0, prices)) == ["info"]


def test_token_ids_have_no_mean_so_it_abstains():
    measured = RULE.measure(make_view({"loss": (STEPS, FALLING)}, SIGNALS))
    assert isinstance(measured, NotEnough)
    assert tags.BATCH_MEAN in measured.missing
