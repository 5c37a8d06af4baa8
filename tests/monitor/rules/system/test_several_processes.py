"""Slow ranks, ranks that drift apart and a costly exchange are found; one process alone lacks nothing."""

from __future__ import annotations

import numpy as np
import pytest
from tests.monitor.rules.views import findings, make_view, severities

from trainvitals import check_rule, tags
from trainvitals.rules.rule import NotEnough
from trainvitals.rules.system.communication_bound import CommunicationBound
from trainvitals.rules.system.rank_desync import RankDesync
from trainvitals.rules.system.ranks import of_ranks
from trainvitals.rules.system.straggler import Straggler
from trainvitals.signals import Signals

STRAGGLER, DESYNC, BOUND = Straggler(), RankDesync(), CommunicationBound()
RECORDS = 60
STEPS = 10 * np.arange(1, RECORDS + 1)
RNG = np.random.default_rng(0)
SIGNALS = Signals(step_time=(tags.STEP_TIME_S,))
SYNCHRONOUS = 0.02


def wobble(ranks):
    return np.exp(0.05 * RNG.standard_normal((RECORDS, ranks)))


def told(*quantities):
    """Views of ``(tag, [T, R])``: each rank's, and of all of them the smallest."""
    columns = {}
    for tag, table in quantities:
        columns[tag] = (STEPS, table.min(axis=1))
        columns |= {tags.of_rank(tag, rank): (STEPS, column) for rank, column in enumerate(table.T)}
    return make_view(columns, SIGNALS)


def waiting_view(own):
    """All ranks step together; who has less to do waits longer."""
    together = own.max(axis=1, keepdims=True) + 0.002
    steps = np.broadcast_to(together, own.shape)
    return told((tags.STEP_TIME_S, steps), (tags.COMMUNICATION_TIME_S, steps - own))


@pytest.mark.parametrize("rule", [Straggler, RankDesync, CommunicationBound])
def test_the_rules_keep_the_contract(rule):
    check_rule(rule)


@pytest.mark.parametrize("rule", [STRAGGLER, DESYNC, BOUND])
def test_a_training_of_one_process_lacks_nothing(rule):
    assert rule.measure(make_view({tags.STEP_TIME_S: (STEPS, np.ones(RECORDS))}, SIGNALS)) == NotEnough()


@pytest.mark.parametrize("ranks", [2, 4])
def test_the_rank_that_waits_least_is_the_straggler(ranks):
    own = SYNCHRONOUS * wobble(ranks)
    own[:, 1] *= np.where(STEPS >= 200, 1.6, 1.0)
    (finding,) = findings(STRAGGLER, waiting_view(own))
    assert finding.severity == "warning"
    assert finding.summary.startswith("rank 1 ")
    assert finding.first_step == pytest.approx(200, abs=30)


@pytest.mark.parametrize(("slower", "found"), [(1.18, False), (1.35, True)])
def test_the_score_is_held_against_its_limit(slower, found):
    own = SYNCHRONOUS * wobble(4) * np.array([1.0, 1.0, slower, 1.0])
    assert bool(findings(STRAGGLER, waiting_view(own))) is found


def test_without_the_waiting_the_step_times_are_compared():
    assert findings(STRAGGLER, told((tags.STEP_TIME_S, wobble(4) * np.array([1.0, 1.0, 1.0, 2.0])))) != []


def test_a_slow_rank_that_changes_all_the_time_is_noise():
    own = SYNCHRONOUS * wobble(4)
    own[np.arange(RECORDS), RNG.integers(0, 4, RECORDS)] *= 3.0
    assert findings(STRAGGLER, waiting_view(own)) == []


def test_a_rank_that_has_caught_up_is_none():
    own = SYNCHRONOUS * wobble(4)
    own[:, 0] *= np.where(STEPS < 500, 2.0, 1.0)
    assert findings(STRAGGLER, waiting_view(own)) == []


def test_equal_ranks_rule_a_straggler_out():
    number = STRAGGLER.rule_out(STRAGGLER.measure(waiting_view(SYNCHRONOUS * wobble(4))), STRAGGLER.limits({}))
    assert number is not None
    assert number.value == pytest.approx(1.0, abs=0.1)


def checksums(ranks=3):
    return np.repeat(RNG.integers(0, 2**24, RECORDS)[:, None], ranks, axis=1).astype(float)


def test_weights_that_differ_until_the_end_are_an_error_and_the_ranks_apart_are_named():
    sums = checksums()
    sums[STEPS >= 310, 2] += 1
    (finding,) = findings(DESYNC, told((tags.PARAMETER_CHECKSUM, sums)))
    assert (finding.severity, finding.first_step) == ("error", 310)
    assert "rank 2" in finding.summary
    assert "rank 1" not in finding.summary


@pytest.mark.parametrize(("records", "found"), [(1, False), (2, True)])
def test_one_record_may_have_been_read_in_the_middle_of_an_update(records, found):
    sums = checksums()
    sums[-records:, 0] += 1
    assert bool(findings(DESYNC, told((tags.PARAMETER_CHECKSUM, sums)))) is found


def test_equal_weights_rule_it_out():
    assert DESYNC.rule_out(DESYNC.measure(told((tags.PARAMETER_CHECKSUM, checksums()))), DESYNC.limits({})) is not None


def test_only_steps_that_all_ranks_told_are_compared():
    sums = checksums(2)
    view = told((tags.PARAMETER_CHECKSUM, sums))
    late = view.run.series[tags.of_rank(tags.PARAMETER_CHECKSUM, 1)].take(slice(20, None))
    view.run.series[late.tag] = late
    both = of_ranks(view, tags.PARAMETER_CHECKSUM)
    assert both is not None
    assert both.value.shape == (RECORDS - 20, 2)
    assert findings(DESYNC, view) == []


def exchange_view(share):
    step = SYNCHRONOUS * wobble(1)
    return told((tags.STEP_TIME_S, step), (tags.COMMUNICATION_TIME_S, share * step))


@pytest.mark.parametrize(("share", "expected"), [(0.25, []), (0.4, ["info"]), (0.6, ["warning"])])
def test_the_share_of_the_exchange_decides(share, expected):
    assert severities(BOUND, exchange_view(share)) == expected


def test_an_exchange_that_costs_only_at_the_start_is_none():
    assert findings(BOUND, exchange_view(np.where(STEPS < 400, 0.8, 0.1)[:, None])) == []


def test_an_exchange_that_cost_much_until_just_before_the_end_is_neither_found_nor_ruled_out():
    view = exchange_view(np.where(0.95 * STEPS[-1] < STEPS, 0.1, 0.8)[:, None])
    assert findings(BOUND, view) == []
    assert BOUND.rule_out(BOUND.measure(view), BOUND.limits({})) is None


def test_a_small_share_rules_it_out():
    number = BOUND.rule_out(BOUND.measure(exchange_view(0.1)), BOUND.limits({}))
    assert number is not None
    assert number.value == pytest.approx(0.1, abs=0.02)
