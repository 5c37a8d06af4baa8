"""The watcher's life: where it writes, what it survives, what it leaves behind."""

from __future__ import annotations

import copy
import gc
import os
import pickle
import shutil
import sys
import weakref
from pathlib import Path

import pytest
import torch
from tests.hooks.training import batches, network, plain_steps, recorded, watching
from torch import nn

import trainvitals
from trainvitals.errors import ConfigError
from trainvitals_hooks.probes.activations import Activations
from trainvitals_hooks.probes.weights_and_gradients import WeightsAndGradients
from trainvitals_hooks.recording import recorder

pytestmark = pytest.mark.torch


@pytest.fixture
def model():
    return network()


@pytest.fixture
def optimizer(model):
    return torch.optim.SGD(model.parameters(), 0.05)


def hooks_on(model):
    return sum(len(module._forward_hooks) + len(module._forward_pre_hooks) for module in model.modules())


def event_files(folder):
    return sorted(path for path in Path(folder).rglob("*tfevents*"))


def test_the_default_folder_is_named_after_time_and_script(tmp_path, monkeypatch, model, optimizer):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["some/where/train me.py"])
    with watching(model, optimizer, None) as vitals:
        plain_steps(model, optimizer, vitals, 2)
    assert vitals.folder.parent == tmp_path / "runs"
    assert vitals.folder.name.endswith("_train-me")
    assert len(event_files(vitals.folder)) == 1


def test_a_folder_that_holds_a_run_gets_a_fresh_subfolder(tmp_path, model, optimizer):
    folders = []
    for _ in range(3):
        with watching(model, optimizer, tmp_path) as vitals:
            plain_steps(model, optimizer, vitals, 3)
        folders.append(vitals.folder)
    assert folders[0] == tmp_path
    assert len(set(folders)) == 3
    assert {folder.parent for folder in folders[1:]} == {tmp_path}
    assert [run.last_step for run in trainvitals.read_runs(tmp_path)] == [2, 2, 2]


def test_resume_goes_on_behind_the_last_step_in_one_curve(tmp_path, model, optimizer):
    with watching(model, optimizer, tmp_path) as vitals:
        first = plain_steps(model, optimizer, vitals, 5)
    with watching(model, optimizer, tmp_path, resume=True) as vitals:
        second = plain_steps(model, optimizer, vitals, 4)
    assert recorded(tmp_path)["train/loss"] == pytest.approx(dict(enumerate(first + second)), rel=1e-6)


def test_resume_goes_on_in_its_own_folder_whatever_runs_lie_below_it(tmp_path, model, optimizer):
    for count in (5, 9):
        with watching(model, optimizer, tmp_path) as vitals:
            plain_steps(model, optimizer, vitals, count)
    with watching(model, optimizer, tmp_path, resume=True) as vitals:
        assert vitals.folder == tmp_path
        plain_steps(model, optimizer, vitals, 4)
    assert sorted(run.last_step for run in trainvitals.read_runs(tmp_path)) == [8, 8]
    (run,) = [run for run in trainvitals.read_runs(tmp_path) if run.path == str(tmp_path)]
    assert run.series["train/loss"].step.tolist() == list(range(9))


def test_a_checkpoint_goes_on_where_it_was_made_and_voids_what_came_after(tmp_path, model, optimizer):
    with watching(model, optimizer, tmp_path) as vitals:
        first = plain_steps(model, optimizer, vitals, 5)
        vitals.log(tokens=10)
        state = pickle.loads(pickle.dumps(vitals.state_dict()))
        plain_steps(model, optimizer, vitals, 30)
    with watching(model, optimizer, tmp_path) as vitals:
        empty = vitals.folder
        vitals.load_state_dict(state)
        second = plain_steps(model, optimizer, vitals, 4)
        vitals.log(tokens=1)
    assert recorded(tmp_path)["train/loss"] == pytest.approx(dict(enumerate(first + second)), rel=1e-6)
    assert recorded(tmp_path)["progress/tokens"] == {4: 10.0, 8: 11.0}
    assert not empty.exists()


def test_a_tensorboard_reader_sees_one_curve_after_a_resumed_run(tmp_path, model, optimizer):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    with watching(model, optimizer, tmp_path) as vitals:
        plain_steps(model, optimizer, vitals, 5)
        vitals.event("checkpoint", path="a.pt")
    with watching(model, optimizer, tmp_path, resume=True) as vitals:
        plain_steps(model, optimizer, vitals, 6)
    accumulator = EventAccumulator(str(tmp_path), size_guidance={"scalars": 0, "tensors": 0})
    accumulator.Reload()
    assert [event.step for event in accumulator.Scalars("train/loss")] == list(range(11))
    assert [event.step for event in accumulator.Scalars("grad_norm/0.weight")] == [0, 10]
    (marker,) = accumulator.Tensors("event/checkpoint")
    assert marker.tensor_proto.string_val[0] == b'{"path": "a.pt"}'
    assert accumulator.SummaryMetadata("_hparams_/session_start_info").plugin_data.plugin_name == "hparams"


