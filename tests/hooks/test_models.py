"""Models and loops that break simple hooks: each is watched, and what is recorded of it is right."""

from __future__ import annotations

import math
from collections import namedtuple

import pytest
import torch
from tests.hooks.training import FEATURES, batches, network, plain_steps, recorded, watching
from torch import nn
from torch.utils.checkpoint import checkpoint

pytestmark = pytest.mark.torch


def norm(tensor):
    return math.sqrt(tensor.detach().double().square().sum().item())


def one_step(model, folder, inputs, *, make_loss=lambda output: output.square().mean(), **settings):
    """Watch one step of SGD; the gradients stay."""
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], 0.1)
    with watching(model, optimizer, folder, **settings) as vitals:
        make_loss(model(*inputs)).backward()
        optimizer.step()
        vitals.log(loss=1.0)
    return recorded(folder)


def test_frozen_parameters_have_a_weight_norm_only(tmp_path):
    model = network()
    model[0].weight.requires_grad_(False)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with watching(model, optimizer, tmp_path, every=2) as vitals:
        plain_steps(model, optimizer, vitals, 4)
        model[0].weight.requires_grad_(True)
        plain_steps(model, optimizer, vitals, 4)
    found = recorded(tmp_path)
    assert sorted(found["weight_norm/0.weight"]) == [0, 2, 4, 6]
    assert sorted(found["grad_norm/0.weight"]) == [4, 6]
    assert sorted(found["update_ratio/0.weight"]) == [4, 6]
    assert sorted(found["grad_norm/0.bias"]) == [0, 2, 4, 6]


def test_a_parameter_group_that_comes_later_is_recorded_from_then_on(tmp_path):
    model = network()
    optimizer = torch.optim.SGD(model[6].parameters(), 0.1)
    with watching(model, optimizer, tmp_path, every=1) as vitals:
        plain_steps(model, optimizer, vitals, 2)
        optimizer.add_param_group({"params": list(model[0].parameters()), "lr": 0.01})
        plain_steps(model, optimizer, vitals, 2)
    found = recorded(tmp_path)
    assert sorted(found["grad_norm/0.weight"]) == [2, 3]
    assert sorted(found["learning_rate/group1"]) == [2, 3]


def test_a_parameter_that_moved_in_memory_is_followed(tmp_path):
    model = nn.Linear(3, 2)
    optimizer = torch.optim.SGD(model.parameters(), 0.5)
    with watching(model, optimizer, tmp_path, every=1) as vitals:
        for _ in range(3):
            model.weight.data = model.weight.data.clone()
            before = model.weight.detach().clone()
            model(torch.ones(1, 3)).sum().backward()
            optimizer.step()
            vitals.log(loss=1.0)
            expected = norm(model.weight - before) / norm(before)
            optimizer.zero_grad()
    assert recorded(tmp_path)["update_ratio/weight"][2] == pytest.approx(expected, rel=1e-5)


def test_tied_weights_are_one_layer(tmp_path):
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.Embedding(10, 6)
            self.outer = nn.Linear(6, 10, bias=False)
            self.outer.weight = self.inner.weight

        def forward(self, index):
            return self.outer(self.inner(index))

    model = Tied()
    found = one_step(model, tmp_path, [torch.arange(5)])
    assert {tag for tag in found if tag.startswith("grad_norm/")} == {"grad_norm/inner.weight"}
    assert found["grad_norm/inner.weight"][0] == pytest.approx(norm(model.inner.weight.grad), rel=1e-5)
    assert {"activation_std/inner", "activation_std/outer"} <= set(found)


def test_sparse_gradients_have_the_norm_of_the_dense_ones(tmp_path):
    model = nn.EmbeddingBag(50, 4, sparse=True)
    index = torch.tensor([[1, 1, 2], [2, 3, 1]])
    found = one_step(model, tmp_path, [index])
    assert model.weight.grad.is_sparse
    assert found["grad_norm/weight"][0] == pytest.approx(norm(model.weight.grad.to_dense()), rel=1e-5)


def test_a_shared_module_is_one_layer_and_its_last_call_counts(tmp_path):
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.shared = nn.Linear(4, 4)
            self.again = self.shared

        def forward(self, x):
            return self.again(self.shared(x))

    model = Twice()
    x = torch.randn(8, 4)
    with torch.no_grad():
        expected = model(x).double()
    found = one_step(model, tmp_path, [x])
    assert [tag for tag in found if tag.startswith("activation_mean/")] == ["activation_mean/shared"]
    assert found["activation_mean/shared"][0] == pytest.approx(expected.mean().item(), rel=1e-4)


Pair = namedtuple("Pair", "hidden other")


