"""Advice comes in the words of the framework that the run was trained in, as far as its log tells which that was."""

from __future__ import annotations

import ast
from dataclasses import replace

import pytest
from tests.monitor.interventions.names import free_names
from tests.monitor.interventions.suggesting import NAMES, finding, rich_view, short_view

from trainvitals.dialect import dialect_of
from trainvitals.interventions.intervention import UNDO_IN_WORDS
from trainvitals.interventions.registry import all_interventions
from trainvitals.interventions.snippets import monitored
from trainvitals.model import Run
from trainvitals.synth import healthy_run

FRAMEWORKS = ("transformers", "lightning", "accelerate")

# What whoever pastes code has at hand. Some of it they must fill in: comments in the code say what it stands for.
ANYWHERE = {"torch", "model", "device", "head_width", "width", "self", "logits", "loss", "y", "x", "step"}
IN_A_LOOP = ANYWHERE | {"optimizer", "scheduler", "loader", "loss_fn", "train_set", "criterion", "epochs", "writer"}
IN_A_LOOP |= {"best", "waited", "validation_loss", "domain_of", "more_data", "new_data", "old_data", "test_loss"}
IN_A_LOOP |= {"val_loader", "val_set", "make_model"}
IN_A_LOOP |= {"total_loss", "outputs", "output", "accelerator"}
OF_TRANSFORMERS = {"torch", "trainer", "model", "args", "train_dataset", "domains", "more_data", "new_data", "old_data"}
OF_TRANSFORMERS |= {"eval_dataset", "losses", "loss", "optimizer"}
OF_LIGHTNING = {"torch", "val_set", "trainer", "model", "self", "loader", "loss", "train_set"}
ALLOWED = {
    "pytorch": IN_A_LOOP,
    "accelerate": IN_A_LOOP,
    "transformers": OF_TRANSFORMERS,
    "lightning": OF_LIGHTNING,
}
# No loop in it: holds wherever there is a model.
WITHOUT_A_LOOP = ANYWHERE | {"optimizer"}


def view_of(framework: str, name: str = ""):
    settings = {"framework": framework, "trainvitals": "0", "optimizer": "AdamW", "batch_size": 32}
    if name == "log-more-often":
        view = short_view()
        return type(view)(replace(view.run, hyper_parameters=settings), view.signals)
    return rich_view(hyper_parameters=settings)


def suggest(name: str, framework: str):
    suggestion = all_interventions()[name].suggest(view_of(framework, name), finding())
    assert suggestion is not None
    return suggestion


@pytest.mark.parametrize("framework", ["pytorch", *FRAMEWORKS])
@pytest.mark.parametrize("name", NAMES)
def test_code_parses_and_takes_only_what_there_is_in_the_framework(name, framework):
    suggestion = suggest(name, framework)
    taken = free_names(suggestion.how)
    allowed = ALLOWED[suggestion.dialect]
    if suggestion.dialect == "pytorch" and framework in ("transformers", "lightning"):
        allowed = WITHOUT_A_LOOP
        assert "backward()" not in suggestion.how
        assert "DataLoader" not in suggestion.how
    assert taken <= allowed, taken - allowed
    assert "\n\n\n" not in suggestion.how
    assert max(map(len, suggestion.how.splitlines())) <= 120


@pytest.mark.parametrize("name", NAMES)
def test_basis_and_way_back_are_told_and_a_hypothesis_is_called_one(name):
    suggestion = suggest(name, "pytorch")
    intervention = all_interventions()[name]
    assert "basis" in vars(type(intervention)), "say what the expected effect rests on"
    assert "undo" in vars(type(intervention)), "say how to get back"
    assert suggestion.risk.endswith(UNDO_IN_WORDS[suggestion.undo])
    assert suggestion.expected.startswith("a hypothesis: ") == (suggestion.basis == "hypothesis")


def test_most_advice_differs_between_the_frameworks():
    own = {name for name in NAMES if suggest(name, "transformers").dialect == "transformers"}
    assert len(own) > 35
    assert own == {name for name in NAMES if suggest(name, "lightning").dialect == "lightning"}


