"""The same examples at every evaluation, each loss kept, and the training none the wiser."""

from __future__ import annotations

import copy
import itertools
import math
import random

import numpy as np
import pytest
import torch
from tests.hooks.training import BATCH, CLASSES, FEATURES, batches, network, plain_steps, recorded, watching
from torch import nn

from trainvitals import read_run
from trainvitals.signals import understand
from trainvitals_hooks.recording.schedule import Schedule

pytestmark = pytest.mark.torch

EXAMPLES = 5


def held_out():
    generator = torch.Generator().manual_seed(9)
    return torch.randn(EXAMPLES, FEATURES, generator=generator), torch.randint(
        CLASSES, (EXAMPLES,), generator=generator
    )


def per_example_loss(model, batch):
    x, y = batch
    return nn.functional.cross_entropy(model(x), y, reduction="none")


def by_hand(model, batch):
    """The loss of each example, one at a time, of a copy of the model."""
    quiet = copy.deepcopy(model).eval()
    with torch.no_grad():
        return [nn.functional.cross_entropy(quiet(x[None]), y[None]).item() for x, y in zip(*batch, strict=True)]


def losses_at(found, step):
    return [found[f"probe_set_example_loss/{number}"][step] for number in range(EXAMPLES)]


@pytest.mark.parametrize("log_first", [False, True])
def test_every_example_s_loss_is_kept_at_each_validation(tmp_path, log_first):
    model = network(dropout=0.5)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    expected = {}
    with watching(model, optimizer, tmp_path, every=3) as vitals:
        vitals.probe_set(held_out(), per_example_loss)
        vitals.log_validation("code", loss=3.0)
        for step, (x, y) in enumerate(batches(9)):
            loss = nn.functional.cross_entropy(model(x), y)
            loss.backward()
            if log_first:
                vitals.log(loss=loss)
            optimizer.step()
            optimizer.zero_grad()
            if not log_first:
                vitals.log(loss=loss)
            if step % 4 == 3:
                expected[step] = by_hand(model, held_out())
                vitals.log_validation("code", loss=3.0)
                vitals.log_validation("news", loss=4.0)
    found = recorded(tmp_path)
    assert list(expected) == [3, 7]
    for step, losses in expected.items():
        assert losses_at(found, step) == pytest.approx(losses, rel=1e-5)
        assert found["probe_set/loss"][step] == pytest.approx(np.mean(losses), rel=1e-5)
    # The first validation is before the first step; that has the number of the first one.
    assert sorted(found["probe_set/loss"]) == [0, 3, 7]
    assert "event/probe_set" in read_run(tmp_path).texts


def test_it_is_not_taken_for_a_loss_to_judge_by(tmp_path):
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with watching(model, optimizer, tmp_path, every=2) as vitals:
        vitals.probe_set(held_out(), per_example_loss)
        plain_steps(model, optimizer, vitals, 8)
    signals = understand(read_run(tmp_path))
    assert signals.train_loss == ("train/loss",)
    assert signals.val_loss == {}


def test_without_validation_it_is_evaluated_at_recorded_steps_within_the_budget(tmp_path):
    def evaluations(folder, budget):
        model = network()
        optimizer = torch.optim.SGD(model.parameters(), 0.1)
        with watching(model, optimizer, folder, every=2, budget=budget) as vitals:
            vitals.probe_set(held_out(), per_example_loss)
            plain_steps(model, optimizer, vitals, 12)
        return sorted(recorded(folder)["probe_set/loss"])

    assert evaluations(tmp_path / "generous", math.inf) == [0, 2, 4, 6, 8, 10]
    assert evaluations(tmp_path / "mean", 1e-9) == [0]


def test_its_cost_is_no_part_of_that_of_a_record(tmp_path, monkeypatch):
    spent_s = []
    monkeypatch.setattr(Schedule, "spend", lambda _, record_s, training_s: spent_s.append(record_s))
    clock = itertools.count(0, 1000.0)
    monkeypatch.setattr("trainvitals_hooks.probe_set.perf_counter", lambda: next(clock))
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with watching(model, optimizer, tmp_path, every=1) as vitals:
        vitals.probe_set(held_out(), per_example_loss)
        for _ in range(3):
            plain_steps(model, optimizer, vitals, 1)
            vitals.log_validation(loss=1.0)
        # The evaluation claims to have taken 1000 s; the record alone took nothing like it.
        plain_steps(model, optimizer, vitals, 1)
    assert spent_s
    assert max(spent_s) < 0


class Remembers(nn.Module):
    """Changes with every call, whatever mode it is in."""

    def __init__(self):
        super().__init__()
        self.register_buffer("total", torch.zeros(FEATURES))
        self.calls, self.last = 0, None

    def forward(self, x):
        self.calls += 1
        self.last = x.detach().sum(0)
        self.total += self.last
        self.total.data.mul_(0.9)
        return x + 1e-3 * self.total


