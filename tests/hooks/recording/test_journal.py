"""Every loss is kept, and stands at the step it belongs to."""

from __future__ import annotations

import math
import time

import pytest
import torch
from tests.hooks.training import batches, network, plain_steps, recorded, watching
from torch import nn

from trainvitals_hooks.recording.journal import Journal

pytestmark = pytest.mark.torch


@pytest.fixture
def model():
    return network()


@pytest.fixture
def optimizer(model):
    return torch.optim.SGD(model.parameters(), 0.05)


def make_step(model, optimizer):
    x, y = next(batches(1))
    loss = nn.functional.cross_entropy(model(x), y)
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    return loss


def test_the_loss_of_every_call_is_kept_whatever_every_is(tmp_path, model, optimizer):
    with watching(model, optimizer, tmp_path, every=1000) as vitals:
        losses = plain_steps(model, optimizer, vitals, 57)
    assert recorded(tmp_path)["train/loss"] == pytest.approx(dict(enumerate(losses)), rel=1e-6)


def test_a_loop_that_logs_before_its_step_has_the_same_numbering(tmp_path, model, optimizer):
    with watching(model, optimizer, tmp_path, every=1) as vitals:
        for number in range(5):
            vitals.log(loss=float(number))
            make_step(model, optimizer)
    found = recorded(tmp_path)
    assert found["train/loss"] == {step: float(step) for step in range(5)}
    assert sorted(found["train/grad_norm"]) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("logs_first", [False, True])
def test_the_short_way_writes_the_bytes_of_the_long_one(tmp_path, monkeypatch, logs_first):
    monkeypatch.setattr(time, "time", lambda: 1e9)
    monkeypatch.setattr(time, "perf_counter", lambda: 0.0)
    shortly = Journal.make_step_shortly
    taken = []

    def written(folder, make_step_shortly):
        monkeypatch.setattr(Journal, "make_step_shortly", make_step_shortly)
        torch.manual_seed(0)
        model = network()
        optimizer = torch.optim.SGD(model.parameters(), 0.05)
        with watching(model, optimizer, folder, every=100, signals="light") as vitals:
            for number in range(60):
                if logs_first:
                    vitals.log(loss=torch.tensor(1.0 / (number + 1)), tokens=8, accuracy=0.5)
                make_step(model, optimizer)
                if number == 20:
                    vitals.event("checkpoint")
                if not logs_first and number % 7:
                    vitals.log(loss=1e39 if number == 40 else 1.0 / (number + 1), step=1000 + number)
                    if number % 5 == 0:
                        vitals.log(loss=3)
        (file,) = folder.glob("*tfevents*")
        return file.read_bytes()

    short = written(tmp_path / "short", lambda journal, _: taken.append(shortly(journal, 0.0)) or taken[-1])
    assert written(tmp_path / "long", lambda *_: False) == short
    assert taken.count(True) > 30


def test_micro_batches_after_the_step_are_averaged(tmp_path, model, optimizer):
    with watching(model, optimizer, tmp_path) as vitals:
        for number in range(3):
            make_step(model, optimizer)
            for micro in range(4):
                vitals.log(loss=10.0 * number + micro)
    assert recorded(tmp_path)["train/loss"] == {0: 1.5, 1: 11.5, 2: 21.5}


def test_micro_batches_before_the_step_are_averaged_and_those_without_a_step_are_kept(tmp_path, model, optimizer):
    with watching(model, optimizer, tmp_path) as vitals:
        for number in range(3):
            for micro in range(4):
                vitals.log(loss=10.0 * number + micro)
            make_step(model, optimizer)
        vitals.log(loss=30.0)
        vitals.log(loss=32.0)
    assert recorded(tmp_path)["train/loss"] == {0: 1.5, 1: 11.5, 2: 21.5, 3: 31.0}


def test_a_non_finite_micro_batch_is_not_averaged_away(tmp_path, model, optimizer):
    with watching(model, optimizer, tmp_path) as vitals:
        make_step(model, optimizer)
        vitals.log(loss=1.0)
        vitals.log(loss=math.inf)
        make_step(model, optimizer)
        vitals.log(loss=torch.tensor([1.0, math.nan]))
    found = recorded(tmp_path)["train/loss"]
    assert found[0] == math.inf
    assert math.isnan(found[1])


def test_a_loss_that_is_changed_in_place_later_is_the_one_that_was_logged(tmp_path, model, optimizer):
    with watching(model, optimizer, tmp_path) as vitals:
        loss = make_step(model, optimizer).detach()
        value = loss.item()
        vitals.log(loss=loss)
        loss.mul_(1000)
        make_step(model, optimizer)
    assert recorded(tmp_path)["train/loss"] == {0: pytest.approx(value, rel=1e-6)}


