"""noisy-validation: an information where noise outweighs what was gained, and never more than that."""

from __future__ import annotations

import numpy as np
import pytest
from tests.monitor.rules.views import findings, make_view

from trainvitals import check_rule
from trainvitals.rules.generalisation.noisy_validation import NoisyValidation
from trainvitals.rules.rule import NotEnough
from trainvitals.signals import Signals

RULE = NoisyValidation()
STEPS = 50 * np.arange(1, 61)


def view_of(level, relative, points=60):
    noise = 1 + relative * np.random.default_rng(1).standard_normal(60)
    values = np.broadcast_to(level, STEPS.shape) * noise
    return make_view({"val": (STEPS[:points], values[:points])}, Signals(val_loss={"": "val"}))


def test_the_rule_keeps_the_contract():
    check_rule(NoisyValidation)


def test_noise_above_the_gain_is_an_information_with_the_examples_needed():
    (finding,) = findings(RULE, view_of(1.0, 0.1))
    assert finding.severity == "info"
    assert finding.evidence[0].value == pytest.approx(0.1, rel=0.4)
    assert "times as many examples" in finding.summary


@pytest.mark.parametrize(("relative", "found"), [(0.01, 0), (0.06, 1)])
def test_little_noise_is_not_mentioned(relative, found):
    assert len(findings(RULE, view_of(1.0, relative))) == found


def test_noise_below_the_gain_hides_nothing():
    assert findings(RULE, view_of(np.linspace(3.0, 0.5, 60), 0.06)) == []


@pytest.mark.parametrize(("level", "found"), [(0.002, 1), (1e-5, 0), (5e-324, 0), (0.0, 0)])
def test_of_a_level_that_is_all_but_zero_no_share_is_told(level, found):
    values = np.tile([level, level + 0.1, level - 0.1], 20)
    assert len(findings(RULE, make_view({"val": (STEPS, values)}, Signals(val_loss={"": "val"})))) == found


def test_a_few_validations_show_no_noise():
    assert isinstance(RULE.measure(view_of(1.0, 0.1, points=9)), NotEnough)
