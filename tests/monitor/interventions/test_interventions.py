"""Every intervention suggests something sane, with values of the run, code that parses, and tags that stay text."""

from __future__ import annotations

import ast
import math
import re
from dataclasses import replace

import numpy as np
import pytest
from tests.monitor.interventions.names import free_names
from tests.monitor.rules.views import layer_tags, make_view

from trainvitals import tags
from trainvitals.interventions.registry import all_interventions
from trainvitals.interventions.values import quoted
from trainvitals.model import Evidence, Finding, Marker, Run, Severity
from trainvitals.rules.registry import BUILT_IN
from trainvitals.signals import Role, Signals
from trainvitals.view import RunView

NAMES = sorted(all_interventions())
STEPS = 10 * np.arange(1000)
SHARE = STEPS / STEPS[-1]
VAL_STEPS = STEPS[::20]
HOSTILE = 'loss"""\n"); import os; os.remove("x") # \u202e\x1b[31m\' {0} %s'


def rich_view(train="train", suites=("math", "code"), hyper_parameters=None):
    """A run with every signal: the loss falls, one suite gets worse, the rate decays to half of its peak."""
    rng = np.random.default_rng(0)
    noise = np.exp(0.02 * rng.standard_normal(len(STEPS)))
    layers = layer_tags("grad_norm", 4)
    columns = {
        train: (STEPS, (1.0 + 2.0 * np.exp(-5 * SHARE)) * noise),
        "rate": (STEPS, 1e-3 * np.minimum(SHARE / 0.1, 1.0) * (1.0 - 0.5 * SHARE)),
        "norm": (STEPS, np.exp(0.3 * rng.standard_normal(len(STEPS))) * np.where(SHARE > 0.2, 10.0, 1.0)),
        **{f"val-{suite}": (VAL_STEPS, 2.0 - VAL_STEPS / 1e4) for suite in suites[:-1]},
        f"val-{suites[-1]}": (VAL_STEPS, 1.0 + np.abs(VAL_STEPS / 1e4 - 0.3)),
        **{tag: (STEPS, 10.0 ** (index - 4) * noise) for index, tag in enumerate(layers.tags)},
    }
    signals = Signals(
        train_loss=(train,),
        val_loss={suite: f"val-{suite}" for suite in suites},
        learning_rate=("rate",),
        grad_norm=("norm",),
        per_layer={"grad_norm": layers},
    )
    view = make_view(columns, signals)
    if hyper_parameters:
        run = view.run
        view = RunView(
            Run(run.id, run.path, run.name, run.format, run.series, hyper_parameters=hyper_parameters), signals
        )
    return view


def short_view():
    return make_view({"train": (range(10), [1.0] * 10)}, Signals(train_loss=("train",)))


def bare_view():
    return make_view({"hp_metric": ([0], [-1.0])}, Signals())


def finding(name="diverging-loss", signal="train", first_step=2000, layers=()):
    evidence = (Evidence("measured", signal=signal),) if signal else ()
    return Finding(
        "LOS002", name, Severity.WARNING, 0.9, "a finding", first_step=first_step, evidence=evidence, layers=layers
    )


BARE_FINDING = finding(signal=None, first_step=None)


def suggest(name, view=None, about=None):
    return all_interventions()[name].suggest(view or rich_view(), about or finding())


def assert_sane(suggestion, name):
    assert suggestion.name == name
    for text in (suggestion.summary, suggestion.expected, suggestion.risk, suggestion.source, suggestion.verify.signal):
        assert text.strip()
    ast.parse(suggestion.how)
    assert suggestion.how.isascii()
    assert suggestion.verify.direction in ("down", "up", "finite")
    assert math.isfinite(suggestion.verify.size)
    assert suggestion.verify.size >= 0
    assert suggestion.verify.direction == "finite" or suggestion.verify.size > 0
    assert suggestion.verify.within_steps >= 1
    assert not free_names(suggestion.how) & {"nan", "inf"}


