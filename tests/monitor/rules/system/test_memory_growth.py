"""memory-growth: a steady rise is found; a warm-up, a cache that fills, and a saw-tooth are not."""

from __future__ import annotations

import numpy as np
import pytest
from tests.monitor.rules.views import findings, make_view

from trainvitals import check_rule, tags
from trainvitals.model import Restart
from trainvitals.rules.rule import NotEnough
from trainvitals.rules.system.memory_growth import MemoryGrowth
from trainvitals.signals import Signals

RULE = MemoryGrowth()
STEPS = 10 * np.arange(200)
SHARE = STEPS / STEPS[-1]
SIGNALS = Signals(memory=(tags.MEMORY_BYTES,))


def view_of(megabytes, restarts=()):
    noise = np.random.default_rng(0).normal(0, 0.2, len(STEPS))
    return make_view({tags.MEMORY_BYTES: (STEPS, 1e6 * (megabytes + noise))}, SIGNALS, restarts=restarts)


def test_the_rule_keeps_the_contract():
    check_rule(MemoryGrowth)


def test_a_leak_is_found_and_projected():
    (finding,) = findings(RULE, view_of(400 + 200 * SHARE))
    assert finding.severity == "warning"
    assert finding.evidence[0].value == pytest.approx(200 * 0.8 * 11 / 12 / 447, rel=0.1)
    assert "doubled in another 5,9" in finding.summary  # 600 MB at 0.1 MB a step, less half a block


@pytest.mark.parametrize(
    "megabytes",
    [
        400 + 300 * np.clip(SHARE / 0.15, 0, 1),
        400 + 300 * (1 - np.exp(-5 * SHARE)),
        400 + 100 * (SHARE * 8 % 1),
        400 + 100 * (SHARE > 0.5),
        np.full(200, 400.0),
        600 - 200 * SHARE,
    ],
    ids=["warm-up", "fills up", "saw-tooth", "one jump", "constant", "falls"],
)
def test_what_is_no_leak_is_silent(megabytes):
    view = view_of(megabytes)
    assert findings(RULE, view) == []
    assert RULE.rule_out(RULE.measure(view), RULE.limits({})) is not None


@pytest.mark.parametrize(("grown", "found"), [(0.04, 0), (0.06, 1)])
def test_the_limit_is_a_twentieth_of_the_level(grown, found):
    # Eleven twelfths of four fifths of the run lie between the first and the last block.
    assert len(findings(RULE, view_of(400 * (1 + grown * SHARE / (0.8 * 11 / 12))))) == found


def test_after_a_restart_it_begins_anew():
    view = view_of(np.where(STEPS < 1000, 400.0, 700.0), restarts=(Restart(1000, 990, "session"),))
    assert findings(RULE, view) == []


def test_memory_that_the_log_does_not_have_is_asked_for():
    measured = RULE.measure(make_view({"loss": ([1], [1.0])}, Signals(train_loss=("loss",))))
    assert isinstance(measured, NotEnough)
    assert measured.missing == ("memory",)


def test_memory_that_jumps_once_is_ruled_out_in_words_that_say_so():
    step = np.arange(0, 1000, 10)
    view = make_view({tags.MEMORY_BYTES: (step, 1e9 * (1.0 + 0.3 * (step >= 700)))}, SIGNALS)
    text = RULE.rule_out(RULE.measure(view), RULE.limits({})).text
    assert "not steadily" in text
    steady = make_view({tags.MEMORY_BYTES: (step, np.full(100, 1e9))}, SIGNALS)
    assert "no more than 0.0%" in RULE.rule_out(RULE.measure(steady), RULE.limits({})).text
