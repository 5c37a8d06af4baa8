"""limited-diversity: passes over a fixed set are counted, and are a warning only with harm; fresh data are silent."""

from __future__ import annotations

import numpy as np
import pytest
from tests.monitor.rules.views import findings, make_view, severities

from trainvitals import check_rule, tags
from trainvitals.rules.data.limited_diversity import LimitedDiversity
from trainvitals.rules.rule import NotEnough
from trainvitals.signals import Signals
from trainvitals.view import RunView

RULE = LimitedDiversity()
STEPS = np.arange(2000)
RECORDS = STEPS[::10]
VAL_STEPS = STEPS[49::50]
BATCH = 32
SIGNALS = Signals(train_loss=("loss",), val_loss={"": "val"})
LEARNT = 0.01 + 1.1 * np.exp(-STEPS / 200)
RISING = 0.5 + np.abs(VAL_STEPS / 2000 - 0.2)
FALLING = 0.05 + 1.1 * np.exp(-VAL_STEPS / 200)


def seen_before(examples, *, shuffled=True, records=RECORDS):
    """What the probe records of batches from a set of so many examples."""
    rng, known, shares = np.random.default_rng(0), set(), []
    order = np.concatenate([rng.permutation(examples) for _ in range(len(STEPS) * BATCH // examples + 1)])
    for step in records:
        batch = order[step * BATCH : (step + 1) * BATCH] if shuffled else rng.integers(0, examples, BATCH)
        shares.append(np.mean([each in known for each in batch]))
        known.update(batch.tolist())
    return np.array(shares)


def view_of(seen=None, val=RISING, tokens=None, checksums=None):
    columns = {"loss": (STEPS, LEARNT), "val": (VAL_STEPS, val)}
    for tag, values in (
        (tags.BATCH_SEEN_BEFORE, seen),
        (tags.TOKEN_DIVERSITY, tokens),
        (tags.BATCH_CHECKSUM, checksums),
    ):
        if values is not None:
            columns[tag] = (RECORDS[: len(values)], values)
    return make_view(columns, SIGNALS)


def test_the_rule_keeps_the_contract():
    check_rule(LimitedDiversity)


@pytest.mark.parametrize("examples", [200, 1000, 2500])
@pytest.mark.parametrize("shuffled", [True, False])
def test_the_passes_are_counted_from_what_came_again(examples, shuffled):
    measurement = RULE.measure(view_of(seen_before(examples, shuffled=shuffled)))
    assert measurement.passes == pytest.approx(len(STEPS) * BATCH / examples, rel=0.1)


def test_a_small_set_and_a_validation_loss_that_turned_are_a_warning():
    (finding,) = findings(RULE, view_of(seen_before(500)))
    assert (finding.severity, finding.first_step) == ("warning", 0)
    assert finding.signals >= {tags.BATCH_SEEN_BEFORE, "val"}
    assert finding.evidence[0].value == pytest.approx(128, rel=0.1)


def test_a_small_set_that_the_validation_loss_bears_is_an_information():
    assert severities(RULE, view_of(seen_before(500), FALLING)) == ["info"]


def test_fresh_data_are_silent_and_rule_it_out_whatever_the_validation_loss():
    view = view_of(np.zeros(len(RECORDS)))
    assert findings(RULE, view) == []
    assert RULE.rule_out(RULE.measure(view), RULE.limits({})).value == 1.0


@pytest.mark.parametrize(("passes", "found"), [(13, 0), (20, 1)])
def test_the_limit_is_sixteen_passes(passes, found):
    assert len(findings(RULE, view_of(seen_before(len(STEPS) * BATCH // passes)))) == found


@pytest.mark.parametrize(("different", "found"), [(8, 0), (9, 1)])
def test_a_handful_of_batches_is_left_to_repeated_data(different, found):
    view = view_of(seen_before(300), checksums=np.arange(len(RECORDS)) % different)
    assert len(findings(RULE, view)) == found


@pytest.mark.parametrize(("share", "found"), [(0.6, []), (0.4, ["info"])])
def test_batches_with_half_as_many_different_tokens_are_found_since_they_have_them(share, found):
    tokens = np.where(RECORDS < 1000, 0.4, share * 0.4) * np.exp(0.02 * np.random.default_rng(1).standard_normal(200))
    measured = findings(RULE, view_of(tokens=tokens, val=FALLING))
    assert [finding.severity for finding in measured] == found
    assert all(finding.first_step == 1000 for finding in measured)


def test_noise_of_few_tokens_is_no_fall():
    tokens = 0.1 * np.exp(0.8 * np.random.default_rng(2).standard_normal(200)) * np.linspace(1.4, 0.6, 200)
    assert findings(RULE, view_of(tokens=tokens)) == []


@pytest.mark.parametrize("seen", [None, np.ones(19)])
def test_without_records_it_says_what_is_missing(seen):
    missing = RULE.measure(view_of(seen))
    assert isinstance(missing, NotEnough)
    assert missing.missing == (tags.BATCH_SEEN_BEFORE,)
    assert "watch" in missing.how


def test_reinforcement_learning_is_not_judged():
    view = make_view({}, Signals(supervised=False))
    assert RULE.measure(view) == NotEnough()


def test_what_is_set_for_overfitting_holds_here_too():
    view = view_of(seen_before(500))
    lenient = RunView(view.run, view.signals, {"overfitting": {"smallest_rise": 1e6}})
    assert (severities(RULE, view), severities(RULE, lenient)) == (["warning"], ["info"])