def test_the_trainer_is_told_by_its_arguments_and_lightning_by_its_trainer():
    transformers, lightning = (suggest("clip-gradients", each).how for each in ("transformers", "lightning"))
    assert "max_grad_norm=" in transformers
    assert "gradient_clip_val=" in lightning
    assert "clip_grad_norm_" not in transformers + lightning


def test_accelerate_keeps_the_loop_but_for_its_own_calls():
    how = suggest("clip-gradients", "accelerate").how
    assert "accelerator.backward(loss)" in how
    assert "accelerator.clip_grad_norm_(model.parameters()" in how


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_our_own_record_names_the_framework(framework):
    assert view_of(framework).dialect == framework


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        (("train/loss", "train/train_runtime"), "transformers"),
        (("eval/loss", "eval/steps_per_second"), "transformers"),
        (("train_loss", "hp_metric"), "lightning"),
        (("train_loss", "lr-AdamW"), "lightning"),
        (("train_loss", "lr-SGD/pg1"), "lightning"),
        (("train_loss", "lr-schedule"), "pytorch"),
        (("train/loss", "train/learning_rate"), "pytorch"),
    ],
)
def test_foreign_logs_tell_by_names_that_only_a_framework_gives(tags, expected):
    series = healthy_run("annealed").run.series["train/loss"]
    run = Run("r", "", "r", "tensorboard", {tag: replace(series, tag=tag) for tag in tags})
    assert dialect_of(run) == expected


def test_a_trainer_state_and_a_trainers_arguments_are_of_transformers():
    run = healthy_run("annealed").run
    assert dialect_of(run) == "pytorch"
    assert dialect_of(replace(run, format="hf-trainer-state")) == "transformers"
    assert dialect_of(replace(run, format="lightning-csv")) == "lightning"
    assert dialect_of(replace(run, texts={"args/text_summary": "{}"})) == "transformers"


def test_a_lightning_optimizer_keeps_what_the_run_had():
    view = rich_view(
        hyper_parameters={"framework": "lightning", "optimizer": "SGD", "momentum": 0.9, "weight_decay": 0.01}
    )
    suggestion = all_interventions()["lower-learning-rate"].suggest(view, finding())
    assert suggestion is not None
    (call,) = [
        node
        for node in ast.walk(ast.parse(suggestion.how))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "SGD"
    ]
    given = {each.arg: ast.literal_eval(each.value) for each in call.keywords}
    assert given == {"lr": pytest.approx(1.5e-4, rel=0.01), "momentum": 0.9, "weight_decay": 0.01}


@pytest.mark.parametrize(
    ("settings", "tag", "expected"),
    [
        ({"framework": "transformers"}, "eval_code_loss", "'eval_code_loss'"),
        ({"framework": "transformers"}, "eval/loss", "'eval_loss'"),
        ({"framework": "transformers", "trainvitals": "0"}, "val/loss", "'eval_loss'"),
        ({"framework": "lightning"}, "valid/loss_epoch", "'valid/loss_epoch'"),
        ({"framework": "lightning", "trainvitals": "0"}, "val/loss", "'val_loss'"),
    ],
)
def test_what_is_monitored_has_the_name_that_the_framework_gave(settings, tag, expected):
    view = rich_view(hyper_parameters=settings)
    loss = view.val_loss
    assert loss is not None
    assert monitored(view, replace(loss, recorded=replace(loss.recorded, tag=tag))) == expected


def test_an_improvement_to_wait_for_is_never_nothing():
    view = rich_view()
    flat = {tag: replace(each, value=0.0 * each.value + 1.0) for tag, each in view.run.series.items()}
    suggestion = all_interventions()["early-stopping"].suggest(
        type(view)(replace(view.run, series=flat), view.signals), finding()
    )
    assert suggestion is not None
    assert suggestion.summary.endswith("of more than 0.01")
