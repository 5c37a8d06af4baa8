"""Beside what else a training has: a writer of the person's own, workers that load data."""

from __future__ import annotations

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tests.hooks.training import network, plain_steps, recorded, watching
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from torch.utils.tensorboard import SummaryWriter

import trainvitals

pytestmark = pytest.mark.torch

EPOCHS, STEPS_AN_EPOCH = 6, 20


def train_with_both(vitals, writer, model, optimizer, *, loss="Loss/train", val="Loss/val"):
    """The person's writer counts epochs, the watcher updates."""
    losses = []
    for epoch in range(EPOCHS):
        part = plain_steps(model, optimizer, vitals, STEPS_AN_EPOCH)
        writer.add_scalar(loss, sum(part) / len(part), epoch)
        writer.add_scalar(val, 2.0 - 0.1 * epoch, epoch)
        writer.add_scalar("LR", 0.05, epoch)
        vitals.log_validation(loss=1.0 - 0.1 * epoch)
        losses += part
    vitals.close()
    writer.close()
    return losses


@pytest.fixture
def model():
    return network()


@pytest.fixture
def optimizer(model):
    return torch.optim.SGD(model.parameters(), 0.05)


@pytest.mark.parametrize(
    ("loss", "val", "suffix"),
    [("Loss/train", "Loss/val", ""), ("train/loss", "val/loss", " (another writer)"), ("loss", "val_loss", "")],
)
def test_a_writer_in_the_same_folder_is_shown_and_the_watchers_loss_is_judged(
    tmp_path, model, optimizer, loss, val, suffix
):
    vitals = watching(model, optimizer, tmp_path)
    losses = train_with_both(vitals, SummaryWriter(tmp_path), model, optimizer, loss=loss, val=val)
    run = trainvitals.read_run(tmp_path)
    assert run.series["train/loss"].value.tolist() == pytest.approx(losses, rel=1e-6)
    assert run.series["val/loss"].step.tolist() == [STEPS_AN_EPOCH * (1 + epoch) - 1 for epoch in range(EPOCHS)]
    assert run.series[loss + suffix].step.tolist() == list(range(EPOCHS))
    assert run.series[val + suffix].value.tolist() == pytest.approx([2.0 - 0.1 * epoch for epoch in range(EPOCHS)])
    signals = trainvitals.diagnose(run).signals
    assert signals.train_loss[0] == "train/loss"
    assert loss + suffix in signals.train_loss
    assert dict(signals.val_loss) == {"": "val/loss"}
    assert signals.learning_rate[0] == "learning_rate/group0"
    assert [problem.kind for problem in run.problems] == (["concurrent-writers"] if suffix else [])


@pytest.mark.parametrize("order", ["the watcher below", "the writer first"])
def test_a_writer_in_the_parent_folder_is_another_run(tmp_path, model, optimizer, order):
    if order == "the watcher below":
        vitals, writer = watching(model, optimizer, tmp_path / "run"), SummaryWriter(tmp_path)
    else:
        writer = SummaryWriter(tmp_path)
        vitals = watching(model, optimizer, tmp_path)
    losses = train_with_both(vitals, writer, model, optimizer)
    assert vitals.folder.parent == tmp_path
    runs = {run.path: run for run in trainvitals.read_runs(tmp_path)}
    assert runs.keys() == {str(tmp_path), str(vitals.folder)}
    assert len(runs[str(tmp_path)].series) == 3
    assert runs[str(vitals.folder)].series["train/loss"].value.tolist() == pytest.approx(losses, rel=1e-6)
    assert "Loss/train" not in runs[str(vitals.folder)].series


def test_a_run_resumed_in_the_folder_is_no_other_writer(tmp_path, model, optimizer):
    losses = []
    for part in range(3):
        with watching(model, optimizer, tmp_path, resume=part > 0) as vitals:
            losses += plain_steps(model, optimizer, vitals, 10)
    run = trainvitals.read_run(tmp_path)
    assert run.series["train/loss"].value.tolist() == pytest.approx(losses, rel=1e-6)
    assert not any("writer" in tag for tag in run.series)


def test_tensorboard_shows_one_curve_after_a_checkpoint_was_gone_back_to(tmp_path, model, optimizer):
    with watching(model, optimizer, tmp_path, every=2) as vitals:
        losses = plain_steps(model, optimizer, vitals, 6)
        state = vitals.state_dict()
        plain_steps(model, optimizer, vitals, 9)
    with watching(model, optimizer, tmp_path, every=2) as vitals:
        vitals.load_state_dict(state)
        losses += plain_steps(model, optimizer, vitals, 4)
    accumulator = EventAccumulator(str(tmp_path), size_guidance={"scalars": 0})
    accumulator.Reload()
    shown = {event.step: event.value for event in accumulator.Scalars("train/loss")}
    assert len(accumulator.Scalars("train/loss")) == 10
    assert shown == pytest.approx(dict(enumerate(losses)), rel=1e-6)
    assert [event.step for event in accumulator.Scalars("grad_norm/0.weight")] == [0, 2, 4, 6, 8]
    assert trainvitals.read_run(tmp_path).series["train/loss"].step.tolist() == list(range(10))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_forked_workers_that_load_data_record_nothing_and_lose_nothing(tmp_path, capfd, model, optimizer):
    data = TensorDataset(torch.randn(96, 12), torch.randint(3, (96,)))
    losses = []
    with watching(model, optimizer, tmp_path, every=2) as vitals:
        for _ in range(2):
            for x, y in DataLoader(data, batch_size=8, num_workers=2, multiprocessing_context="fork"):
                loss = nn.functional.cross_entropy(model(x), y)
                loss.backward()
                optimizer.step()
                optimizer.zero_grad()
                vitals.log(loss=loss)
                losses.append(loss.item())
    found = recorded(tmp_path)
    assert found["train/loss"] == pytest.approx(dict(enumerate(losses)), rel=1e-6)
    assert sorted(found["train/grad_norm"]) == list(range(0, 24, 2))
    assert len(list(tmp_path.glob("*tfevents*"))) == 1
    assert capfd.readouterr().err.count("next: trainvitals diagnose") == 1
