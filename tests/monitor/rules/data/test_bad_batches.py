"""bad-batches: losses that stand out for one step are found; slow spikes, noise, and logs of fewer steps are not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.monitor.rules.views import findings, make_view

from trainvitals import check_rule, diagnose, tags
from trainvitals.rules.data.bad_batches import BadBatches
from trainvitals.rules.rule import NotEnough
from trainvitals.signals import Signals
from trainvitals.view import RunView

RULE = BadBatches()
STEPS = np.arange(1000)
BAD = (311, 457, 702, 863)


def training(seed=0, relative=0.05):
    noise = np.exp(relative * np.random.default_rng(seed).standard_normal(len(STEPS)))
    return (0.3 + 1.5 * np.exp(-STEPS / 150)) * noise


def with_spikes(at=BAD, times=20.0, lasting=1):
    loss = training()
    for step in at:
        loss[step : step + lasting] *= times ** (1 - np.arange(lasting) / lasting)
    return loss


def view_of(loss, steps=STEPS, rate=None, hooks=True):
    columns = {tags.TRAIN_LOSS: (steps, loss)}
    if rate is not None:
        columns["rate"] = (steps, rate)
    signals = Signals(train_loss=(tags.TRAIN_LOSS,), learning_rate=() if rate is None else ("rate",))
    view = make_view(columns, signals)
    return RunView(replace(view.run, hyper_parameters={"trainvitals": "0.1.0"} if hooks else {}), signals)


def test_the_rule_keeps_the_contract():
    check_rule(BadBatches)


def test_losses_that_stand_out_for_one_step_are_a_warning_with_their_steps():
    (finding,) = findings(RULE, view_of(with_spikes()))
    assert finding.severity == "warning"
    assert (finding.first_step, finding.last_step) == (BAD[0], BAD[-1])
    assert all(str(step) in finding.summary for step in BAD)


def test_it_takes_in_the_spikes_that_they_are():
    diagnosis = diagnose(view_of(with_spikes()).run)
    (finding,) = [finding for finding in diagnosis.findings if finding.severity != "info"]
    assert (finding.name, finding.consequences) == ("bad-batches", ("loss-spikes",))


@pytest.mark.parametrize("seed", range(5))
def test_noise_with_heavy_tails_is_none(seed):
    wild = np.exp(0.1 * np.random.default_rng(seed).standard_t(3, len(STEPS)))
    assert findings(RULE, view_of(training(relative=0.0) * wild)) == []


def test_spikes_that_last_come_from_the_weights():
    assert findings(RULE, view_of(with_spikes(lasting=8))) == []


@pytest.mark.parametrize(("count", "times", "found"), [(3, 3.0, 1), (2, 3.0, 0), (2, 20.0, 1), (1, 20.0, 0)])
def test_two_suffice_only_if_both_are_worse_than_the_untrained_model(count, times, found):
    assert len(findings(RULE, view_of(with_spikes(BAD[:count], times)))) == found


def test_a_raised_learning_rate_explains_a_jump():
    rate = np.where(np.isin(STEPS, BAD), 1e-2, 1e-3)
    assert findings(RULE, view_of(with_spikes(), rate=rate)) == []


@pytest.mark.parametrize("view", [view_of(with_spikes(), steps=10 * STEPS), view_of(with_spikes(), hooks=False)])
def test_where_not_every_step_is_known_to_be_logged_it_abstains(view):
    measured = RULE.measure(view)
    assert isinstance(measured, NotEnough)
    assert "every step" in measured.missing[0]
