"""What a suggestion sets is taken from the run: rates, batches, checkpoints, limits, suites."""

from __future__ import annotations

import ast
import re
from dataclasses import replace

import numpy as np
import pytest
from tests.monitor.interventions.suggesting import SHARE, STEPS, VAL_STEPS, finding, rich_view, short_view, suggest
from tests.monitor.rules.views import layer_tags, make_view

from trainvitals import tags
from trainvitals.model import Evidence, Marker
from trainvitals.signals import Role, Signals
from trainvitals.view import RunView


def test_rates_come_from_the_run():
    lower, higher = suggest("lower-learning-rate"), suggest("raise-learning-rate")
    assert "0.0005 becomes 0.00015" in lower.how
    assert "0.0005 becomes 0.0015" in higher.how
    assert "0.000317" in suggest("extend-schedule").how  # a third of the largest rate logged, 0.00095


def view_of_rate(rate):
    columns = {"rate": (STEPS, rate), "train": (STEPS, 1.0 + SHARE)}
    return make_view(columns, Signals(train_loss=("train",), learning_rate=("rate",)))


def test_a_rate_that_has_run_out_is_neither_lowered_nor_raised():
    view = view_of_rate(np.where(SHARE < 0.5, 1e-3, 1e-6))
    assert suggest("lower-learning-rate", view, finding(first_step=8000)) is None
    assert suggest("raise-learning-rate", view) is None


def test_what_began_at_the_peak_is_mended_at_the_peak_though_the_rate_has_run_out_since():
    view = view_of_rate(np.where(SHARE < 0.5, 1e-3, 1e-6))
    suggestion = suggest("lower-learning-rate", view, finding(first_step=0))
    assert 'group["initial_lr"] = 0.0003' in suggestion.how
    assert "at the next start" in suggestion.summary


def test_what_was_lowered_since_is_not_lowered_further():
    suggestion = suggest("lower-learning-rate", view_of_rate(np.where(SHARE < 0.5, 1.5, 0.05)), finding(first_step=0))
    assert suggestion.summary == "lower the learning rate to 0.45 at the next start, from 1.5"


def test_a_rate_that_jumped_up_goes_back_to_what_it_was():
    view = view_of_rate(np.where(SHARE < 0.5, 1e-4, 1e-2))
    suggestion = suggest("lower-learning-rate", view, finding(first_step=5010))
    assert "to 0.0001, the usual rate before step 5,010" in suggestion.summary
    assert "*= 0.01 " in suggestion.how


def test_against_single_spikes_the_rate_is_lowered_by_less():
    assert "0.0005 becomes 0.00035" in suggest("lower-learning-rate", about=finding("loss-spikes")).how


@pytest.mark.parametrize(("ratio", "factor"), [(1e-7, 10.0), (1e-4, 3.0)])
def test_the_rate_is_raised_by_what_the_updates_leave_room_for(ratio, factor):
    layers = layer_tags("update_ratio", 3)
    columns = {
        "train": (STEPS, 1.0 + SHARE),
        "rate": (STEPS, np.full(len(STEPS), 1e-3)),
        **{tag: (STEPS, np.full(len(STEPS), ratio)) for tag in layers.tags},
    }
    signals = Signals(train_loss=("train",), learning_rate=("rate",), per_layer={"update_ratio": layers})
    assert f'group["lr"] *= {factor}' in suggest("raise-learning-rate", make_view(columns, signals)).how


def noisy_view(scale, batch=8.0):
    columns = {
        "train": (STEPS, 1.0 + SHARE),
        tags.GRADIENT_NOISE_SCALE: (STEPS, np.full(len(STEPS), scale)),
        tags.SAMPLES: (STEPS, batch * STEPS),
    }
    return make_view(columns, Signals(train_loss=("train",)))


@pytest.mark.parametrize(("scale", "factor"), [(16.0, 2), (64.0, 8), (1e4, 16)])
def test_the_batch_grows_towards_the_noise_scale(scale, factor):
    suggestion = suggest("raise-batch-size", noisy_view(scale))
    assert f"(8 becomes {8 * factor})" in suggestion.summary
    assert f"/ {factor}\n" in suggestion.how


@pytest.mark.parametrize(("scale", "part"), [(100.0, 2), (20.0, 8), (40.0, 4)])
def test_the_batch_shrinks_towards_twice_the_noise_scale(scale, part):
    suggestion = suggest("smaller-batch", noisy_view(scale, batch=320.0))
    assert f"from 320 to {320 // part} examples" in suggestion.summary


def test_warm_up_lasts_until_the_gradient_has_settled():
    norm = np.where(STEPS < 900, 20.0, 1.0)
    view = make_view(
        {"norm": (STEPS, norm), "train": (STEPS, 1 + SHARE)}, Signals(train_loss=("train",), grad_norm=("norm",))
    )
    length = int(re.search(r"total_iters=(\d+)", suggest("longer-warmup", view, finding(first_step=500)).how)[1])
    assert length == pytest.approx(900, abs=100)


def test_warm_up_lasts_as_long_as_adams_memory():
    view = rich_view(hyper_parameters={"optimizer": "AdamW", "betas": "(0.9, 0.9985)"})
    flat = RunView(view.run, Signals(train_loss=("train",)))
    length = int(re.search(r"total_iters=(\d+)", suggest("longer-warmup", flat).how)[1])
    assert length == pytest.approx(2 / 0.0015, rel=0.01)


def test_nothing_is_restored_that_was_wrong_from_the_start():
    assert suggest("restore-checkpoint", about=finding(first_step=0)) is None
    assert suggest("restore-checkpoint", about=finding(first_step=190)) is None
    assert suggest("restore-checkpoint", about=finding(first_step=2000)) is not None