def test_close_leaves_no_hook_and_can_be_called_again(tmp_path, model, optimizer):
    vitals = watching(model, optimizer, tmp_path, every=1)
    assert hooks_on(model) > 0
    vitals.close()
    vitals.close()
    assert hooks_on(model) == 0
    assert not optimizer._optimizer_step_pre_hooks
    assert not optimizer._optimizer_step_post_hooks
    vitals.log(loss=1.0)
    vitals.log_validation(loss=1.0)
    vitals.event("late")


def test_module_hooks_are_there_only_for_recorded_steps_but_for_one_that_keeps_the_input(tmp_path, model, optimizer):
    with watching(model, optimizer, tmp_path, every=4) as vitals:
        present = []
        for _ in range(8):
            present.append(hooks_on(model) > 1)
            assert len(model._forward_pre_hooks) >= 1
            plain_steps(model, optimizer, vitals, 1)
    assert present == [True, False, False, False] * 2


def test_nothing_keeps_the_model_alive_after_close(tmp_path):
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    vitals = watching(model, optimizer, tmp_path, every=1)
    plain_steps(model, optimizer, vitals, 3)
    vitals.close()
    there = weakref.ref(model)
    del model, optimizer, vitals
    gc.collect()
    assert there() is None


def test_copies_and_saved_models_work_and_are_not_recorded(tmp_path, model, optimizer):
    with watching(model, optimizer, tmp_path / "run", every=1) as vitals:
        assert hooks_on(model) > 0
        averaged = copy.deepcopy(model)
        torch.save(model, tmp_path / "model.pt")
        loaded = torch.load(tmp_path / "model.pt", weights_only=False)
        x, y = next(batches(1))
        nn.functional.cross_entropy(model(x), y).backward()
        for other in (averaged, loaded):
            other(x * 1e6)
        optimizer.step()
        copy.deepcopy(optimizer)
        pickle.dumps(optimizer)
        vitals.log(loss=1.0)
    largest = max(recorded(tmp_path / "run")["activation_abs_max/0"].values())
    assert largest < 1e3


def test_a_saved_model_needs_nothing_of_this_package(tmp_path, model, optimizer):
    with watching(model, optimizer, tmp_path / "run", every=1):
        data = pickle.dumps(model)
    assert b"trainvitals" not in data


@pytest.mark.parametrize(
    ("probe", "method", "tag_lost", "tag_kept"),
    [
        (WeightsAndGradients, "after_update", "grad_norm/0.weight", "activation_std/0"),
        (Activations, "after_update", "activation_std/0", "grad_norm/0.weight"),
        (Activations, "arm", "activation_std/0", "update_ratio/0.weight"),
    ],
)
def test_a_broken_probe_is_told_once_and_switched_off(
    tmp_path, monkeypatch, capsys, model, optimizer, probe, method, tag_lost, tag_kept
):
    def broken(*_):
        raise RuntimeError("out of ideas")

    monkeypatch.setattr(probe, method, broken)
    with watching(model, optimizer, tmp_path, every=1) as vitals:
        losses = plain_steps(model, optimizer, vitals, 4)
    found = recorded(tmp_path)
    assert found["train/loss"] == pytest.approx(dict(enumerate(losses)), rel=1e-6)
    assert tag_lost not in found
    assert len(found[tag_kept]) == 4
    assert capsys.readouterr().err.count("out of ideas") == 1
    assert hooks_on(model) == 0


def test_an_error_inside_a_forward_hook_stays_there(tmp_path, monkeypatch, capsys, model, optimizer):
    from trainvitals_hooks.probes import activations

    def broken(*_):
        raise RuntimeError("no tensor for you")

    monkeypatch.setattr(activations._Listener, "_prepare", broken)
    with watching(model, optimizer, tmp_path, every=1) as vitals:
        plain_steps(model, optimizer, vitals, 3)
    assert "activation_std/0" not in recorded(tmp_path)
    assert capsys.readouterr().err.count("no tensor for you") == 1


def test_a_full_disk_stops_no_training_and_is_told(tmp_path, monkeypatch, capsys, model, optimizer):
    vitals = watching(model, optimizer, tmp_path, every=2)
    plain_steps(model, optimizer, vitals, 4)
    full = OSError(28, "No space left on device")

    def write(*_):
        raise full

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", write)
        plain_steps(model, optimizer, vitals, 5)
    plain_steps(model, optimizer, vitals, 3)
    vitals.close()
    told = capsys.readouterr().err
    assert told.count("No space left") == 1
    assert "2 records could not be written" in told
    # What was lost are the full records; the steps between them waited beside the file.
    assert sorted(recorded(tmp_path)["train/loss"]) == [0, 1, 2, 3, 5, 7, 8, 9, 10, 11]


