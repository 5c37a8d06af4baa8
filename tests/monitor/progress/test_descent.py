"""Whether a curve that ends flat arrived smoothly or broke off, and the ground that it has won."""

import numpy as np
import pytest
from tests.monitor.progress.curves import STEP, cosine_rate, frozen, noise, power_law

from trainvitals.progress.curve import BlockCurve
from trainvitals.progress.descent import judge_descent
from trainvitals.progress.ground import new_ground

DELTA = 0.005


def blocks(curve, count=60):
    step, loss = curve
    return BlockCurve.of(step, loss, 0, int(step[-1]), count)


def judged(loss, rate=None, guess=30):
    return judge_descent(blocks((STEP, loss)), guess, rate, DELTA)


@pytest.mark.parametrize("at", [150, 200, 280])
def test_a_break_is_abrupt_and_what_is_missing_is_what_the_law_promised(at):
    descent = judge_descent(blocks(frozen(at, seed=at)), at * 60 // 400, None, DELTA)
    truth = 20 * (STEP[at] ** -0.4 - STEP[min(2 * at, 399)] ** -0.4)
    assert descent.abrupt
    assert descent.missing == pytest.approx(truth, rel=0.25)
    assert descent.promised == pytest.approx(descent.missing, rel=0.25)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    "loss",
    [
        0.3 + 2.0 * np.exp(-STEP / 3000),
        0.3 + 2.0 / (1 + np.exp((STEP - 12_000) / 1500)),
        0.3 + 2.0 * np.maximum(1 - STEP / 18_000, 0) ** 2,
    ],
    ids=["exponential", "sigmoid", "constant speed"],
)
def test_a_smooth_arrival_is_not_abrupt(loss, seed):
    assert not judged(loss + noise(0.002, seed), guess=20).abrupt


def test_a_law_that_was_too_optimistic_about_its_own_past_proves_nothing():
    bending = 2.0 + np.where(STEP < 10_000, 1.0 - STEP / 12_500, 0.2 * np.exp(-(STEP - 10_000) / 2500))
    assert not judged(bending + noise(0.001, 1), guess=24).abrupt


def test_a_learning_rate_that_explains_the_flattening_takes_the_blame_from_the_run():
    _, rate = cosine_rate()
    half_done = np.where(STEP < 20_000, 1e-3, 2e-5)
    time = np.cumsum(half_done) / 1e-3 * 100
    loss = 2.0 + 20.0 * time**-0.4 + noise(0.002, 2)
    assert judged(loss).abrupt
    assert not judged(loss, (STEP, half_done)).abrupt
    assert judged(frozen(200, seed=3)[1], (STEP, np.full(400, 1e-3))).abrupt
    assert judged(frozen(160, seed=3)[1], (STEP, rate + 5e-4)).abrupt


def test_too_few_blocks_do_not_show_whether_a_curve_bends_or_breaks():
    step, loss = frozen(200, sd=0.0)
    assert not judge_descent(blocks((step[::20], loss[::20])), 10, None, DELTA).abrupt


def test_a_run_at_rest_has_won_no_new_ground_since_it_came_to_rest():
    ground = new_ground(blocks((STEP, 0.4 + 20 * np.exp(-STEP / 800))), start_level=20.0)
    assert ground is not None
    assert not ground.recovering
    assert 4_000 <= ground.since_step <= 8_000


@pytest.mark.parametrize(
    "loss",
    [power_law()[1], 1.0 - STEP / 50_000, 0.4 + 20 * np.exp(-STEP / 800) + STEP / 10_000, np.full(400, 1.0)],
    ids=["power law", "line", "rises again", "never fell"],
)
def test_runs_that_improve_or_rise_or_never_fell_are_not_said_to_stand_still(loss):
    assert new_ground(blocks((STEP, loss)), start_level=float(loss[0])) is None


def test_halving_a_small_loss_is_new_ground_however_high_it_began():
    assert new_ground(blocks((STEP, 10.0 * np.exp(-STEP / 300) + 0.2 * 0.5 ** (STEP / 30_000))), 10.0) is None