def assert_verifiable(suggestion, view):
    """What is to be watched is in the log, or is one of our own tags, or is logged by the suggestion itself."""
    signal = suggestion.verify.signal
    own = signal in tags.TAGS or any(signal.startswith(f"{kind}/") for kind in tags.PER_LAYER_KINDS)
    assert signal in view.run.series or own or signal.rpartition("/")[0] in suggestion.how or signal in suggestion.how


def test_the_registry_has_every_name_that_rules_may_use():
    assert set(NAMES) == {
        "adaptive-learning-rate",
        "anneal-learning-rate",
        "anomaly-detection",
        "average-weights",
        "better-initialisation",
        "broadcast-weights",
        "check-labels",
        "check-loss-inputs",
        "check-slow-device",
        "check-wiring",
        "clip-gradients",
        "clip-queries-and-keys",
        "compare-splits",
        "data-mixing",
        "deduplicate-splits",
        "dynamic-curriculum",
        "early-stopping",
        "empty-gradients",
        "exchange-less-often",
        "extend-schedule",
        "feed-data-faster",
        "fixed-probe-set",
        "larger-model",
        "log-more-often",
        "log-the-loss",
        "longer-warmup",
        "look-at-batches",
        "lower-adam-beta2",
        "lower-adam-epsilon",
        "lower-attention-rate",
        "lower-learning-rate",
        "lower-weight-decay",
        "more-data",
        "more-regularisation",
        "normalise-inputs",
        "normalise-layers",
        "normalise-queries-and-keys",
        "other-activation",
        "overfit-one-batch",
        "own-all-parameters",
        "pass-logits",
        "profile-slow-steps",
        "raise-batch-size",
        "raise-clip-limit",
        "raise-learning-rate",
        "recycle-units",
        "release-memory",
        "replay-old-data",
        "residual-connections",
        "restore-checkpoint",
        "separate-log-folders",
        "shuffle-data",
        "skip-bad-batches",
        "smaller-batch",
        "stop-and-keep-best",
        "training-mode",
        "use-bfloat16",
        "z-loss",
    }


@pytest.mark.parametrize("name", NAMES)
def test_on_a_run_that_has_what_it_needs_it_suggests_something_sane(name):
    view = short_view() if name == "log-more-often" else rich_view()
    suggestion = suggest(name, view)
    assert suggestion is not None
    assert_sane(suggestion, name)
    assert_verifiable(suggestion, view)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("view", [bare_view, short_view])
def test_without_its_signals_it_is_silent_or_still_sane(name, view):
    suggestion = suggest(name, view(), BARE_FINDING)
    if suggestion is not None:
        assert_sane(suggestion, name)


@pytest.mark.parametrize("name", NAMES)
def test_text_from_the_log_stays_text_inside_code(name):
    about = finding("foreign-validation-row", signal=HOSTILE, layers=(HOSTILE,))
    suggestion = suggest(name, rich_view(train=HOSTILE, suites=(HOSTILE, "code")), about)
    if suggestion is None:
        return
    assert_sane(suggestion, name)
    calls = [node for node in ast.walk(ast.parse(suggestion.how)) if isinstance(node, ast.Attribute)]
    assert "remove" not in {call.attr for call in calls}
    assert "\x1b" not in suggestion.how


@pytest.mark.parametrize("name", NAMES)
def test_every_intervention_says_when_and_why(name):
    page = type(all_interventions()[name]).__doc__
    assert page is not None
    assert len(page) > 40
    assert all_interventions()[name].source


@pytest.mark.parametrize(("module", "cls"), BUILT_IN)
def test_every_rule_names_only_interventions_that_exist(module, cls):
    rule_module = pytest.importorskip(f"trainvitals.rules.{module}")
    assert set(getattr(rule_module, cls).interventions) <= set(NAMES)


def test_quoted_text_is_one_plain_string():
    assert ast.literal_eval(quoted(HOSTILE)) == HOSTILE
    assert "\n" not in quoted(HOSTILE)


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
