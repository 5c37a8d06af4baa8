"""The picture behind the verdict: the same numbers, the same forecasts, and every point in one stretch."""

import numpy as np
import pytest
from tests.monitor.progress.curves import STEP, exponential, frozen, noise, power_law

from trainvitals import Run, diagnose
from trainvitals.config import Config
from trainvitals.model import Restart, Verdict
from trainvitals.progress.picture import progress_picture
from trainvitals.signals import SignalOverrides


def run_of(curve, **columns):
    step, loss = curve
    return Run.from_columns({"step": step, "train/loss": loss, **columns})


def staircase():
    """Down in a few large steps, faster and faster: no law describes it, and no step is noise."""
    step = np.arange(1, 11, dtype=np.int64) * 100
    return step, 20.0 - 15.0 * (np.arange(10) / 10) ** 4


CURVES = {
    "law": power_law(),
    "stopped": frozen(160),
    "converged": exponential(sd=0.0003, constant=2500.0),
    "flat": (STEP, 2.0 + noise(0.001, 3)),
    "rising": (STEP, 2.0 + STEP * 2e-5 + noise(0.002, 4)),
    "noise": (STEP, 2.0 + noise(0.5, 5)),
    "held": (STEP, np.where(np.arange(400) < 300, power_law(sd=0.05)[1], 2.5)),
    "steps": staircase(),
}


@pytest.fixture(params=CURVES, scope="module")
def curve(request):
    return CURVES[request.param]


def test_the_curves_lead_to_forecasts_and_verdicts_of_every_kind():
    pictures = [progress_picture(run_of(curve)) for curve in CURVES.values()]
    assert {picture.forecasts[0].kind for picture in pictures} == {"law", "line", "steps", "held"}
    assert {Verdict.PROGRESSING, Verdict.PLATEAU, Verdict.REGRESSING, Verdict.INCONCLUSIVE} <= {
        picture.progress.verdict for picture in pictures
    }


def test_over_its_own_horizon_the_gain_is_the_verdicts(curve):
    run = run_of(curve)
    verdict = diagnose(run).progress
    gained = progress_picture(run).gain_after(verdict.horizon_steps)
    assert gained == (verdict.gain, verdict.gain_low, verdict.gain_high)


def test_a_path_begins_now_and_ends_with_the_gain_after_as_many_steps(curve):
    picture = progress_picture(run_of(curve))
    for steps in (picture.progress.horizon_steps, 3 * picture.progress.horizon_steps):
        path, gained = picture.forecasts[0].path(steps), picture.gain_after(steps)
        now = picture.forecasts[0].now
        assert path.mean[0] == path.low[0] == path.high[0] == now
        assert path.step[-1] - path.step[0] == steps
        assert (path.mean[-1], path.low[-1], path.high[-1]) == pytest.approx(
            (now - gained.gain, now - gained.high, now - gained.low)
        )
        assert np.all(path.low <= path.mean)
        assert np.all(path.mean <= path.high)


def test_every_point_is_in_one_stretch(curve):
    step, _ = curve
    stretches = progress_picture(run_of(curve)).stretches
    within = [(step >= each.first_step) & (step <= each.last_step) for each in stretches]
    assert np.all(np.sum(within, axis=0) == 1)
    assert [each.first_step for each in stretches] == sorted(each.first_step for each in stretches)


def test_the_law_of_the_run_goes_on_inside_of_its_band():
    picture = progress_picture(run_of(power_law()))
    path = picture.forecasts[0].path(picture.progress.horizon_steps)
    truth = 2.0 + 20.0 * path.step**-0.4
    assert np.all(np.abs(path.mean - truth) < 0.006)
    assert np.mean((path.low - 0.004 <= truth) & (truth <= path.high + 0.004)) == 1.0


