"""Of several parameter groups, the one that speaks for the model."""

import numpy as np
import pytest

from trainvitals.leading_rate import leading_rate
from trainvitals.model import Series

STEP = np.arange(40, dtype=np.int64)
DECAY = 1.0 - 0.9 * STEP / 39
WARM_UP = np.minimum(1.0, (STEP + 1) / 4)


def rate(tag, value, step=STEP):
    return Series(tag, step, np.full(len(step), np.nan), np.asarray(value, dtype=np.float64))


def high_start(peak=0.01):
    """A group that begins at ten times its later rate and comes down while the others warm up."""
    return peak * DECAY * np.interp(STEP, [0, 3], [10.0, 1.0])


def test_a_group_that_starts_high_does_not_speak_for_the_two_that_warm_up():
    groups = [rate("bias", high_start()), rate("norm", 0.01 * DECAY * WARM_UP), rate("weight", 0.01 * DECAY * WARM_UP)]
    assert leading_rate(groups).tag == "norm"
    assert leading_rate(groups[::-1]).tag == "weight"


def test_of_two_groups_the_one_that_starts_high_does_not_speak():
    groups = [rate("bias", high_start()), rate("weight", 0.01 * DECAY * WARM_UP)]
    assert leading_rate(groups).tag == "weight"


def test_of_a_small_and_a_large_rate_on_one_schedule_the_large_speaks():
    groups = [rate("backbone", 1e-5 * DECAY * WARM_UP), rate("head", 1e-3 * DECAY * WARM_UP)]
    assert leading_rate(groups).tag == "head"


def test_one_constant_group_among_many_that_decay_does_not_speak():
    groups = [rate("embedding", np.ones(40)), *(rate(f"layer{i}", 1e-3 * DECAY * 0.9**i) for i in range(5))]
    assert leading_rate(groups).tag == "layer0"


def test_a_frozen_group_does_not_speak():
    assert leading_rate([rate("frozen", np.zeros(40)), rate("head", 1e-3 * DECAY)]).tag == "head"
    assert leading_rate([rate("frozen", np.zeros(40)), rate("too", np.zeros(40))]).tag == "frozen"


def test_groups_logged_at_different_steps_are_compared_by_their_peaks():
    assert leading_rate([rate("a", high_start()), rate("b", 0.01 * DECAY, STEP + 1)]).tag == "a"


@pytest.mark.parametrize("value", [high_start(), DECAY, np.zeros(40)])
def test_a_single_group_speaks(value):
    only = rate("lr", value)
    assert leading_rate([only]) is only


def test_no_rate_is_none():
    assert leading_rate([]) is None
