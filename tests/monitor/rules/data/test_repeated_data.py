"""repeated-data: a handful of batches and repeats within an epoch are found; many epochs over shuffled data are not."""

from __future__ import annotations

import numpy as np
import pytest
from tests.monitor.rules.views import findings, make_view, severities

from trainvitals import check_rule, tags
from trainvitals.rules.data.repeated_data import RepeatedData
from trainvitals.rules.rule import NotEnough
from trainvitals.signals import Signals

RULE = RepeatedData()
STEPS = np.arange(1000)
RECORDS = STEPS[::10]
VAL_STEPS = STEPS[49::50]
SIGNALS = Signals(train_loss=("loss",), val_loss={"": "val"})
LEARNT = 0.01 + 1.1 * np.exp(-STEPS / 100)
RISING = 1.0 + VAL_STEPS / 1000
FALLING = 0.02 + 1.1 * np.exp(-VAL_STEPS / 100)


def view_of(checksums, val=RISING, epoch=None, signals=SIGNALS, loss=LEARNT):
    columns = {
        tags.BATCH_CHECKSUM: (RECORDS, np.asarray(checksums, dtype=float)),
        "loss": (STEPS, loss),
        "val": (VAL_STEPS, val),
    }
    if epoch is not None:
        columns["epoch"] = (STEPS, epoch)
        signals = Signals(train_loss=("loss",), val_loss={"": "val"}, epoch=("epoch",))
    return make_view(columns, signals)


NUMBERS = np.arange(100)


def test_the_rule_keeps_the_contract():
    check_rule(RepeatedData)


def test_few_batches_in_few_records_are_neither_found_nor_ruled_out():
    few = np.arange(20)
    view = make_view({tags.BATCH_CHECKSUM: (few, few % 8.0), "loss": (STEPS, LEARNT)}, Signals(train_loss=("loss",)))
    assert findings(RULE, view) == []
    assert RULE.rule_out(RULE.measure(view), RULE.limits({})) is None


def test_four_batches_learnt_by_heart_are_a_warning():
    (finding,) = findings(RULE, view_of(NUMBERS % 4))
    assert finding.severity == "warning"
    assert finding.first_step == 0
    assert finding.evidence[0].value == 4


def test_few_batches_without_harm_are_an_information():
    assert severities(RULE, view_of(np.zeros(100), FALLING)) == ["info"]


def test_many_epochs_over_shuffled_data_are_silent_and_rule_it_out():
    view = view_of(NUMBERS * 7919, epoch=STEPS // 20)
    assert findings(RULE, view) == []
    assert "100 of 100" in RULE.rule_out(RULE.measure(view), RULE.limits({})).text


def test_the_same_order_in_every_epoch_is_no_repetition_within_one():
    assert findings(RULE, view_of(NUMBERS % 25, epoch=STEPS // 250)) == []


def test_batches_that_come_again_within_an_epoch_are_a_warning_without_other_harm():
    (finding,) = findings(RULE, view_of(NUMBERS % 25, FALLING, epoch=STEPS // 1000))
    assert finding.severity == "warning"
    assert "in the same epoch" in finding.summary


@pytest.mark.parametrize(("different", "found"), [(8, ["warning"]), (9, [])])
def test_the_limit_is_eight_batches(different, found):
    assert severities(RULE, view_of(NUMBERS % different)) == found


@pytest.mark.parametrize(("again", "found"), [(9, 0), (10, 1)])
def test_a_few_repeats_in_an_epoch_are_padding(again, found):
    assert len(findings(RULE, view_of(np.where(again > NUMBERS, NUMBERS + 50, NUMBERS), epoch=STEPS // 1000))) == found


def of_batches(cycle, seed=0):
    """A loss that differs from batch to batch of a cycle, and little from one look at a batch to the next."""
    rng = np.random.default_rng(seed)
    return np.exp(0.3 * rng.standard_normal(cycle))[STEPS % cycle] * np.exp(0.03 * rng.standard_normal(len(STEPS)))


@pytest.mark.parametrize(("rise", "severity"), [(0.03, "info"), (0.12, "warning")])
def test_the_validation_loss_must_have_risen(rise, severity):
    val = 0.4 * np.concatenate([np.full(2, 1.5), np.full(8, 1.0), np.full(10, 1.0 + rise)])
    loss = (0.1 + np.exp(-STEPS / 100)) * of_batches(4)
    assert severities(RULE, view_of(NUMBERS % 2, val, loss=loss)) == [severity]


@pytest.mark.parametrize(("cycle", "found"), [(4, "4 different"), (20, ""), (40, "")])
def test_a_longer_cycle_seen_at_every_tenth_step_is_told_by_the_loss_of_each_step(cycle, found):
    seen = STEPS[::10] % cycle
    assert len(np.unique(seen)) <= 4
    loss = (0.05 + np.exp(-STEPS / 100)) * of_batches(cycle)
    summaries = [finding.summary for finding in findings(RULE, view_of(seen, FALLING, loss=loss))]
    assert len(summaries) == bool(found)
    assert all(found in summary for summary in summaries)


@pytest.mark.parametrize(("val", "severity"), [(0.4, "info"), (1.4, "warning")])
def test_few_batches_with_a_tenth_of_the_validation_loss_are_known_by_heart(val, severity):
    falling = val + np.exp(-VAL_STEPS / 200)
    loss = (0.1 + np.exp(-STEPS / 100)) * of_batches(4)
    assert severities(RULE, view_of(NUMBERS % 2, falling, loss=loss)) == [severity]


@pytest.mark.parametrize(("gain", "severity"), [(0.3, "info"), (0.05, "warning")])
def test_one_batch_for_ever_from_which_validation_gains_nothing_is_a_warning(gain, severity):
    val = 1.0 - gain * np.linspace(0, 1, 20)
    assert severities(RULE, view_of(np.zeros(100), val)) == [severity]


def test_without_checksums_it_says_how_to_log_them():
    measured = RULE.measure(make_view({"loss": (STEPS, LEARNT), "val": (VAL_STEPS, RISING)}, SIGNALS))
    assert isinstance(measured, NotEnough)
    assert tags.BATCH_CHECKSUM in measured.missing
