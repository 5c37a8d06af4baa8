"""Dormant units and saturated outputs are those that an obvious loop counts, whatever axis the units stand on."""

from __future__ import annotations

import copy
import io

import pytest
import torch
from tests.hooks.training import batches, network, plain_steps, recorded, watching
from torch import nn

from trainvitals_hooks.probes import units

pytestmark = pytest.mark.torch

ENOUGH = units.EXAMPLES


def sizes_by_hand(output, unit_axis):
    """Mean absolute output of each unit, one unit after the other."""
    return [output.double().select(unit_axis, unit).abs().mean().item() for unit in range(output.shape[unit_axis])]


def dormant_by_hand(sizes):
    mean = sum(sizes) / len(sizes)
    return sum(size <= 0.025 * mean for size in sizes) / len(sizes)


def watched(model, inputs, folder, **settings):
    """Train one step of no effect on each input."""
    optimizer = torch.optim.SGD(model.parameters(), 0.0)
    with watching(model, optimizer, folder, signals=["units"], **{"every": 1, **settings}):
        for x in inputs:
            model(x).square().mean().backward()
            optimizer.step()
    return recorded(folder)


def silence(layer, units_off):
    with torch.no_grad():
        layer.weight[list(units_off)] = 0
        layer.bias[list(units_off)] = -1


class Tokens(nn.Module):
    """Units last, tokens before them."""

    def __init__(self):
        super().__init__()
        self.linear, self.act = nn.Linear(6, 10), nn.ReLU()

    def forward(self, x):
        return self.act(self.linear(x))


def images():
    return nn.Sequential(nn.Conv2d(3, 10, 3), nn.ReLU())


def normalised_images():
    return nn.Sequential(nn.Conv2d(3, 10, 3), nn.BatchNorm2d(10), nn.ReLU())


def signals():
    return nn.Sequential(nn.Conv1d(4, 10, 3), nn.ReLU())


def rows():
    return nn.Sequential(nn.Linear(6, 10), nn.ReLU())


LAYOUTS = [
    (rows, (ENOUGH, 6), 1),
    (Tokens, (4, 32, 6), 2),
    (Tokens, (2, 4, 16, 6), 3),
    (signals, (ENOUGH, 4, 12), 1),
    (images, (ENOUGH, 3, 6, 6), 1),
]


@pytest.mark.parametrize(("make", "shape", "axis"), LAYOUTS)
@pytest.mark.parametrize("off", [(), (1, 4, 7)])
def test_the_units_stand_where_the_layer_puts_them(tmp_path, make, shape, axis, off):
    model = make()
    layer = model.linear if isinstance(model, Tokens) else model[0]
    silence(layer, off)
    x = torch.randn(shape)
    with torch.no_grad():
        expected = dormant_by_hand(sizes_by_hand(model(x), axis))
    found = watched(model, [x], tmp_path)
    (tag,) = (tag for tag in found if tag.startswith("dormant_unit_fraction/"))
    assert found[tag][0] == pytest.approx(expected)
    assert expected >= len(off) / 10


@pytest.mark.parametrize("off", [(), (1, 4, 7)])
def test_behind_batch_norm_the_channels_are_the_units(tmp_path, off):
    model = normalised_images()
    with torch.no_grad():
        model[1].weight[list(off)] = 0
        model[1].bias[list(off)] = -1
    found = watched(model, [torch.randn(ENOUGH, 3, 6, 6)], tmp_path)
    assert found["dormant_unit_fraction/2"][0] == pytest.approx(len(off) / 10)


def test_as_many_tokens_as_units_do_not_confuse_them(tmp_path):
    model = Tokens()
    silence(model.linear, (0, 1))
    found = watched(model, [torch.randn(20, 10, 6)], tmp_path)
    assert found["dormant_unit_fraction/act"][0] == pytest.approx(0.2)


