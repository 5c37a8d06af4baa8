"""Accelerate: its tracker, and its wrappers around the optimizer."""

from __future__ import annotations

import math

import pytest
import torch
from accelerate import Accelerator
from tests.hooks.training import batches, network, recorded
from torch import nn
from torch.utils.data import DataLoader

import trainvitals
from trainvitals_hooks.integrations.accelerate import VitalsTracker

pytestmark = [pytest.mark.torch, pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

STEPS = 12


def prepared(tracker=None, *, parts=1):
    torch.manual_seed(0)
    accelerator = Accelerator(cpu=True, log_with=tracker, gradient_accumulation_steps=parts)
    model = network(dropout=0.2)
    data = list(batches(STEPS))
    loader = DataLoader(data, batch_size=None)
    return accelerator, *accelerator.prepare(model, torch.optim.AdamW(model.parameters(), 0.01), loader)


def train(accelerator, model, optimizer, loader, log):
    """Gives the losses; an update is made only where the gradients of all micro-batches are there."""
    losses = []
    for number, (x, y) in enumerate(loader):
        with accelerator.accumulate(model):
            loss = nn.functional.cross_entropy(model(x), y)
            accelerator.backward(loss)
            if accelerator.sync_gradients:
                accelerator.clip_grad_norm_(model.parameters(), 0.5)
            optimizer.step()
            optimizer.zero_grad()
        losses.append(loss.item())
        log(loss, number)
    return losses


def test_what_is_logged_stands_at_the_steps_of_the_optimizer(tmp_path):
    tracker = VitalsTracker(tmp_path, every=4, budget=math.inf, live=False)
    accelerator, model, optimizer, loader = prepared(tracker)
    accelerator.init_trackers("some project", {"width": 40})
    tracker.watch(model, optimizer)
    # The numbers that a loop counts by itself may be anything: epochs, samples, every tenth batch.
    losses = train(
        accelerator,
        model,
        optimizer,
        loader,
        lambda loss, number: accelerator.log({"train_loss": loss.item(), "epoch": number / 6}, step=1000 * number),
    )
    accelerator.log({"val_loss": 1.5, "eval/code/accuracy": 0.5, "step": 3}, step=0)
    accelerator.end_training()
    found = recorded(tmp_path)
    assert found["train/loss"] == pytest.approx(dict(enumerate(losses)), rel=1e-6)
    assert found["progress/epoch"] == pytest.approx({step: step / 6 for step in range(STEPS)})
    assert (found["val/loss"], found["val/code/accuracy"]) == ({STEPS - 1: 1.5}, {STEPS - 1: 0.5})
    assert sorted(found["train/grad_norm"]) == [0, 4, 8]
    assert "train/step" not in found
    assert b'"width": 40' in b"".join(path.read_bytes() for path in tmp_path.glob("*tfevents*"))
    assert not model._forward_hooks


def test_a_plain_watcher_takes_the_wrapped_optimizer_and_sees_the_updates_only(tmp_path):
    accelerator, model, optimizer, loader = prepared(parts=3)
    with trainvitals.watch(model, optimizer, tmp_path, every=1, budget=math.inf, live=False) as vitals:
        train(accelerator, model, optimizer, loader, lambda loss, number: vitals.log(loss=loss))
    found = recorded(tmp_path)
    assert sorted(found["train/grad_norm"]) == [0, 1, 2, 3]
    assert max(found["train/grad_norm"].values()) <= 0.5 * 1.001


def test_a_watched_training_is_bit_for_bit_the_one_that_nobody_watches(tmp_path):
    def weights(tracker):
        accelerator, model, optimizer, loader = prepared(tracker)
        if tracker is not None:
            accelerator.init_trackers("some project")
            tracker.watch(model, optimizer)
        train(accelerator, model, optimizer, loader, lambda loss, number: accelerator.log({"loss": loss.item()}))
        accelerator.end_training()
        return model.state_dict(), torch.get_rng_state()

    alone, random_alone = weights(None)
    watched, random_watched = weights(VitalsTracker(tmp_path, every=1, live=False))
    assert [name for name in alone if not torch.equal(alone[name], watched[name])] == []
    assert torch.equal(random_alone, random_watched)


def test_a_saved_state_goes_on_with_the_same_curve(tmp_path):
    def part(folder, *, load):
        tracker = VitalsTracker(tmp_path / folder, budget=math.inf, live=False)
        accelerator, model, optimizer, loader = prepared(tracker)
        accelerator.init_trackers("some project")
        tracker.watch(model, optimizer)
        accelerator.register_for_checkpointing(tracker)
        if load:
            accelerator.load_state(tmp_path / "saved")
        losses = train(
            accelerator, model, optimizer, loader, lambda loss, number: accelerator.log({"loss": loss.item()})
        )
        accelerator.save_state(tmp_path / "saved")
        accelerator.end_training()
        assert tracker.folder == tmp_path / "first"
        return losses

    losses = part("first", load=False) + part("second", load=True)
    assert recorded(tmp_path / "first")["train/loss"] == pytest.approx(dict(enumerate(losses)), rel=1e-6)
    assert not list((tmp_path / "second").glob("*tfevents*"))


def test_logging_before_there_is_a_watcher_is_told_once(capsys):
    tracker = VitalsTracker()
    tracker.log({"loss": 1.0})
    tracker.log({"loss": 1.0})
    assert capsys.readouterr().err.count("before tracker.watch(model, optimizer)") == 1


def test_a_wrong_setting_is_refused_where_it_is_written():
    with pytest.raises(TypeError, match="evry"):
        VitalsTracker(evry=3)
