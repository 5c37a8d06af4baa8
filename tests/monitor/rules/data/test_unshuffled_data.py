"""unshuffled-data: a period of the loss that is the epoch is a warning; a fixed order alone is an information."""

from __future__ import annotations

import numpy as np
import pytest
from tests.monitor.rules.views import findings, make_view, severities

from trainvitals import Run, check_rule, diagnose, tags
from trainvitals.rules.data.unshuffled_data import UnshuffledData
from trainvitals.rules.rule import NotEnough
from trainvitals.signals import Signals

RULE = UnshuffledData()
STEPS = np.arange(1500)
RECORDS = STEPS[::10]
EPOCH = 93
NOISE = np.exp(0.03 * np.random.default_rng(0).standard_normal(len(STEPS)))
SMOOTH = (0.5 + 1.5 * np.exp(-STEPS / 300)) * NOISE


def swinging(period=EPOCH, swing=0.4):
    return SMOOTH * (1.0 + swing * (1.0 - STEPS % period / period))


def columns_of(loss, checksum, epoch=None):
    columns = {tags.TRAIN_LOSS: (STEPS, loss), tags.BATCH_CHECKSUM: (RECORDS, np.asarray(checksum, dtype=float))}
    return columns if epoch is None else {**columns, tags.EPOCH: (STEPS, epoch)}


def view_of(loss, checksum, epoch=None):
    signals = Signals(train_loss=(tags.TRAIN_LOSS,), epoch=() if epoch is None else (tags.EPOCH,))
    return make_view(columns_of(loss, checksum, epoch), signals)


SAME_ORDER = RECORDS % EPOCH
SHUFFLED = RECORDS * 7919


def test_the_rule_keeps_the_contract():
    check_rule(UnshuffledData)


@pytest.mark.parametrize("period", [EPOCH, EPOCH / 3])
def test_a_loss_that_swings_with_the_order_of_the_batches_is_a_warning(period):
    (finding,) = findings(RULE, view_of(swinging(period), SAME_ORDER))
    assert finding.severity == "warning"
    assert "930 steps" in finding.evidence[0].text


def test_a_fixed_order_that_does_no_harm_is_an_information():
    assert severities(RULE, view_of(SMOOTH, SAME_ORDER)) == ["info"]


def test_a_period_that_is_not_the_epoch_is_not_blamed_on_the_order():
    assert severities(RULE, view_of(swinging(61), SAME_ORDER)) == ["info"]


def test_shuffled_data_are_silent_and_rule_it_out():
    view = view_of(SMOOTH, SHUFFLED)
    assert findings(RULE, view) == []
    assert "0 of the recorded" in RULE.rule_out(RULE.measure(view), RULE.limits({})).text


def test_the_same_batch_all_the_time_is_no_order():
    assert findings(RULE, view_of(swinging(), np.zeros(len(RECORDS)))) == []


def test_an_epoch_that_is_the_period_suffices():
    (finding,) = findings(RULE, view_of(swinging(), SHUFFLED, STEPS // EPOCH))
    assert finding.severity == "warning"
    assert findings(RULE, view_of(swinging(), SHUFFLED, STEPS // 61)) == []


@pytest.mark.parametrize(("last", "found"), [(97, 0), (98, 1)])
def test_five_batches_must_have_come_again(last, found):
    checksum = np.where(np.arange(150) < last, SAME_ORDER, SHUFFLED + 1e6)
    assert len(findings(RULE, view_of(swinging(), checksum))) == found


def test_batches_that_come_again_at_random_have_no_order():
    assert findings(RULE, view_of(swinging(), np.random.default_rng(0).integers(0, 60, 150))) == []


def test_without_checksums_and_epochs_it_says_how_to_log_them():
    measured = RULE.measure(make_view({"loss": (STEPS, SMOOTH)}, Signals(train_loss=("loss",))))
    assert isinstance(measured, NotEnough)
    assert tags.BATCH_CHECKSUM in measured.missing


def test_it_takes_in_the_period_that_it_explains():
    series = view_of(swinging(), SAME_ORDER).run.series
    diagnosis = diagnose(Run(id="r", path="", name="r", format="test", series=series))
    names = [finding.name for finding in diagnosis.findings]
    assert "unshuffled-data" in names
    assert "periodic-loss" not in names