def test_clipping_before_the_step_does_not_move_the_loss(tmp_path, model, optimizer):
    with watching(model, optimizer, tmp_path) as vitals:
        for number in range(3):
            model(next(batches(1))[0]).sum().backward()
            vitals.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            vitals.log(loss=float(number))
    found = recorded(tmp_path)
    assert found["train/loss"] == {0: 0, 1: 1, 2: 2}
    assert sorted(found["train/grad_norm_before_clipping"]) == [0, 1, 2]


def test_the_loops_own_step_numbers_win(tmp_path, model, optimizer):
    with watching(model, optimizer, tmp_path, every=2) as vitals:
        for number in range(6):
            make_step(model, optimizer)
            vitals.log(step=5000 + number, loss=float(number))
    found = recorded(tmp_path)
    assert found["train/loss"] == {5000 + number: float(number) for number in range(6)}
    assert sorted(found["train/grad_norm"]) == [5000, 5002, 5004]


def test_two_optimizers_make_one_step_together(tmp_path):
    generator, judge = nn.Linear(4, 4), nn.Linear(4, 1)
    both = nn.ModuleDict({"generator": generator, "judge": judge})
    first = torch.optim.SGD(judge.parameters(), 0.1)
    second = torch.optim.SGD(generator.parameters(), 0.2)
    with watching(both, [second, first], tmp_path, every=2) as vitals:
        for number in range(6):
            judge(generator(torch.randn(8, 4)).detach()).mean().backward()
            first.step()
            first.zero_grad()
            judge(generator(torch.randn(8, 4))).mean().backward()
            second.step()
            vitals.log(loss=float(number), generator_loss=1.0)
            second.zero_grad()
    found = recorded(tmp_path)
    assert found["train/loss"] == {number: float(number) for number in range(6)}
    assert sorted(found["grad_norm/judge.weight"]) == [0, 2, 4]
    assert sorted(found["update_ratio/generator.weight"]) == [0, 2, 4]
    assert found["learning_rate/group0"][0] == pytest.approx(0.2)
    assert found["learning_rate/group1"][0] == pytest.approx(0.1)
    assert {"train/optimizer0/grad_norm", "train/optimizer1/grad_norm"} <= set(found)


def test_domains_are_kept_apart_and_together(tmp_path, model, optimizer):
    with watching(model, optimizer, tmp_path) as vitals:
        make_step(model, optimizer)
        vitals.log(loss=1.0, domain="code", tokens=100, samples=2, epoch=0.5)
        vitals.log(loss=3.0, domain="prose", tokens=50)
        vitals.log_validation(loss=7.0)
        vitals.log_validation("code", loss=8.0, accuracy=0.5)
    found = recorded(tmp_path)
    assert found["train/loss"] == {0: 2.0}
    assert (found["train/code/loss"], found["train/prose/loss"]) == ({0: 1.0}, {0: 3.0})
    assert (found["progress/tokens"], found["progress/samples"], found["progress/epoch"]) == (
        {0: 150.0},
        {0: 2.0},
        {0: 0.5},
    )
    assert (found["val/loss"], found["val/code/loss"], found["val/code/accuracy"]) == ({0: 7.0}, {0: 8.0}, {0: 0.5})


def test_what_is_no_number_is_told_once_and_costs_nothing_else(tmp_path, model, optimizer, capsys):
    with watching(model, optimizer, tmp_path) as vitals:
        for _ in range(3):
            make_step(model, optimizer)
            vitals.log(loss=1.0, note="fine", empty=torch.zeros(0))
    assert recorded(tmp_path)["train/loss"] == {0: 1.0, 1: 1.0, 2: 1.0}
    told = capsys.readouterr().err
    assert told.count("train/note: str is no number") == 1
    assert told.count("train/empty") == 1


def test_a_subclass_that_calls_its_parents_step_makes_one_step(tmp_path, model):
    class Louder(torch.optim.SGD):
        def step(self, closure=None):
            return super().step(closure)

    optimizer = Louder(model.parameters(), 0.1)
    with watching(model, optimizer, tmp_path, every=1) as vitals:
        plain_steps(model, optimizer, vitals, 4)
    assert sorted(recorded(tmp_path)["train/loss"]) == [0, 1, 2, 3]


def test_a_step_that_raised_does_not_disturb_the_next_ones(tmp_path, model):
    class Shaky(torch.optim.SGD):
        shaken = False

        def step(self, closure=None):
            if not self.shaken:
                self.shaken = True
                raise RuntimeError("once")
            return super().step(closure)

    optimizer = Shaky(model.parameters(), 0.1)
    with watching(model, optimizer, tmp_path, every=1) as vitals:
        with pytest.raises(RuntimeError, match="once"):
            make_step(model, optimizer)
        losses = plain_steps(model, optimizer, vitals, 3)
    found = recorded(tmp_path)
    assert found["train/loss"] == pytest.approx(dict(enumerate(losses)), rel=1e-6)
    assert sorted(found["update_ratio/0.weight"]) == [0, 1, 2]
