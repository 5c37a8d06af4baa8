"""Gradients that survive an update are seen in every kind of loop, and never where a loop only adds up on purpose."""

from __future__ import annotations

import copy
import io

import pytest
import torch
from tests.hooks.training import batches, network, recorded, watching
from torch import nn

pytestmark = pytest.mark.torch

TAG = "wiring/gradients_kept"
STEPS = 7


def backward(model, x, y):
    nn.functional.cross_entropy(model(x), y).backward()


def after_the_update(model, optimizer, x, y, number):
    backward(model, x, y)
    optimizer.step()
    optimizer.zero_grad()


def before_the_forward_pass(model, optimizer, x, y, number):
    optimizer.zero_grad()
    backward(model, x, y)
    optimizer.step()


def before_the_backward_pass(model, optimizer, x, y, number):
    loss = nn.functional.cross_entropy(model(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def filled_with_zeros(model, optimizer, x, y, number):
    backward(model, x, y)
    optimizer.step()
    optimizer.zero_grad(set_to_none=False)


def added_up(model, optimizer, x, y, number):
    for _ in range(3):
        backward(model, x, y)
    optimizer.step()
    optimizer.zero_grad()


def in_a_closure(model, optimizer, x, y, number):
    def closure():
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        return loss

    optimizer.step(closure)


def another_loss_first(model, optimizer, x, y, number):
    """As the discriminator of a GAN: what the generator's loss leaves in it is thrown away."""
    backward(model, x, y)
    optimizer.zero_grad()
    backward(model, x, y)
    optimizer.step()


def never(model, optimizer, x, y, number):
    backward(model, x, y)
    optimizer.step()


def never_though_added_up(model, optimizer, x, y, number):
    for _ in range(3):
        backward(model, x, y)
    optimizer.step()


def watched(step, folder, every, make=torch.optim.SGD):
    model = network()
    optimizer = make(model.parameters(), 0.01)
    with watching(model, optimizer, folder, every=every):
        for number, (x, y) in enumerate(batches(STEPS)):
            step(model, optimizer, x, y, number)
    return recorded(folder)[TAG]


@pytest.mark.parametrize("every", [1, 3])
@pytest.mark.parametrize(
    "step",
    [
        after_the_update,
        before_the_forward_pass,
        before_the_backward_pass,
        filled_with_zeros,
        added_up,
        in_a_closure,
        another_loss_first,
    ],
)
def test_a_loop_that_empties_its_gradients_is_sound(tmp_path, step, every):
    assert watched(step, tmp_path, every) == dict.fromkeys(range(0, STEPS, every), 0)


@pytest.mark.parametrize("every", [1, 3])
@pytest.mark.parametrize("step", [never, never_though_added_up])
def test_a_loop_that_never_does_is_not(tmp_path, step, every):
    found = watched(step, tmp_path, every)
    assert found == {number: float(number > 0) for number in range(0, STEPS, every)}


def test_a_loop_that_forgets_it_once_shows_in_that_step(tmp_path):
    def step(model, optimizer, x, y, number):
        backward(model, x, y)
        optimizer.step()
        if number != 3:
            optimizer.zero_grad()

    assert watched(step, tmp_path, 1) == {number: float(number == 4) for number in range(STEPS)}


def test_lbfgs_with_many_passes_in_a_step(tmp_path):
    def make(parameters, rate):
        return torch.optim.LBFGS(parameters, rate, max_iter=4)

    assert set(watched(in_a_closure, tmp_path, 2, make).values()) == {0}


@pytest.mark.parametrize("forgotten", [None, 0, 1])
@pytest.mark.parametrize("every", [1, 3])
def test_of_two_optimizers_the_one_that_keeps_is_told(tmp_path, forgotten, every):
    one, other = network(), network()
    optimizers = [torch.optim.SGD(model.parameters(), 0.01) for model in (one, other)]
    with watching(nn.ModuleList([one, other]), optimizers, tmp_path, every=every):
        for x, y in batches(STEPS):
            for number, model in enumerate((one, other)):
                if number != forgotten:
                    optimizers[number].zero_grad()
                backward(model, x, y)
                optimizers[number].step()
    found = recorded(tmp_path)
    for number in range(2):
        later = {step: value for step, value in found[f"wiring/optimizer{number}/gradients_kept"].items() if step > 0}
        assert set(later.values()) == {float(number == forgotten)}


def test_a_parameter_that_is_not_used_is_left_for_one_that_is(tmp_path):
    model = nn.ModuleDict({"unused": nn.Linear(1, 1), "used": nn.Linear(12, 3)})
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    with watching(model, optimizer, tmp_path, every=1):
        for x, _ in batches(4):
            model["used"](x).sum().backward()
            optimizer.step()
    assert recorded(tmp_path)[TAG] == {1: 1, 2: 1, 3: 1}


def test_nothing_hangs_on_the_parameters_between_records_or_in_copies(tmp_path):
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    vitals = watching(model, optimizer, tmp_path, every=4)

    def hooked(module):
        return sum(bool(parameter._backward_hooks) for parameter in module.parameters())

    seen = []
    for x, y in batches(8):
        seen.append(hooked(model))
        assert hooked(copy.deepcopy(model)) == 0
        torch.save(model, io.BytesIO())
        before_the_forward_pass(model, optimizer, x, y, 0)
    vitals.close()
    assert seen == [1, 0, 0, 0, 1, 0, 0, 0]
    assert hooked(model) == 0


def test_what_goes_wrong_in_the_hook_switches_it_off_and_not_the_training(tmp_path, monkeypatch, capsys):
    def broken(_):
        raise RuntimeError("broken")

    model = network()
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    with watching(model, optimizer, tmp_path, every=1):
        monkeypatch.setattr(torch, "count_nonzero", broken)
        for x, y in batches(3):
            never(model, optimizer, x, y, 0)
    assert sorted(recorded(tmp_path)["train/grad_norm"]) == [0, 1, 2]
    assert "kept_gradients is no longer recorded: RuntimeError: broken" in capsys.readouterr().err