def test_few_examples_are_gathered_over_records_until_they_are_enough(tmp_path):
    model = nn.Sequential(nn.Linear(8, 8, bias=False), nn.ReLU())
    with torch.no_grad():
        model[0].weight.copy_(torch.eye(8))
    count = 16
    # Each batch wakes one unit: judged by one of them alone, all others would look dormant.
    inputs = [torch.eye(8)[number % 8].expand(count, 8).contiguous() for number in range(12)]
    found = watched(model, inputs, tmp_path)["dormant_unit_fraction/1"]
    assert found == dict.fromkeys(range(ENOUGH // count - 1, 12), 0)


def test_a_unit_that_dies_is_noticed_and_one_that_wakes_too(tmp_path):
    model = rows()
    x = torch.randn(64, 6)
    optimizer = torch.optim.SGD(model.parameters(), 0.0)
    with watching(model, optimizer, tmp_path, signals=["units"], every=1):
        for step in range(40):
            if step == 10:
                alive = copy.deepcopy(model[0].state_dict())
                silence(model[0], (2, 3, 5))
            if step == 25:
                model[0].load_state_dict(alive)
            model(x).square().mean().backward()
            optimizer.step()
    found = recorded(tmp_path)["dormant_unit_fraction/1"]
    assert found[9] == 0
    assert found[24] == pytest.approx(0.3)
    assert found[39] == 0


def test_a_layer_that_is_all_silent_is_all_dormant(tmp_path):
    model = rows()
    silence(model[0], range(10))
    assert watched(model, [torch.randn(ENOUGH, 6)], tmp_path)["dormant_unit_fraction/1"] == {0: 1}


@pytest.mark.parametrize(
    ("activation", "is_flat"),
    [
        (nn.Tanh(), lambda x: abs(x.tanh()) >= 0.97),
        (nn.Sigmoid(), lambda x: 4 * x.sigmoid() * (1 - x.sigmoid()) <= 1 - 0.97**2),
        (nn.Softsign(), lambda x: 1 / (1 + abs(x)) ** 2 <= 1 - 0.97**2),
        (nn.Hardtanh(-2, 3), lambda x: (x <= -2) | (x >= 3)),
        (nn.Hardsigmoid(), lambda x: (x <= -3) | (x >= 3)),
        (nn.ReLU6(), lambda x: x >= 6),
    ],
)
def test_outputs_at_the_flat_ends_are_counted(tmp_path, activation, is_flat):
    model = nn.Sequential(nn.Linear(6, 10), activation)
    with torch.no_grad():
        model[0].weight.mul_(12)
    x = torch.randn(90, 6)
    with torch.no_grad():
        expected = is_flat(model[0](x).double()).double().mean().item()
    found = watched(model, [x], tmp_path)
    assert found["activation_saturated_fraction/1"][0] == pytest.approx(expected)
    assert 0.02 < expected < 0.98


@pytest.mark.parametrize("activation", [nn.ReLU(), nn.GELU(), nn.SiLU(), nn.ELU(), nn.LeakyReLU()])
def test_a_function_without_flat_ends_has_no_saturated_outputs(tmp_path, activation):
    found = watched(nn.Sequential(nn.Linear(6, 10), activation), [torch.randn(ENOUGH, 6)], tmp_path)
    assert [tag for tag in found if tag.startswith(("dormant", "activation"))] == ["dormant_unit_fraction/1"]


def test_all_layers_have_their_turn_and_are_recorded_together(tmp_path):
    model = nn.Sequential(*(layer for _ in range(5) for layer in (nn.Linear(6, 6), nn.Tanh())))
    found = watched(model, [torch.randn(ENOUGH, 6)] * 13, tmp_path, every=2)
    at_a_record = units.LAYERS_A_RECORD
    records = range(0, 13, 2)
    ends = [record for number, record in enumerate(records, 1) if number % -(-5 // at_a_record) == 0]
    for layer in (1, 3, 5, 7, 9):
        assert sorted(found[f"dormant_unit_fraction/{layer}"]) == ends
        assert sorted(found[f"activation_saturated_fraction/{layer}"]) == ends


def test_hooks_hang_on_a_few_modules_in_recorded_steps_only_and_not_on_copies(tmp_path):
    model = nn.Sequential(*(layer for _ in range(5) for layer in (nn.Linear(6, 6), nn.Tanh())))
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    vitals = watching(model, optimizer, tmp_path, signals=["units"], every=3)
    hooked = []
    for _ in range(6):
        hooked.append(sum(bool(module._forward_hooks) for module in model.modules()))
        copy.deepcopy(model)(torch.randn(2, 6))
        torch.save(model, io.BytesIO())
        model(torch.randn(2, 6)).sum().backward()
        optimizer.step()
    vitals.close()
    assert hooked == [units.LAYERS_A_RECORD, 0, 0] * 2
    assert not any(module._forward_hooks for module in model.modules())


class Functional(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second, self.head = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 6, 3), nn.Linear(6, 2)

    def forward(self, x):
        x = torch.relu(self.first(x))
        x = torch.relu(self.second(x)).mean((2, 3))
        return self.head(x)


def test_functions_that_the_model_calls_itself_are_judged_by_what_comes_out_of_them(tmp_path):
    model = Functional()
    silence(model.first, (0, 5))
    silence(model.second, (1, 2, 4))
    x = torch.zeros(ENOUGH, 3, 9, 9)
    # A constant part of the input of the model is no dead unit.
    x[:, 1] = torch.randn(ENOUGH, 9, 9)
    found = watched(model, [x] * 6, tmp_path)
    last = {tag: list(values.values())[-1] for tag, values in found.items() if tag.startswith("dormant")}
    assert last == {
        "dormant_unit_fraction/second.input": pytest.approx(2 / 8),
        "dormant_unit_fraction/head.input": pytest.approx(3 / 6),
    }


def test_an_activation_of_a_model_library_is_known_by_its_name(tmp_path):
    class NewGELUActivation(nn.Module):
        def forward(self, x):
            return nn.functional.gelu(x)

    model = nn.Sequential(nn.Linear(6, 10), NewGELUActivation())
    assert "dormant_unit_fraction/1" in watched(model, [torch.randn(ENOUGH, 6)], tmp_path)


@pytest.mark.parametrize("shape", [(4096, 6), (64, 6)])
def test_wide_layers_and_large_batches_are_sampled(tmp_path, shape):
    model = nn.Sequential(nn.Linear(6, 5000), nn.ReLU())
    silence(model[0], range(0, 5000, 4))
    found = watched(model, [torch.randn(shape)] * 40, tmp_path)["dormant_unit_fraction/1"]
    assert list(found.values())[-1] == pytest.approx(0.25, abs=0.06)


def test_the_last_of_several_passes_counts_and_no_validation(tmp_path):
    model = rows()
    optimizer = torch.optim.SGD(model.parameters(), 0.0)
    alive = copy.deepcopy(model[0].state_dict())
    x = torch.randn(ENOUGH, 6)
    with watching(model, optimizer, tmp_path, signals=["units"], every=1):
        silence(model[0], (1, 2))
        model(x).sum().backward()
        model[0].load_state_dict(alive)
        silence(model[0], (3, 4, 5))
        model(x).sum().backward()
        model.eval()
        silence(model[0], range(10))
        model(x)
        model.train()
        optimizer.step()
    assert recorded(tmp_path)["dormant_unit_fraction/1"] == {0: pytest.approx(0.3)}


@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
def test_numbers_that_are_none_are_not_judged_and_soon_forgotten(tmp_path, bad):
    model = rows()
    silence(model[0], (1, 2))
    healthy = torch.randn(ENOUGH, 6)
    optimizer = torch.optim.SGD(model.parameters(), 0.0)
    with watching(model, optimizer, tmp_path, signals=["units"], every=1):
        for x in (healthy, torch.full((ENOUGH, 6), bad), healthy):
            model(x).sum().backward()
            for parameter in model.parameters():
                parameter.grad.zero_()
            optimizer.step()
    found = recorded(tmp_path)["dormant_unit_fraction/1"]
    assert found == {0: pytest.approx(0.2), 2: pytest.approx(0.2)}


def test_half_precision_is_summed_up_in_single(tmp_path):
    model = nn.Sequential(nn.Linear(6, 10), nn.ReLU())
    silence(model[0], (1, 2, 3))
    with torch.autocast("cpu", torch.bfloat16):
        found = watched(model, [torch.randn(ENOUGH, 6)], tmp_path)
    assert found["dormant_unit_fraction/1"] == {0: pytest.approx(0.3)}


def test_odd_outputs_do_no_harm(tmp_path):
    class Odd(nn.ReLU):
        def forward(self, x):
            return ["text", {"a": super().forward(x)}]

    class Unpack(nn.Module):
        def forward(self, parts):
            return parts[1]["a"]

    model = nn.Sequential(nn.Linear(6, 10), Odd(), Unpack(), nn.Flatten(0), nn.Tanh())
    found = watched(model, [torch.randn(ENOUGH, 6)] * 2, tmp_path)
    assert "dormant_unit_fraction/1" in found
    assert not [tag for tag in found if tag.endswith("/4")]


def test_layers_chooses_which_are_heard(tmp_path):
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with watching(model, optimizer, tmp_path, signals=["units"], every=1, layers="^5$") as vitals:
        plain_steps(model, optimizer, vitals, 10)
    tags = {tag for tag in recorded(tmp_path) if tag.startswith(("dormant", "activation"))}
    assert tags == {"dormant_unit_fraction/5", "activation_saturated_fraction/5"}


def test_a_model_without_any_layer_to_judge_is_left_alone(tmp_path):
    model = nn.Embedding(5, 3)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with watching(model, optimizer, tmp_path, signals=["units"], every=1):
        for _ in batches(2):
            model(torch.tensor([1, 2])).sum().backward()
            optimizer.step()
    assert not [tag for tag in recorded(tmp_path) if tag.startswith(("dormant", "activation"))]