@pytest.mark.parametrize(
    "wrap",
    [
        lambda x: (x, None),
        lambda x: [torch.zeros(3, dtype=torch.long), x],
        lambda x: {"index": torch.arange(3), "hidden": x},
        lambda x: Pair(x, 3),
        lambda x: ((None, x), "text"),
    ],
)
def test_the_first_tensor_inside_what_a_module_returns_is_looked_at(tmp_path, wrap):
    class Wrapped(nn.Linear):
        def forward(self, x):
            return wrap(super().forward(x))

    model = Wrapped(4, 8)
    x = torch.randn(8, 4)
    with torch.no_grad():
        expected = nn.functional.linear(x, model.weight, model.bias).double()

    def loss(output):
        while not isinstance(output, torch.Tensor) or not output.requires_grad:
            parts = output.values() if isinstance(output, dict) else output
            output = next(part for part in parts if isinstance(part, tuple) or getattr(part, "requires_grad", False))
        return output.sum()

    found = one_step(model, tmp_path, [x], make_loss=loss)
    assert found["activation_std/Wrapped"][0] == pytest.approx(expected.std(correction=0).item(), rel=1e-4)


def test_a_recurrent_layer_and_attention_are_recorded(tmp_path):
    class Both(nn.Module):
        def __init__(self):
            super().__init__()
            self.recurrent = nn.LSTM(4, 8, batch_first=True)
            self.attention = nn.MultiheadAttention(8, 2, batch_first=True)

        def forward(self, x):
            hidden, _ = self.recurrent(x)
            return self.attention(hidden, hidden, hidden)[0]

    found = one_step(Both(), tmp_path, [torch.randn(2, 5, 4)])
    assert "activation_std/recurrent" in found
    assert {"grad_norm/attention.in_proj_weight", "grad_norm/attention.out_proj.weight"} <= set(found)


@pytest.mark.parametrize("layout", ["transposed", "expanded", "channels_last", "sliced"])
def test_outputs_in_any_layout_are_sampled(tmp_path, layout):
    changes = {
        "transposed": lambda y: y.transpose(1, 3),
        "expanded": lambda y: y[:, :1].expand(-1, 8, -1, -1),
        "channels_last": lambda y: y.contiguous(memory_format=torch.channels_last),
        "sliced": lambda y: y[:, ::2],
    }

    class Changed(nn.Conv2d):
        def forward(self, x):
            return changes[layout](super().forward(x))

    model = Changed(3, 8, 1)
    x = torch.randn(2, 3, 5, 5)
    with torch.no_grad():
        expected = model(x).double()
    found = one_step(model, tmp_path, [x])
    assert found["activation_std/Changed"][0] == pytest.approx(expected.std(correction=0).item(), rel=1e-3)


def test_an_output_changed_in_place_afterwards_is_recorded_as_it_was(tmp_path):
    model = nn.Sequential(nn.Linear(6, 30), nn.ReLU(inplace=True), nn.Linear(30, 1))
    x = torch.randn(20, 6)
    with torch.no_grad():
        expected = (nn.functional.linear(x, model[0].weight, model[0].bias)).double()
    found = one_step(model, tmp_path, [x])
    assert found["activation_mean/0"][0] == pytest.approx(expected.mean().item(), abs=1e-5)
    assert found["activation_zero_fraction/0"][0] == 0
    assert found["activation_zero_fraction/1"][0] > 0.2


@pytest.mark.parametrize("reentrant", [True, False])
def test_a_checkpointed_block_is_looked_at_once(tmp_path, reentrant):
    class Counting(nn.Linear):
        runs = 0

        def forward(self, x):
            self.runs += 1
            return super().forward(x) * self.runs

    class Checkpointed(nn.Module):
        def __init__(self):
            super().__init__()
            self.block = Counting(4, 4)

        def forward(self, x):
            return checkpoint(self.block, x, use_reentrant=reentrant)

    model = Checkpointed()
    x = torch.randn(8, 4, requires_grad=True)
    with torch.no_grad():
        expected = nn.functional.linear(x, model.block.weight, model.block.bias).double()
    found = one_step(model, tmp_path, [x])
    assert model.block.runs == 2
    assert found["activation_std/block"][0] == pytest.approx(expected.std(correction=0).item(), rel=1e-4)


def test_a_validation_in_the_middle_of_a_recorded_step_is_not_looked_at(tmp_path):
    model = network(dropout=0)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    x, _ = next(batches(1))
    with torch.no_grad():
        expected = model[0](x).double().std(correction=0).item()
    with watching(model, optimizer, tmp_path) as vitals:
        loss = model(x).square().mean()
        model.eval()
        with torch.no_grad():
            model(1e6 * torch.randn(4, FEATURES))
        model.train()
        loss.backward()
        optimizer.step()
        vitals.log(loss=loss)
    assert recorded(tmp_path)["activation_std/0"][0] == pytest.approx(expected, rel=1e-4)


