"""A model that stands still while the training goes on shows in what repeats itself or piles up; rest and rounding do
not count."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.monitor.rules.views import layer_tags, make_view

from trainvitals import tags
from trainvitals.rules.updates.standstill import signs_of_standstill
from trainvitals.signals import Signals
from trainvitals.view import RunView

STEPS = np.arange(0, 2000, 10)
VAL_STEPS = np.arange(50, 2000, 50)
ONSET = 1000
RNG = np.random.default_rng(0)
TRAIN = 1.0 + np.exp(-np.minimum(STEPS, ONSET) / 400) + 0.05 * RNG.standard_normal(len(STEPS))
MOVING = 1.0 + np.exp(-VAL_STEPS / 400) + 1e-3 * RNG.standard_normal(len(VAL_STEPS))
STILL = np.where(VAL_STEPS > ONSET, 1.0820851, MOVING)


def view_of(validation, rate=1e-3, train=TRAIN, **columns):
    more = {} if rate is None else {"rate": (STEPS, np.broadcast_to(rate, len(STEPS)))}
    signals = Signals(train_loss=("loss",), val_loss={"": "val"}, learning_rate=() if rate is None else ("rate",))
    return make_view({"loss": (STEPS, train), "val": (VAL_STEPS, validation), **more, **columns}, signals)


def test_a_validation_loss_that_repeats_itself_is_a_sign_between_two_validations():
    (sign,) = signs_of_standstill(view_of(STILL))
    assert (sign.first_step, sign.begins_by) == (1000, 1050)


def test_a_validation_loss_that_moves_is_none():
    assert signs_of_standstill(view_of(MOVING)) == ()


@pytest.mark.parametrize(("repeats", "found"), [(4, False), (5, True)])
def test_five_repeats_are_a_sign(repeats, found):
    validation = np.where(np.arange(len(MOVING)) >= len(MOVING) - repeats, 1.0820851, MOVING)
    assert bool(signs_of_standstill(view_of(validation))) is found


def test_a_rate_of_zero_explains_it():
    assert signs_of_standstill(view_of(STILL, rate=np.where(STEPS >= ONSET, 0.0, 1e-3))) == ()


def test_a_schedule_that_ends_after_the_standstill_does_not():
    assert signs_of_standstill(view_of(STILL, rate=1e-3 * (1 - STEPS / STEPS[-1]))) != ()


def test_without_a_rate_it_is_less_sure():
    (sign,) = signs_of_standstill(view_of(STILL, rate=None))
    assert sign.confidence < 0.8


def test_few_digits_repeat_by_chance():
    assert signs_of_standstill(view_of(np.round(STILL, 3))) == ()


def test_a_loss_that_comes_to_rest_slowly_ties_by_rounding():
    slow = np.round(1.0 + np.exp(-VAL_STEPS / 60), 6)
    assert slow[-1] == slow[-6]
    assert signs_of_standstill(view_of(slow)) == ()


def test_values_that_a_logger_writes_into_each_row_are_no_sign():
    filled = np.repeat(MOVING, 6)[: len(MOVING)]
    assert signs_of_standstill(view_of(filled)) == ()


def test_a_training_loss_that_still_falls_speaks_for_a_stale_copy_in_the_validation():
    falling = 1.0 + np.exp(-STEPS / 900) + 0.005 * RNG.standard_normal(len(STEPS))
    assert signs_of_standstill(view_of(STILL, train=falling)) == ()


def test_a_training_loss_that_repeats_itself_too_is_another_problem():
    stuck = np.where(STEPS > ONSET, 1.5, TRAIN)
    assert signs_of_standstill(view_of(STILL, train=stuck)) == ()


def layers_view(kind, value, rate=1e-3, gradient=1.0, validation=MOVING):
    found = layer_tags(kind, 3)
    columns = {tag: (STEPS, value[:, index]) for index, tag in enumerate(found.tags)}
    per_layer = {kind: found}
    if gradient is not None:
        per_layer["grad_norm"] = layer_tags("grad_norm", 3)
        columns |= {tag: (STEPS, np.where(STEPS < ONSET, 1.0, gradient)) for tag in per_layer["grad_norm"].tags}
    view = view_of(validation, rate=rate, **columns)
    return RunView(view.run, replace(view.signals, per_layer=per_layer))


@pytest.mark.parametrize(("rate", "found"), [(1e-3, True), (None, False), (0.0, False)])
def test_weights_that_repeat_themselves_at_a_rate_are_a_sign(rate, found):
    norms = 5.0 + RNG.random((len(STEPS), 3))
    norms[STEPS >= ONSET] = norms[STEPS >= ONSET][0]
    signs = signs_of_standstill(layers_view("weight_norm", norms, rate))
    assert bool(signs) is found
    assert [sign.begins_by for sign in signs] == [ONSET] * found


def still_norms():
    norms = 5.0 + np.random.default_rng(1).random((len(STEPS), 3))
    norms[STEPS >= ONSET] = norms[STEPS >= ONSET][0]
    return norms


def test_weights_without_a_gradient_have_nothing_to_move_for():
    assert signs_of_standstill(layers_view("weight_norm", still_norms(), gradient=0.0)) == ()


@pytest.mark.parametrize(("validation", "found"), [(MOVING, False), (STILL, True)])
def test_a_validation_that_moves_says_that_more_moves_than_was_logged(validation, found):
    signs = signs_of_standstill(layers_view("weight_norm", still_norms(), gradient=None, validation=validation))
    assert bool(signs) is found


def test_weights_that_come_to_rest_slowly_tie_by_rounding():
    """At the end of a schedule, in a log with four digits behind the point."""
    slow = np.round(5.1237 + np.exp(-STEPS / (STEPS[-1] / 12))[:, None] * np.array([1.0, 2.0, 3.0]), 4)
    assert (slow[-1] == slow[-6]).all()
    assert not (slow[-1] == slow[len(slow) // 2]).all()
    assert signs_of_standstill(layers_view("weight_norm", slow)) == ()


def test_one_layer_that_moves_is_enough():
    norms = 5.0 + RNG.random((len(STEPS), 3))
    norms[STEPS >= ONSET, :2] = 5.123456
    assert signs_of_standstill(layers_view("weight_norm", norms)) == ()


def test_weights_that_never_moved_were_frozen():
    assert signs_of_standstill(layers_view("weight_norm", np.full((len(STEPS), 3), 5.123456))) == ()


def test_updates_of_exactly_zero_are_a_sign_from_where_they_were_not():
    ratios = np.where((STEPS >= ONSET)[:, None], 0.0, 1e-3 * np.ones((len(STEPS), 3)))
    (sign,) = signs_of_standstill(layers_view("update_ratio", ratios))
    assert sign.begins_by == ONSET
    assert signs_of_standstill(layers_view("update_ratio", 0.0 * ratios)) == ()


def own_view(columns, wall_time=None):
    view = make_view(columns, Signals(val_loss={"": tags.VALIDATION_LOSS}), wall_time=wall_time)
    return RunView(replace(view.run, hyper_parameters={"trainvitals": "0.1.0"}), view.signals)


@pytest.mark.parametrize(("batches", "found"), [(5, False), (500, True)])
def test_samples_that_pile_up_at_the_last_step_are_a_sign(batches, found):
    samples = 32.0 * np.arange(1, 102)
    samples[-1] = samples[-2] + 32.0 * batches
    columns = {tags.SAMPLES: (np.arange(101), samples), tags.VALIDATION_LOSS: ([50, 100], [1.0, 0.9])}
    assert [sign.first_step for sign in signs_of_standstill(own_view(columns))] == [100] * found


def test_samples_that_pile_up_behind_a_gap_of_the_loops_own_count_are_dated_at_its_beginning():
    step = np.concatenate([np.arange(100), [900]])
    samples = np.concatenate([32.0 * np.arange(1, 101), [32.0 * 901]])
    columns = {tags.SAMPLES: (step, samples), tags.VALIDATION_LOSS: ([50], [1.0])}
    assert [sign.first_step for sign in signs_of_standstill(own_view(columns))] == [100]


@pytest.mark.parametrize(("pace_s", "found"), [(10.0, True), (0.1, False)])
def test_validations_that_follow_the_last_step_at_their_usual_pace_are_a_sign(pace_s, found):
    step = np.concatenate([np.arange(0, 500, 50), np.full(8, 500)])
    value = 1.0 + 0.01 * np.arange(len(step))
    clock = np.cumsum(np.where(step < 500, 10.0, pace_s))
    view = own_view({tags.VALIDATION_LOSS: (step, value)}, {tags.VALIDATION_LOSS: clock})
    assert [sign.first_step for sign in signs_of_standstill(view)] == [500] * found