def test_the_checkpoint_is_the_last_one_that_was_marked():
    view = rich_view()
    marked = [Marker(step, "checkpoint", {"path": f"out/checkpoint-{step}"}) for step in (500, 1500, 2500)]
    view = RunView(replace(view.run, markers=tuple(marked)), view.signals)
    suggestion = suggest("restore-checkpoint", view)
    assert "'out/checkpoint-1500'" in suggestion.how
    assert suggestion.summary.endswith("which is that of step 1,500")


def test_clipping_takes_the_norms_from_before_the_trouble():
    norm = rich_view().run.series["norm"]
    expected = float(np.percentile(norm.value[norm.step < 2000], 90))
    assert f"max_norm={expected:.3g}" in suggest("clip-gradients").how
    assert suggest("clip-gradients").verify.signal == "norm"


def test_without_a_norm_clipping_takes_the_customary_value_and_says_so():
    suggestion = suggest("clip-gradients", short_view())
    assert "max_norm=1" in suggestion.how
    assert "customary" in suggestion.summary


def test_a_batch_is_skipped_far_above_the_ordinary_norms():
    norm = rich_view().run.series["norm"]
    early = norm.value[norm.step < 2000]
    threshold = float(suggest("skip-bad-batches").summary.rsplit(" ", 1)[1])
    assert threshold > 1.5 * float(early.max())


def test_warm_up_doubles_what_there_was_and_is_for_early_trouble_only():
    length = int(re.search(r"total_iters=(\d+)", suggest("longer-warmup").how)[1])
    assert length == pytest.approx(2 * 1000, rel=0.05)
    assert suggest("longer-warmup", about=finding(first_step=8000)) is None


def test_the_checkpoint_is_that_of_the_best_step_or_the_one_before_the_trouble():
    assert "at step 3,000" in suggest("restore-checkpoint", about=finding("overfitting", "val-math", 3000)).summary
    assert "before step 2,000" in suggest("restore-checkpoint").summary


def test_what_helps_against_overfitting_is_seen_in_the_validation_loss_that_turned():
    told = (Evidence("it was level", signal="val-code"), Evidence("it fell meanwhile", signal="train"))
    about = replace(finding("overfitting", first_step=3000), evidence=told)
    assert suggest("restore-checkpoint", about=about).verify.signal == "val-code"
    assert suggest("more-regularisation", about=about).verify.signal == "val-code"


def test_the_best_step_is_that_of_the_smallest_validation_loss():
    view = make_view(
        {"train": (STEPS, 1 + SHARE), "val": (VAL_STEPS, np.abs(VAL_STEPS - 3000.0) + 1)},
        Signals(train_loss=("train",), val_loss={"": "val"}),
    )
    assert "checkpoints/step_3000.pt" in suggest("stop-and-keep-best", view).how


def test_half_precision_that_is_bfloat16_already_is_left_alone():
    assert suggest("use-bfloat16", rich_view(hyper_parameters={"bf16": True})) is None
    assert suggest("use-bfloat16", rich_view(hyper_parameters={"precision": "bf16-mixed"})) is None
    assert suggest("use-bfloat16", rich_view(hyper_parameters={"fp16": True})) is not None


def test_only_an_optimizer_with_betas_has_its_beta_lowered():
    assert suggest("lower-adam-beta2", rich_view(hyper_parameters={"optimizer": "SGD"})) is None
    assert suggest("lower-adam-beta2", rich_view(hyper_parameters={"optimizer": "AdamW"})) is not None


def test_settings_of_the_run_are_named_where_they_are_known():
    assert "(32 becomes 128)" in suggest("raise-batch-size", rich_view(hyper_parameters={"batch_size": 32})).summary
    assert (
        "weight decay 0.03"
        in suggest("more-regularisation", rich_view(hyper_parameters={"weight_decay": 0.01})).summary
    )


def test_mixing_and_replay_need_several_suites():
    assert suggest("data-mixing", short_view()) is None
    assert suggest("replay-old-data", short_view()) is None


def test_the_suite_that_still_falls_gets_the_larger_weight():
    suggestion = suggest("data-mixing", rich_view())
    weights = ast.literal_eval(suggestion.how.splitlines()[0].removeprefix("weights = "))
    assert weights["math"] > weights["code"] > 0
    assert sum(weights.values()) == pytest.approx(1.0, abs=0.01)


def test_without_suites_the_training_losses_of_the_domains_give_the_weights():
    falling, flat = 3.0 - 2.0 * SHARE, np.full(len(STEPS), 2.0)
    columns = {"train/math/loss": (STEPS, falling), "train/code/loss": (STEPS, flat), "train/loss": (STEPS, falling)}
    roles = tuple(Role(tag, "domain", "") for tag in columns if tag != "train/loss")
    suggestion = suggest("data-mixing", make_view(columns, Signals(train_loss=("train/loss",), roles=roles)))
    weights = ast.literal_eval(suggestion.how.splitlines()[0].removeprefix("weights = "))
    assert weights["math"] > weights["code"] > 0


def test_replay_is_verified_on_the_suite_that_was_forgotten():
    assert suggest("replay-old-data").verify.signal == "val-code"


def test_a_run_with_points_enough_is_not_asked_for_more():
    assert suggest("log-more-often") is None


def test_a_foreign_row_gets_a_name_and_not_a_folder():
    suggestion = suggest("separate-log-folders", about=finding("foreign-validation-row", "val-math"))
    assert "test/loss" in suggestion.how
    assert "'val-math'" in suggestion.how


def test_the_gradient_to_watch_is_that_of_the_first_layer_named():
    assert suggest("residual-connections", about=finding(layers=("layer1",))).verify.signal == "grad_norm/layer1"