def test_functional_transforms_run_beside_the_hooks(tmp_path):
    model = nn.Sequential(nn.Linear(4, 3), nn.Tanh())
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    x = torch.randn(5, 4)
    with watching(model, optimizer, tmp_path) as vitals:
        weights = dict(model.named_parameters())
        torch.func.vmap(lambda row: torch.func.functional_call(model, weights, (row,)))(x)
        torch.func.grad(lambda w: torch.func.functional_call(model, w, (x,)).sum())(weights)
        model(x).sum().backward()
        optimizer.step()
        vitals.log(loss=1.0)
    assert "activation_std/0" in recorded(tmp_path)


def test_a_gradient_scaler_that_skips_steps_leaves_them_out(tmp_path):
    model = nn.Linear(4, 2)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10)
    expected = {}
    with watching(model, optimizer, tmp_path, every=1) as vitals:
        for number in range(5):
            factor = math.inf if number == 2 else 1.0
            loss = (model(torch.ones(3, 4)) * factor).sum()
            scaler.scale(loss).backward()
            scaler.unscale_(optimizer)
            if number != 2:
                expected[len(expected)] = norm(model.weight.grad)
            scaler.step(optimizer)
            scaler.update()
            vitals.log(loss=1.0)
            optimizer.zero_grad()
    found = recorded(tmp_path)
    assert found["grad_norm/weight"] == pytest.approx(expected, rel=1e-5)
    assert found["train/loss"] == dict.fromkeys(range(4), 1.0)


def test_fused_unscaling_is_over_when_the_gradients_are_read(tmp_path):
    model = nn.Linear(4, 2)
    optimizer = torch.optim.Adam(model.parameters(), 0.1, fused=True)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10)
    with watching(model, optimizer, tmp_path) as vitals:
        scaler.scale(model(torch.ones(3, 4)).sum()).backward()
        scaler.step(optimizer)
        scaler.update()
        vitals.log(loss=1.0)
    assert recorded(tmp_path)["grad_norm/weight"][0] == pytest.approx(3 * math.sqrt(8), rel=1e-5)


def test_optimizers_that_step_inside_the_backward_pass(tmp_path):
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 1))
    optimizers = {parameter: torch.optim.SGD([parameter], 0.1) for parameter in model.parameters()}

    def step_now(parameter):
        optimizers[parameter].step()
        optimizers[parameter].zero_grad()

    for parameter in optimizers:
        parameter.register_post_accumulate_grad_hook(step_now)
    with watching(model, list(optimizers.values()), tmp_path, every=2) as vitals:
        for number in range(5):
            model(torch.randn(8, 4)).square().mean().backward()
            vitals.log(loss=float(number))
    found = recorded(tmp_path)
    assert found["train/loss"] == {number: float(number) for number in range(5)}
    assert {tag: sorted(found[tag]) for tag in found if tag.startswith("grad_norm/")} == {
        f"grad_norm/{name}": [0, 2, 4] for name, _ in model.named_parameters()
    }


def test_a_script_module_inside_the_model_is_left_alone(tmp_path):
    with pytest.warns(DeprecationWarning, match="script"):
        scripted = torch.jit.script(nn.Linear(4, 4))
    model = nn.Sequential(scripted, nn.Tanh())
    found = one_step(model, tmp_path, [torch.randn(3, 4)])
    assert "activation_std/1" in found
    assert "grad_norm/0.weight" in found


def compiled_weights(folder, compile_model, watch_first):
    torch.manual_seed(2)
    torch._dynamo.reset()
    model = network(dropout=0)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    vitals = None
    if folder is not None and watch_first:
        vitals = watching(model, optimizer, folder, every=3)
    compiled = compile_model(model)
    if folder is not None and not watch_first:
        vitals = watching(compiled, optimizer, folder, every=3)
    plain_steps(compiled, optimizer, vitals, 10)
    if vitals is not None:
        vitals.close()
    return [parameter.detach().clone() for parameter in model.parameters()]


def by_function(model):
    return torch.compile(model, backend="aot_eager")


def by_method(model):
    model.compile(backend="aot_eager")
    return model


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("compile_model", [by_function, by_method])
@pytest.mark.parametrize("watch_first", [True, False])
def test_a_compiled_model_trains_the_same_and_has_the_optimizers_signals(tmp_path, capsys, compile_model, watch_first):
    alone = compiled_weights(None, compile_model, watch_first)
    watched = compiled_weights(tmp_path, compile_model, watch_first)
    assert all(torch.equal(a, b) for a, b in zip(alone, watched, strict=True))
    found = recorded(tmp_path)
    assert sorted(found["grad_norm/0.weight"]) == [0, 3, 6, 9]
    assert sorted(found["update_ratio/0.weight"]) == [0, 3, 6, 9]
    if not watch_first:
        assert "not seen: activations, units, data_time, input_batch" in (told := capsys.readouterr().err)
        assert "because the model is compiled" in told
        assert not any(tag.startswith("activation") for tag in found)
