"""A loss that never left its level is found; slow, noisy, converged, warming and late learners are not accused."""

from __future__ import annotations

import numpy as np
import pytest
from tests.monitor.rules.views import findings, make_view, severities

from trainvitals.rules.loss.not_learning import NotLearning
from trainvitals.signals import Metric, Signals
from trainvitals.synth import SHAPES, healthy_run
from trainvitals.view import RunView

RULE = NotLearning()
POINTS = 300
STEPS = 10 * np.arange(POINTS)
TEN_CLASSES = np.log(10.0)


def noise(sd, points=POINTS, seed=0):
    return np.exp(sd * np.random.default_rng(seed).standard_normal(points))


def view_of(loss, accuracy=None, val=None, rate=None, *, supervised=True, first=0):
    steps = first + 10 * np.arange(len(loss))
    columns = {"loss": (steps, loss)}
    for tag, values in (("accuracy", accuracy), ("val", val), ("rate", rate)):
        if values is not None:
            columns[tag] = (np.linspace(first, steps[-1], len(values)).astype(int), values)
    signals = Signals(
        train_loss=("loss",),
        val_loss={"": "val"} if val is not None else {},
        learning_rate=("rate",) if rate is not None else (),
        metrics=(Metric("accuracy", "up", "train"),) if accuracy is not None else (),
        supervised=supervised,
    )
    return make_view(columns, signals)


CHANCE = 0.1 * noise(0.05, 30)


def test_a_loss_at_the_level_of_guessing_with_a_metric_at_chance_is_an_error_since_the_start():
    (finding,) = findings(RULE, view_of(TEN_CLASSES * noise(0.003), accuracy=CHANCE))
    assert (finding.severity, finding.first_step) == ("error", 0)
    assert finding.signals == {"loss", "accuracy"}
    assert any("ln(10)" in item.text for item in finding.evidence)


def test_the_level_of_guessing_is_a_hint_and_not_needed():
    sure, less_sure = (findings(RULE, view_of(level * noise(0.003)))[0] for level in (TEN_CLASSES, 1.7))
    assert sure.severity == less_sure.severity == "warning"
    assert sure.confidence > less_sure.confidence


@pytest.mark.parametrize(("gain", "found"), [(0.005, True), (0.05, False)])
def test_the_bound_of_the_gain_decides(gain, found):
    loss = 1.7 * (1.0 - gain * np.linspace(0, 1, POINTS) ** 0.3) * noise(0.003)
    assert bool(findings(RULE, view_of(loss))) is found


def test_noise_that_could_hide_a_gain_is_no_proof():
    assert findings(RULE, view_of(1.7 * noise(0.4))) == []


def test_one_value_repeated_is_an_error_unless_it_is_a_placeholder():
    assert severities(RULE, view_of(np.full(POINTS, 0.693))) == ["error"]
    assert findings(RULE, view_of(np.zeros(POINTS))) == []


def test_a_breakthrough_at_the_end_is_learning():
    loss = np.concatenate([np.full(250, np.log(2)), np.linspace(np.log(2), 0.1, 50)]) * noise(0.003)
    assert findings(RULE, view_of(loss)) == []


@pytest.mark.parametrize("accuracy", [np.linspace(0.1, 0.5, 30), np.full(30, 0.97)])
def test_a_metric_that_improves_or_is_good_says_that_it_learns(accuracy):
    assert findings(RULE, view_of(TEN_CLASSES * noise(0.003), accuracy=accuracy)) == []


def test_a_validation_loss_that_falls_says_that_it_learns():
    assert findings(RULE, view_of(1.7 * noise(0.003), val=np.linspace(2.0, 1.5, 30))) == []


def test_a_low_loss_may_have_begun_converged():
    assert findings(RULE, view_of(0.03 * noise(0.01))) == []


def test_a_log_that_continues_another_one_is_not_judged():
    assert findings(RULE, view_of(1.7 * noise(0.003), first=40_000)) == []


def test_a_learning_rate_in_warm_up_is_given_time():
    loss = 1.7 * noise(0.003)
    assert findings(RULE, view_of(loss, rate=np.linspace(0, 1, POINTS) ** 4)) == []
    assert severities(RULE, view_of(loss, rate=np.full(POINTS, 1e-3))) == ["warning"]


def test_ten_points_need_a_metric_that_agrees():
    loss = 0.83 * noise(0.002, 10)
    assert findings(RULE, view_of(loss)) == []
    assert severities(RULE, view_of(loss, accuracy=np.full(10, 0.371))) == ["warning"]
    assert findings(RULE, view_of(loss[:7], accuracy=np.full(7, 0.371))) == []


def test_reinforcement_learning_is_not_judged():
    assert findings(RULE, view_of(np.full(POINTS, 0.693), supervised=False)) == []


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("level", [0.003, 0.1])
def test_healthy_runs_learn(shape, level):
    run = healthy_run(shape, noise=level).run
    assert findings(RULE, RunView(run, Signals(train_loss=("train/loss",), val_loss={"": "val/loss"}))) == []


AT_CHANCE = 0.5 * noise(0.001, 40)
BAD_START = np.log(2.0) + 0.1 * 0.2 ** np.arange(40)