@pytest.mark.parametrize("validates", [False, True])
def test_the_training_is_bit_for_bit_the_same(tmp_path, validates):
    def noisy_loss(model, batch):
        torch.rand(3)
        np.random.rand(3)  # noqa: NPY002
        random.random()
        model.train()
        return per_example_loss(model, batch)

    def train(folder):
        torch.manual_seed(3)
        model = nn.Sequential(Remembers(), network(dropout=0.3))
        model[1][2].eval()
        optimizer = torch.optim.AdamW(model.parameters(), 1e-2)
        vitals = None if folder is None else watching(model, optimizer, folder, every=2)
        if vitals is not None:
            vitals.probe_set(held_out(), noisy_loss)
        for number in range(20):
            plain_steps(model, optimizer, vitals, 1)
            if vitals is not None and validates and number % 3 == 0:
                vitals.log_validation(loss=1.0)
        if vitals is not None:
            vitals.close()
        modes = [module.training for module in model.modules()]
        return model.state_dict(), modes, model[0].calls, torch.get_rng_state()

    np.random.seed(1)  # noqa: NPY002
    random.seed(1)
    alone = train(None)
    of_numpy, of_python = np.random.get_state()[1].tolist(), random.getstate()  # noqa: NPY002
    watched = train(tmp_path)
    assert [name for name in alone[0] if not torch.equal(alone[0][name], watched[0][name])] == []
    assert alone[1:3] == watched[1:3]
    assert torch.equal(alone[3], watched[3])
    assert np.random.get_state()[1].tolist() == of_numpy  # noqa: NPY002
    assert random.getstate() == of_python
    assert len(recorded(tmp_path)["probe_set/loss"]) >= 5


@pytest.mark.parametrize(
    ("loss", "told"),
    [
        (lambda model, batch: per_example_loss(model, batch).mean(), "one loss for each example"),
        (lambda model, batch: per_example_loss(model, batch).tolist(), "one loss for each example"),
        (lambda model, batch: model(batch[0]), "a tensor of shape [5, 3]"),
        (lambda model, batch: 1 / 0, "ZeroDivisionError"),
    ],
)
def test_a_loss_function_that_is_wrong_is_told_once_and_not_called_again(tmp_path, capsys, loss, told):
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    calls = []

    def counted(model, batch):
        calls.append(1)
        return loss(model, batch)

    with watching(model, optimizer, tmp_path, every=1) as vitals:
        vitals.probe_set(held_out(), counted)
        plain_steps(model, optimizer, vitals, 4)
    error = capsys.readouterr().err
    assert len(calls) == 1
    assert error.count("the probe set is no longer evaluated") == 1
    assert told in error
    assert "probe_set/loss" not in recorded(tmp_path)
    assert model.training
    assert len(recorded(tmp_path)["train/loss"]) == 4


def test_as_many_losses_as_before_are_expected_until_another_set_is_given(tmp_path, capsys):
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    x, y = held_out()
    with watching(model, optimizer, tmp_path, every=1) as vitals:
        vitals.probe_set((x, y), per_example_loss)
        plain_steps(model, optimizer, vitals, 2)
        vitals.probe_set((x[:2], y[:2]), per_example_loss)
        plain_steps(model, optimizer, vitals, 2)
        sizes = iter([3, 4])

        def grows(model, batch):
            size = next(sizes)
            return per_example_loss(model, (x[:size], y[:size]))

        vitals.probe_set((x, y), grows)
        plain_steps(model, optimizer, vitals, 2)
    found = recorded(tmp_path)
    assert [len(found[f"probe_set_example_loss/{number}"]) for number in range(EXAMPLES)] == [5, 5, 3, 2, 2]
    assert "4 losses after 3" in capsys.readouterr().err


def test_hooks_of_the_watcher_do_not_take_it_for_training(tmp_path):
    model = network(dropout=0)
    optimizer = torch.optim.SGD(model.parameters(), 0.0)

    def of_huge_inputs(model, batch):
        model.train()
        return model(1e6 * torch.ones(4, FEATURES)).sum(1)

    with watching(model, optimizer, tmp_path, every=1) as vitals:
        vitals.probe_set(None, of_huge_inputs)
        for x, y in batches(3):
            loss = nn.functional.cross_entropy(model(x), y)
            vitals.log_validation(loss=1.0)
            loss.backward()
            optimizer.step()
            vitals.log(loss=loss)
    assert max(recorded(tmp_path)["activation_abs_max/0"].values()) < 100


def test_tokens_and_samples_of_each_domain_are_counted(tmp_path):
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)

    def steps(vitals, domains):
        for domain, (x, y) in zip(domains, batches(len(domains)), strict=True):
            loss = nn.functional.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            vitals.log(loss=loss, tokens=100 + vitals.folder.name.count("b"), samples=BATCH, domain=domain)

    vitals = watching(model, optimizer, tmp_path / "a", every=2)
    steps(vitals, ["code", "news", "code", "code"])
    state = vitals.state_dict()
    vitals.close()
    found = recorded(tmp_path / "a")
    assert found["train/code/tokens"] == {0: 100, 2: 200, 3: 300}
    assert found["train/news/samples"] == {1: BATCH}
    assert found["progress/tokens"] == {0: 100, 1: 200, 2: 300, 3: 400}
    assert sorted(found["train/code/loss"]) == [0, 2, 3]
    again = watching(model, optimizer, tmp_path / "other")
    again.load_state_dict(state)
    steps(again, ["news"])
    again.close()
    found = recorded(tmp_path / "a")
    assert found["train/news/tokens"] == {1: 100, 4: 200}
    assert understand(read_run(tmp_path / "a")).train_loss == ("train/loss",)
