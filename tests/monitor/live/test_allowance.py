"""What an activity may take, and when."""

from __future__ import annotations

import pytest
from tests.monitor.live.growing import Time

from trainvitals.live.allowance import MOST_BORROWED_S, Allowance


def spend(allowance: Allowance, time: Time, cost_s: float) -> None:
    with allowance.spending():
        time.cpu_s += cost_s


def taken(allowance: Allowance, time: Time, *, seconds: float, cost_s: float) -> float:
    """Processor seconds that an activity takes which happens whenever it is due."""
    until_s, before_s = time.now_s + seconds, time.cpu_s
    while time.now_s < until_s:
        if allowance.is_due:
            spend(allowance, time, cost_s)
        time.now_s += 0.1
    return time.cpu_s - before_s


@pytest.mark.parametrize("saved_s", [0.0, 0.5])
@pytest.mark.parametrize("share", [0.002, 0.05])
def test_in_the_long_run_it_takes_its_share(share: float, saved_s: float) -> None:
    time = Time()
    allowance = Allowance(share, time.clock(), saved_s=saved_s)
    for _ in range(2):
        spent_s = taken(allowance, time, seconds=1000, cost_s=0.05)
        assert 0.9 * (1000 * share + saved_s) < spent_s < 1000 * share + saved_s + 0.11
        time.now_s += 10_000


def test_a_new_share_holds_from_then_on() -> None:
    time = Time()
    allowance = Allowance(0.05, time.clock())
    spend(allowance, time, 1.0)
    time.now_s += 21
    allowance.share = 0.01
    assert allowance.is_due
    spend(allowance, time, 1.0)
    time.now_s += 99
    assert not allowance.is_due
    time.now_s += 2
    assert allowance.is_due


def test_what_is_urgent_may_borrow_but_not_without_end() -> None:
    time = Time()
    allowance = Allowance(0.01, time.clock())
    spend(allowance, time, MOST_BORROWED_S)
    assert not allowance.is_due
    assert allowance.may_borrow
    spend(allowance, time, 0.1)
    assert not allowance.may_borrow