def test_a_removed_folder_stops_no_training(tmp_path, monkeypatch, model, optimizer):
    monkeypatch.setattr(recorder, "LOOK_EVERY_S", 0.0)
    folder = tmp_path / "run"
    vitals = watching(model, optimizer, folder)
    plain_steps(model, optimizer, vitals, 4)
    shutil.rmtree(folder)
    plain_steps(model, optimizer, vitals, 4)
    vitals.close()
    # What step 1 wrote is gone; what waited since then is not.
    assert sorted(recorded(folder)["train/loss"]) == [2, 3, 4, 5, 6, 7]


def test_a_folder_that_cannot_be_made_stops_no_training(tmp_path, capsys, model, optimizer):
    (tmp_path / "file").write_text("in the way")
    vitals = watching(model, optimizer, tmp_path / "file" / "run")
    plain_steps(model, optimizer, vitals, 3)
    vitals.close()
    assert capsys.readouterr().err.count("\n") == 1
    assert hooks_on(model) == 0


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        ({"every": 0}, "every=0"),
        ({"signals": "everything"}, "signals='everything'"),
        ({"budget": 0}, "budget=0"),
        ({"layers": "("}, "no regular expression"),
    ],
)
def test_impossible_arguments_are_refused_before_anything_is_attached(tmp_path, model, optimizer, settings, what):
    with pytest.raises(ConfigError, match=what):
        watching(model, optimizer, tmp_path, **settings)
    assert not optimizer._optimizer_step_post_hooks


def test_what_is_no_optimizer_is_refused(tmp_path, model, optimizer):
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1)
    for strange in ([], scheduler, [optimizer, model]):
        with pytest.raises((ConfigError, TypeError)):
            watching(model, strange, tmp_path)


def test_the_start_line_names_what_cannot_be_seen(tmp_path, capsys, model):
    optimizer = torch.optim.SGD(list(model.parameters())[2:], 0.1)
    watching(model, optimizer, tmp_path).close()
    told = capsys.readouterr().err.splitlines()
    assert "2 parameters that no optimizer updates (0.weight …)" in told[0]
    assert len(told) <= 6


def test_the_budget_raises_the_interval_and_marks_it(tmp_path):
    model = nn.Linear(4, 4)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with watching(model, optimizer, tmp_path, every=1, budget=1e-6) as vitals:
        plain_losses = []
        for _ in range(60):
            model(torch.randn(2, 4)).sum().backward()
            optimizer.step()
            vitals.log(loss=1.0)
            plain_losses.append(1.0)
        assert vitals.every > 1
    found = recorded(tmp_path)
    assert len(found["train/loss"]) == 60
    assert len(found["train/grad_norm"]) < 20
    assert next(iter(found["monitor/every"].values())) == 2


@pytest.mark.slow
def test_memory_stays_flat_over_ten_thousand_steps(tmp_path):
    import tracemalloc

    model = nn.Linear(4, 4)
    optimizer = torch.optim.SGD(model.parameters(), 0.0)
    x = torch.randn(2, 4)

    def steps(vitals, count):
        for _ in range(count):
            model(x).sum().backward()
            optimizer.step()
            optimizer.zero_grad()
            vitals.log(loss=1.0)

    with watching(model, optimizer, tmp_path, every=10) as vitals:
        tracemalloc.start()
        steps(vitals, 2000)
        gc.collect()
        before = tracemalloc.get_traced_memory()[0]
        steps(vitals, 8000)
        gc.collect()
        grown = tracemalloc.get_traced_memory()[0] - before
        tracemalloc.stop()
    # One float kept a step would be more.
    assert grown < 24_000


def test_the_diagnosis_understands_all_of_it(tmp_path, model, optimizer):
    with watching(model, optimizer, tmp_path) as vitals:
        for _ in range(4):
            plain_steps(model, optimizer, vitals, 20)
            vitals.log_validation(loss=1.0)
            vitals.log_validation("code", loss=1.1)
    signals = trainvitals.diagnose(trainvitals.read_run(tmp_path)).signals
    assert signals.train_loss == ("train/loss",)
    assert dict(signals.val_loss) == {"": "val/loss", "code": "val/code/loss"}
    assert signals.learning_rate == ("learning_rate/group0",)
    # The biases of layers that start at zero would have no update ratio at first; these do not.
    assert dict(signals.per_layer) == {
        "grad_norm": 8,
        "weight_norm": 8,
        "update_ratio": 8,
        "activation_mean": 5,
        "activation_std": 5,
        "activation_abs_max": 5,
        "activation_zero_fraction": 5,
        "activation_saturated_fraction": 1,
    }