def test_a_line_falls_as_the_least_squares_line_through_the_same_blocks():
    picture = progress_picture(run_of(CURVES["rising"]))
    line = next(each for each in picture.forecasts if each.kind == "line")
    blocks = np.isin(picture.block_step, line.fitted_step)
    slope, offset = np.polyfit(picture.block_step[blocks], picture.block_value[blocks], 1)
    path = line.path(5000)
    assert path.mean == pytest.approx(offset + slope * path.step, rel=1e-9)


def test_the_plateau_is_the_latest_stretch_and_its_forecast_stays_in_the_region():
    picture = progress_picture(run_of(CURVES["stopped"]))
    assert [(each.kind, each.begins_with) for each in picture.stretches] == [
        ("start", "run"),
        ("descent", "start-over"),
        ("latest", "flat"),
    ]
    assert picture.stretches[-1].first_step == picture.progress.since_step
    low, high = picture.region
    assert high - low == pytest.approx(2 * picture.progress.delta)
    path = picture.forecasts[0].path(picture.progress.horizon_steps)
    assert low <= path.low.min()
    assert path.high.max() <= high


def test_what_came_before_a_restart_is_earlier_and_a_warm_up_after_it_is_left_out():
    step, loss = power_law()
    run = run_of((step, np.where(step > 10_000, loss + 0.5, loss)))
    restarted = Run(run.id, run.path, run.name, run.format, run.series, restarts=(Restart(10_100, 10_000, "session"),))
    found = progress_picture(restarted).stretches
    assert [(each.kind, each.begins_with) for each in found[:2]] == [("earlier", "run"), ("start", "restart")]
    assert found[2].begins_with == "start-over"
    assert (found[0].last_step, found[1].first_step) == (10_000, 10_100)


def test_a_raised_rate_begins_another_stretch():
    step, loss = power_law()
    found = progress_picture(run_of((step, loss), lr=np.where(step > 20_000, 3e-3, 1e-3))).stretches
    assert (found[0].kind, found[0].begins_with) == ("earlier", "run")
    assert found[1].begins_with == "rate-raised"
    assert found[1].first_step == 20_100


def test_cuts_across_which_a_stretch_was_joined_are_told():
    step, loss = power_law()
    cuts = np.arange(34_000, 40_000, 600)
    rate = 1e-3 * 0.75 ** np.sum(step[:, None] > cuts, axis=1)
    picture = progress_picture(run_of((step, loss), lr=rate))
    latest = picture.stretches[-1]
    assert picture.cuts
    assert all(latest.first_step <= cut <= latest.last_step for cut in picture.cuts)


def test_what_is_too_little_to_judge_has_no_forecast():
    picture = progress_picture(run_of((STEP[:5], power_law()[1][:5])))
    assert picture.forecasts == ()
    assert picture.gain_after(100) is None
    assert picture.region is None
    assert [each.kind for each in picture.stretches] == ["too-new"]


def test_a_regime_that_has_only_begun_is_too_new_and_what_improved_before_is_judged():
    step, loss = power_law()
    picture = progress_picture(run_of((step, loss), lr=np.where(step > 39_700, 1e-2, 1e-3)))
    assert picture.progress.verdict is Verdict.PROGRESSING
    assert picture.stretches[-1].kind == "too-new"
    assert picture.stretches[-1].begins_with == "rate-raised"
    assert picture.forecasts[0].fitted_step[-1] < 39_800


def test_a_run_without_a_loss_has_no_picture():
    assert progress_picture(Run.from_columns({"step": STEP, "accuracy": STEP / STEP[-1]})) is None
    rewards = {"step": STEP, "rollout/ep_rew_mean": 1.0 * STEP, "train/loss": power_law()[1]}
    assert progress_picture(Run.from_columns(rewards)) is None


def test_the_loss_that_the_person_names_is_pictured():
    step, loss = power_law()
    run = Run.from_columns({"step": step, "train/loss": loss, "mine": loss + 1.0})
    told = Config(signals=SignalOverrides(train_loss=("mine",)))
    assert progress_picture(run, told).progress.signal == "mine"