def auc_view(loss, auc, val=None):
    steps = np.arange(len(loss))
    columns = {"loss": (steps, loss)}
    columns |= {tag: (steps, values) for tag, values in (("val_auc", auc), ("val", val)) if values is not None}
    metrics = (Metric("val_auc", "up", "val"),) if auc is not None else ()
    val_loss = {"": "val"} if val is not None else {}
    return make_view(columns, Signals(train_loss=("loss",), val_loss=val_loss, metrics=metrics))


def test_a_start_above_guessing_that_settles_on_guessing_has_learnt_nothing_where_a_metric_stays_at_chance():
    loss = BAD_START * noise(0.0003, 40)
    (finding,) = findings(RULE, auc_view(loss, AT_CHANCE))
    assert (finding.severity, finding.first_step) == ("error", 0)
    assert finding.signals == {"loss", "val_auc"}
    assert "guessing" in finding.summary


@pytest.mark.parametrize("auc", [np.full(40, 0.62), np.linspace(0.5, 0.6, 40), None])
def test_settling_on_the_level_of_guessing_proves_nothing_by_itself(auc):
    assert findings(RULE, auc_view(BAD_START * noise(0.0003, 40), auc)) == []


def test_settling_near_the_level_of_guessing_is_learning_where_it_goes_below():
    assert findings(RULE, auc_view((BAD_START - 0.03) * noise(0.0003, 40), AT_CHANCE)) == []


@pytest.mark.parametrize(("val_level", "found"), [(np.log(3.0), ["warning"]), (1.12, [])])
def test_without_a_metric_both_losses_must_stand_on_the_level_of_guessing(val_level, found):
    start = 2.0 * 0.01 ** np.arange(60)
    loss, val = (np.log(3.0) + start) * noise(0.0005, 60), (val_level + start) * noise(0.0005, 60, seed=1)
    assert severities(RULE, auc_view(loss, None, val)) == found
    slow = (np.log(3.0) + 2.0 * 0.8 ** np.arange(60)) * noise(0.0005, 60)
    assert findings(RULE, auc_view(slow, None, val)) == []


COSINE = 1e-3 * (0.5 + 0.5 * np.cos(np.linspace(0, np.pi, POINTS)))
HIDING = 1.7 * noise(0.12, seed=2)


def flat_validation(gain=0.0, sd=0.006):
    return 1.6 * (1.0 - gain * np.linspace(0, 1, 30) ** 0.3) * noise(sd, 30, seed=52)


def test_after_a_whole_schedule_the_validation_loss_proves_what_noise_hides_in_training():
    (finding,) = findings(RULE, view_of(HIDING, val=flat_validation(), rate=COSINE))
    assert (finding.severity, finding.first_step) == ("warning", 0)
    assert finding.signals == {"loss", "val"}
    assert all(0 < item.value < item.threshold for item in finding.evidence)


@pytest.mark.parametrize(
    ("val", "rate"),
    [
        (None, COSINE),
        (flat_validation(), None),
        (flat_validation(), np.full(POINTS, 1e-3)),
        (flat_validation(gain=0.02, sd=0.001), COSINE),
        (flat_validation(sd=0.05), COSINE),
        (flat_validation()[:7], COSINE),
        (0.04 * flat_validation(), COSINE),
    ],
    ids=["no validation", "no rate", "the rate is up", "it falls provably", "noise hides more", "too few", "low"],
)
def test_it_proves_nothing_where(val, rate):
    assert findings(RULE, view_of(HIDING, val=val, rate=rate)) == []


def test_a_training_loss_that_falls_while_validation_rests_learns_something():
    falling = np.linspace(1.0, 0.85, POINTS) * HIDING
    assert findings(RULE, view_of(falling, val=flat_validation(), rate=COSINE)) == []


def test_what_a_training_loss_loses_before_the_first_validation_is_no_learning_if_it_is_little():
    first = np.where(np.arange(POINTS) < 8, 1.0, 0.0)
    val, steps = flat_validation(sd=0.0005), np.linspace(150, STEPS[-1], 30).astype(int)
    signals = Signals(train_loss=("loss",), val_loss={"": "val"}, learning_rate=("rate",))
    for height, found in ((0.06, ["warning"]), (0.4, [])):
        loss = 1.7 * (1 + height * first) * noise(0.004)
        view = make_view({"loss": (STEPS, loss), "val": (steps, val), "rate": (STEPS, COSINE)}, signals)
        assert severities(RULE, view) == found


def settling(start, level, sd, points, seed=0):
    return (level + (start - level) * np.exp(-np.arange(points) / (0.06 * points))) * noise(sd, points, seed)


@pytest.mark.parametrize(
    ("start", "level", "val_level", "found"),
    [
        (1.92, np.log(6.0), np.log(6.0), True),
        (1.92, 1.80, 1.80, False),
        (1.92, np.log(6.0), 1.81, False),
        (2.30, np.log(6.0), np.log(6.0), False),
        (5.72, np.log(256.0), np.log(256.0), False),
    ],
)
def test_both_losses_may_take_a_quarter_of_the_run_to_come_down_to_guessing(start, level, val_level, found):
    loss = settling(start, level, 0.004, 80)
    val = settling(start, val_level, 0.001, 16, seed=1)
    assert severities(RULE, view_of(loss, val=val)) == ["warning"] * found
