"""Every number in the file is what a slow and obvious computation gives."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from tests.hooks.training import batches, network, plain_steps, recorded, watching
from torch import nn

pytestmark = pytest.mark.torch

EXACT = pytest.approx
SAMPLED = 0.15
"""Relative error that a sample of 1024 elements may have; most are exact here, because the layers are small."""


@pytest.fixture
def oracle(tmp_path):
    """A training computed by hand beside the record of the same one."""
    torch.manual_seed(5)
    model = network(dropout=0.0)
    optimizer = torch.optim.AdamW(model.parameters(), 1e-2, weight_decay=0.1)
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)
    vitals = watching(model, optimizer, tmp_path, every=3)
    expected = {}
    names = dict(model.named_modules())

    def note(tag, step, value):
        expected.setdefault(tag, {})[step] = value

    for step, (x, y) in enumerate(batches(10)):
        outputs = {}
        activity = x
        for name, module in model.named_children():
            activity = module(activity)
            outputs[name] = activity.detach().clone()
        buffers = {key: value.clone() for key, value in model.named_buffers()}
        model.load_state_dict(buffers, strict=False)
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
        rate = optimizer.param_groups[0]["lr"]
        optimizer.step()
        note("train/loss", step, loss.item())
        vitals.log(loss=loss)
        if step % 3 == 0:
            note("learning_rate/group0", step, rate)
            note("weight_decay/group0", step, 0.1)
            note("train/grad_non_finite", step, 0)
            note("train/weight_non_finite", step, 0)
            squares = 0.0
            for name, parameter in model.named_parameters():
                gradient = parameter.grad.double()
                squares += (gradient**2).sum().item()
                note(f"grad_norm/{name}", step, (gradient**2).sum().sqrt().item())
                note(f"weight_norm/{name}", step, (parameter.detach().double() ** 2).sum().sqrt().item())
                moved = (parameter.detach() - before[name]).double()
                size = (before[name].double() ** 2).sum().sqrt().item()
                if size:
                    note(f"update_ratio/{name}", step, (moved**2).sum().sqrt().item() / size)
            note("train/grad_norm", step, math.sqrt(squares))
            for name, output in outputs.items():
                if not isinstance(names[name], nn.BatchNorm1d | nn.Dropout):
                    values = output.double().numpy()
                    note(f"activation_mean/{name}", step, values.mean())
                    note(f"activation_std/{name}", step, values.std())
                    note(f"activation_abs_max/{name}", step, np.abs(values).max())
                    note(f"activation_zero_fraction/{name}", step, (values == 0).mean())
        optimizer.zero_grad()
        scheduler.step()
    vitals.close()
    return expected, recorded(tmp_path)


ELSEWHERE = ("system/", "monitor/", "wiring/", "input/", "dormant_unit_fraction/", "activation_saturated_fraction/")
"""What times, memory, wiring, input and units are tested for has test files of its own."""


OF_A_SAMPLE = ("update_ratio/3.weight", "weight_norm/3.weight")
"""The only layer with more elements than a sample has."""


def test_everything_is_recorded_and_nothing_else(oracle):
    expected, found = oracle
    assert {tag for tag in found if not tag.startswith(ELSEWHERE)} == set(expected)
    assert {tag: sorted(found[tag]) for tag in expected} == {tag: sorted(expected[tag]) for tag in expected}


def test_every_value_is_right(oracle):
    expected, found = oracle
    wrong = [
        (tag, step, value, found[tag][step])
        for tag, values in expected.items()
        for step, value in values.items()
        if found[tag][step] != EXACT(value, rel=SAMPLED if tag in OF_A_SAMPLE else 2e-5, abs=2e-6)
    ]
    assert wrong == []


@pytest.mark.parametrize("tag", OF_A_SAMPLE)
def test_what_is_of_a_sample_is_close(oracle, tag):
    expected, found = oracle
    steps = expected[tag]
    assert any(found[tag][step] != EXACT(steps[step], rel=1e-6) for step in steps)
    assert found[tag] == EXACT(steps, rel=SAMPLED)


def test_the_norm_of_the_weights_is_exact_at_every_tenth_record_and_followed_closely_in_between(tmp_path):
    model = nn.Sequential(nn.Linear(64, 96), nn.ReLU(), nn.Linear(96, 1))
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    x = torch.randn(32, 64)
    exact = {}
    with watching(model, optimizer, tmp_path, every=1) as vitals:
        for step in range(21):
            model(x).square().mean().backward()
            optimizer.step()
            optimizer.zero_grad()
            vitals.log(loss=1.0)
            exact[step] = model[0].weight.detach().double().norm().item()
    found = recorded(tmp_path)["weight_norm/0.weight"]
    assert [found[step] for step in (0, 10, 20)] == EXACT([exact[step] for step in (0, 10, 20)], rel=1e-6)
    assert found == EXACT(exact, rel=2e-3)


def test_a_sample_of_a_wide_output_stands_for_all_of_it(tmp_path):
    model = nn.Sequential(nn.Linear(8, 4096), nn.ReLU(), nn.Linear(4096, 1))
    optimizer = torch.optim.SGD(model.parameters(), 1e-3)
    x = torch.randn(64, 8)
    with torch.no_grad():
        hidden = model[1](model[0](x)).double()
    vitals = watching(model, optimizer, tmp_path)
    model(x).mean().backward()
    optimizer.step()
    vitals.close()
    found = recorded(tmp_path)
    assert found["activation_std/1"][0] == pytest.approx(hidden.std().item(), rel=SAMPLED)
    assert found["activation_mean/1"][0] == pytest.approx(hidden.mean().item(), rel=SAMPLED)
    assert found["activation_zero_fraction/1"][0] == pytest.approx((hidden == 0).double().mean().item(), abs=0.06)
    assert found["activation_abs_max/1"][0] <= hidden.abs().max().item() + 1e-6


def test_a_spread_much_smaller_than_the_mean_is_not_cancelled(tmp_path):
    class Far(nn.Module):
        def __init__(self):
            super().__init__()
            self.near = nn.Linear(4, 400)
            self.far = Shift()

        def forward(self, x):
            return self.far(self.near(x))

    class Shift(nn.Module):
        def forward(self, x):
            return x + 3000.0

    model = Far()
    optimizer = torch.optim.SGD(model.parameters(), 1e-3)
    vitals = watching(model, optimizer, tmp_path)
    model(torch.randn(2, 4)).mean().backward()
    optimizer.step()
    vitals.close()
    found = recorded(tmp_path)
    assert found["activation_std/far"][0] == pytest.approx(found["activation_std/near"][0], rel=2e-3)


def test_light_has_norms_loss_and_rates_only(tmp_path):
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with watching(model, optimizer, tmp_path, signals="light") as vitals:
        plain_steps(model, optimizer, vitals, 21)
    kinds = {tag.split("/")[0] for tag in recorded(tmp_path)}
    assert kinds == {"grad_norm", "weight_norm", "train", "learning_rate", "weight_decay", "system", "monitor"}


def test_layers_chooses_who_has_tags_and_leaves_the_total_alone(tmp_path):
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with watching(model, optimizer, tmp_path / "some", layers=[r"^6\."], every=1) as vitals:
        loss = model(next(batches(1))[0]).square().mean()
        loss.backward()
        optimizer.step()
        total = math.sqrt(sum(p.grad.double().square().sum().item() for p in model.parameters()))
        vitals.log(loss=loss)
    found = recorded(tmp_path / "some")
    assert {tag for tag in found if tag.startswith("grad_norm/")} == {"grad_norm/6.weight", "grad_norm/6.bias"}
    assert found["train/grad_norm"][0] == pytest.approx(total, rel=1e-5)


def test_the_norm_before_clipping_and_the_share_of_clipped_steps(tmp_path):
    model = network(dropout=0)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    vitals = watching(model, optimizer, tmp_path, every=1)
    before = []
    for step, (x, y) in enumerate(batches(6)):
        nn.functional.cross_entropy(model(x), y).backward()
        limit = 0.01 if step % 2 else 1e6
        before.append(math.sqrt(sum(p.grad.double().square().sum().item() for p in model.parameters())))
        vitals.clip_grad_norm_(model.parameters(), limit)
        optimizer.step()
        optimizer.zero_grad()
        vitals.log(loss=1.0)
    vitals.close()
    found = recorded(tmp_path)
    assert list(found["train/grad_norm_before_clipping"].values()) == pytest.approx(before, rel=1e-5)
    assert list(found["train/grad_clipped"].values()) == [0, 1, 0, 1, 0, 1]
    assert found["train/grad_norm"][1] == pytest.approx(0.01, rel=1e-3)
    assert found["train/loss"] == dict.fromkeys(range(6), 1.0)


def test_bfloat16_and_float16_norms_keep_their_digits_and_do_not_overflow(tmp_path):
    weights = nn.ParameterDict(
        {
            "in_narrow": nn.Parameter(torch.full((1000,), 3.0, dtype=torch.bfloat16)),
            "in_half": nn.Parameter(torch.full((1000,), 6e4, dtype=torch.float16)),
            "in_double": nn.Parameter(torch.full((1000,), 2.0, dtype=torch.float64)),
            "in_complex": nn.Parameter(torch.full((100,), 3 + 4j)),
            "in_empty": nn.Parameter(torch.zeros(0)),
        }
    )
    optimizer = torch.optim.SGD(weights.parameters(), 0.0)
    vitals = watching(weights, optimizer, tmp_path)
    for parameter in weights.values():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    vitals.close()
    found = recorded(tmp_path)
    assert found["weight_norm/in_narrow"][0] == pytest.approx(3 * math.sqrt(1000), rel=1e-6)
    assert found["weight_norm/in_half"][0] == pytest.approx(6e4 * math.sqrt(1000), rel=1e-3)
    assert found["weight_norm/in_double"][0] == pytest.approx(2 * math.sqrt(1000), rel=1e-6)
    assert found["weight_norm/in_complex"][0] == pytest.approx(50, rel=1e-6)
    assert found["weight_norm/in_empty"][0] == 0


def test_a_non_finite_gradient_is_counted_and_the_next_steps_are_recorded(tmp_path):
    model = network(dropout=0)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    vitals = watching(model, optimizer, tmp_path, every=5)
    for step, (x, y) in enumerate(batches(20)):
        loss = nn.functional.cross_entropy(model(x), y) * (math.nan if step == 6 else 1.0)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        vitals.log(loss=loss)
    vitals.close()
    found = recorded(tmp_path)["train/grad_non_finite"]
    # The loss of step 6 is known when step 7 is made, the gradients of step 8 when step 9 is.
    assert sorted(found) == [0, 5, 8, 9, 10, 11, 12, 15]
    assert found[5] == 0
    assert found[8] == len(list(model.parameters()))
