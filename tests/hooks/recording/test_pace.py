"""What a record costs, told apart from what every step costs."""

from __future__ import annotations

import pytest

from trainvitals_hooks.recording import own_time, pace
from trainvitals_hooks.recording.progress import Progress

pytestmark = pytest.mark.torch


class Clock:
    now_s = 100.0

    def __call__(self):
        return self.now_s


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(own_time, "perf_counter", clock)
    return clock


def visit(own, clock, seconds):
    own.enter()
    clock.now_s += seconds
    own.leave()


def busy_step(own, paces, clock, made, *, own_s):
    own.enter()
    paces.end_quiet(made - 1)
    found = paces.take(made) if made % 4 == 0 else None
    clock.now_s += own_s
    if made == 4:
        clock.now_s += 50.0
        paces.set_aside(50.0)
    paces.begin_quiet(made)
    own.leave()
    return found


def test_a_record_costs_what_its_steps_have_beyond_the_quiet_ones(clock):
    """Every fourth step is recorded. It is prepared for 2 s in the step before, and costs 3 s before the update and 4 s
    after it; the quiet steps cost 1 s each. Something that is no record's takes 50 s more, once."""
    own = own_time.OwnTime()
    paces = pace.Pace(own, Progress())
    found = []
    for made in range(1, 9):
        clock.now_s += 10.0
        if made % 4 == 0:
            visit(own, clock, 3.0)
            found.append(busy_step(own, paces, clock, made, own_s=4.0))
        elif made % 4 == 3:
            busy_step(own, paces, clock, made, own_s=2.0)
        else:
            visit(own, clock, 1.0)
    assert found[0] == ({}, 0.0, 0.0)
    numbers, record_s, training_s = found[1]
    assert (record_s, training_s) == (9.0, 40.0)
    assert numbers == {"system/step_time_s": 10.0, "monitor/overhead_pct": pytest.approx(100 * 61 / 40)}
