"""What PyTorch does otherwise than one expects, where no other file has a better place for it (README.md lists all)."""

from __future__ import annotations

import pytest
import torch
from tests.hooks.kinds_of_training import KINDS
from tests.hooks.small_training import norm
from tests.hooks.training import batches, network, plain_steps, recorded, watching
from torch import nn

from trainvitals_hooks.looking import norms

pytestmark = pytest.mark.torch

ALL = {"signals": "full", "every": 1}


class Lookahead(torch.optim.Optimizer):
    """Steps another optimizer and adds something of its own, as wrappers from papers do."""

    def __init__(self, inner):
        self.optimizer = inner
        super().__init__(inner.param_groups, {})

    def step(self, closure=None):
        loss = self.optimizer.step(closure)
        with torch.no_grad():
            for group in self.param_groups:
                for parameter in group["params"]:
                    parameter.mul_(0.5)
        return loss


@pytest.mark.parametrize("watched", ["outer", "inner"])
def test_a_wrapper_with_hooks_of_its_own_is_watched_as_it_is(tmp_path, watched):
    model = nn.Linear(4, 3)
    inner = torch.optim.SGD(model.parameters(), 0.1)
    outer = Lookahead(inner)
    before = model.weight.detach().clone()
    with watching(model, outer if watched == "outer" else inner, tmp_path, every=1) as vitals:
        model(torch.ones(2, 4)).sum().backward()
        outer.step()
        vitals.log(loss=1.0)
    moved = model.weight.detach() if watched == "outer" else model.weight.detach() * 2
    found = recorded(tmp_path)
    assert found["update_ratio/weight"] == {0: pytest.approx(norm(moved - before) / norm(before), rel=1e-5)}
    assert sorted(found["train/loss"]) == [0]


def test_frozen_parameters_beside_adapters_are_nothing_that_cannot_be_seen(tmp_path, capsys):
    training = KINDS["adapters"]()
    with watching(training.model, training.optimizers, tmp_path):
        pass
    assert "watching Sequential" in (told := capsys.readouterr().err)
    assert "not seen" not in told


def test_no_backward_hook_is_put_on_a_module_so_that_changes_in_place_stay_allowed(tmp_path):
    model = nn.Sequential(nn.Linear(12, 8), nn.ReLU(inplace=True), nn.Linear(8, 3), nn.Tanh())
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    hooks = []
    for module in model:
        module.register_forward_pre_hook(
            lambda module, _: hooks.extend([*module._backward_hooks, *module._backward_pre_hooks])
        )
    with watching(model, optimizer, tmp_path, **ALL) as vitals:
        assert len(plain_steps(model, optimizer, vitals, 3)) == 3
    assert hooks == []


def test_without_the_private_norm_of_many_tensors_the_numbers_are_the_same(tmp_path, monkeypatch):
    found = []
    for name, private in (("with", norms._foreach_norm), ("without", None)):
        monkeypatch.setattr(norms, "_foreach_norm", private)
        torch.manual_seed(0)
        model = network()
        optimizer = torch.optim.SGD(model.parameters(), 0.1)
        with watching(model, optimizer, tmp_path / name, every=1, signals="light") as vitals:
            plain_steps(model, optimizer, vitals, 3)
        found.append({tag: values for tag, values in recorded(tmp_path / name).items() if "norm" in tag})
    assert found[0].keys() == found[1].keys()
    for tag, values in found[0].items():
        assert found[1][tag] == pytest.approx(values, rel=1e-6)


def test_a_model_that_changes_its_precision_is_followed(tmp_path):
    model = nn.Linear(4, 3)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with watching(model, optimizer, tmp_path, **ALL) as vitals:
        for dtype in (torch.float32, torch.float64, torch.bfloat16):
            model.to(dtype)
            optimizer.zero_grad()
            model(torch.ones(2, 4, dtype=dtype)).sum().backward()
            optimizer.step()
            vitals.log(loss=1.0)
    found = recorded(tmp_path)
    assert sorted(found["update_ratio/weight"]) == sorted(found["activation_std/Linear"]) == [0, 1, 2]
    assert found["weight_norm/weight"][2] == pytest.approx(norm(model.weight), rel=1e-5)


def test_a_projection_that_is_never_called_as_a_module_has_its_weights_recorded(tmp_path):
    model = nn.MultiheadAttention(8, 2, batch_first=True)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    x = torch.randn(2, 5, 8)
    with watching(model, optimizer, tmp_path, every=1) as vitals:
        model(x, x, x)[0].square().sum().backward()
        optimizer.step()
        vitals.log(loss=1.0)
    found = recorded(tmp_path)
    assert found["grad_norm/out_proj.weight"][0] == pytest.approx(norm(model.out_proj.weight.grad), rel=1e-5)
    assert not any(tag.startswith("activation") and "out_proj" in tag for tag in found)


def test_a_state_loaded_into_the_optimizer_in_the_middle_is_followed(tmp_path):
    model = network()
    optimizer = torch.optim.AdamW(model.parameters(), 1e-2)
    state = optimizer.state_dict()
    with watching(model, optimizer, tmp_path, **ALL) as vitals:
        plain_steps(model, optimizer, vitals, 2)
        state["param_groups"][0]["lr"] = 0.5
        optimizer.load_state_dict(state)
        plain_steps(model, optimizer, vitals, 2)
    found = recorded(tmp_path)
    assert found["learning_rate/group0"] == pytest.approx({0: 0.01, 1: 0.01, 2: 0.5, 3: 0.5})
    assert sorted(found["update_ratio/0.weight"]) == [0, 1, 2, 3]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_compiled_step_of_the_optimizer_is_recorded(tmp_path):
    def trained(folder):
        torch.manual_seed(2)
        torch._dynamo.reset()
        model = network(dropout=0)
        optimizer = torch.optim.SGD(model.parameters(), 0.1)
        step = torch.compile(optimizer.step, backend="eager")
        vitals = None if folder is None else watching(model, optimizer, folder, every=2)
        for x, y in batches(6):
            loss = nn.functional.cross_entropy(model(x), y)
            loss.backward()
            step()
            optimizer.zero_grad()
            if vitals is not None:
                vitals.log(loss=loss)
        if vitals is not None:
            vitals.close()
        return model.state_dict()

    alone, watched = trained(None), trained(tmp_path)
    assert [name for name in alone if not torch.equal(alone[name], watched[name])] == []
    found = recorded(tmp_path)
    assert sorted(found["train/loss"]) == list(range(6))
    assert sorted(found["grad_norm/0.weight"]) == sorted(found["update_ratio/0.weight"]) == [0, 2, 4]
