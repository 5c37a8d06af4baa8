"""What is suggested to who trains with Hugging Face's Trainer: its arguments exist, and its classes train."""

from __future__ import annotations

import ast
import math

import pytest
import torch
from tests.hooks.integrations.suggested import suggested
from tests.hooks.integrations.test_transformers import Classifier, Points
from transformers import Trainer, TrainerCallback, TrainingArguments

import trainvitals
from trainvitals.dialect import dialect_of
from trainvitals_hooks.integrations.transformers import VitalsCallback

pytestmark = [pytest.mark.torch, pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

HOW = suggested("transformers")
# What takes files of an earlier training, or the package `datasets`.
OF_FILES = {"restore-checkpoint", "stop-and-keep-best"}
# Of a model with a configuration, and of examples that can be told by their text.
OF_FILES |= {"larger-model", "deduplicate-splits"}
OF_DATASETS = {name for name, how in HOW.items() if "from datasets" in how} | {"shuffle-data"}
# Pieces of the person's own code, and what looks at pictures.
OF_LOOPS = {"empty-gradients", "release-memory", "normalise-inputs"}
OF_ACCELERATORS = {"use-bfloat16"}
# What these arguments become depends on the machine, or they are turned into something else.
CHANGED = {"debug", "dataloader_pin_memory"}
RUNNABLE = sorted(set(HOW) - OF_FILES - OF_DATASETS - OF_LOOPS - OF_ACCELERATORS)


def arguments(folder, **more):
    return TrainingArguments(
        output_dir=str(folder), max_steps=3, per_device_train_batch_size=8, report_to=[], use_cpu=True, **more
    )


def place(folder):
    model = Classifier()
    args = arguments(folder)
    trainer = Trainer(model=model, args=args, train_dataset=Points(), eval_dataset=Points(1))
    return {"torch": torch, "model": model, "args": args, "trainer": trainer, "train_dataset": Points()}


def test_most_advice_can_be_run():
    assert len(RUNNABLE) > 25


@pytest.mark.parametrize("name", RUNNABLE)
def test_it_runs_and_a_training_with_it_ends_well(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = place(tmp_path)
    exec(compile(HOW[name], name, "exec"), names)
    trainer = _trainer_of(names, tmp_path)
    assert math.isfinite(trainer.train().training_loss)


def _trainer_of(names, folder):
    """A Trainer made of whatever the code has made: arguments, a subclass, callbacks."""
    args = names["args"]
    args.max_steps, args.use_cpu, args.report_to, args.logging_strategy = 3, True, [], "no"
    made = [each for each in names.values() if isinstance(each, type)]
    kind = next((each for each in made if issubclass(each, Trainer) and each is not Trainer), None)
    callbacks = [each() for each in made if issubclass(each, TrainerCallback) and each is not TrainerCallback]
    own = [each for key, each in names.items() if isinstance(each, TrainerCallback) and key != "averaging"]
    if kind is None and not own and isinstance(names["trainer"], Trainer) and names["trainer"].args is args:
        return names["trainer"]
    if any(type(each).__name__ in ("CheckWiring", "Profiled") for each in callbacks):
        callbacks = []
    return (kind or Trainer)(
        model=Classifier(), args=args, train_dataset=Points(), eval_dataset=Points(1), callbacks=[*callbacks, *own]
    )


@pytest.mark.parametrize("name", sorted(HOW))
def test_arguments_have_the_names_that_transformers_knows(name, tmp_path):
    calls = [
        node
        for node in ast.walk(ast.parse(HOW[name]))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "TrainingArguments"
    ]
    for call in calls:
        given = {}
        for each in call.keywords:
            try:
                given[each.arg] = ast.literal_eval(each.value)
            except ValueError:
                assert each.arg == "output_dir"
        args = TrainingArguments(**given | {"output_dir": str(tmp_path), "use_cpu": True, "report_to": []})
        for key in given.keys() - {"output_dir", "report_to", "use_cpu"}:
            assert key in CHANGED or getattr(args, key) == given[key]


def test_the_norm_of_the_run_is_what_the_trainer_clips_at(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = place(tmp_path)
    exec(HOW["clip-gradients"], names)
    assert names["args"].max_grad_norm > 0
    assert f"max_grad_norm={names['args'].max_grad_norm:.3g}" in HOW["clip-gradients"]


def test_a_batch_out_of_proportion_changes_nothing(tmp_path, monkeypatch):
    names = place(tmp_path)
    exec(HOW["skip-bad-batches"].replace("norm < ", "norm < 1e-9 * "), names)
    model = Classifier()
    before = {name: each.detach().clone() for name, each in model.named_parameters()}
    names["Skipping"](model=model, args=arguments(tmp_path, weight_decay=0.0), train_dataset=Points()).train()
    assert all(torch.equal(before[name], each) for name, each in model.named_parameters())


def test_a_watched_trainer_is_known_by_its_record(tmp_path):
    callback = VitalsCallback(tmp_path / "log", live=False)
    Trainer(model=Classifier(), args=arguments(tmp_path), train_dataset=Points(), callbacks=[callback]).train()
    assert dialect_of(trainvitals.read_run(callback.folder)) == "transformers"
