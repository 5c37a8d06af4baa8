"""A NaN or an infinity is traced to where it was born, at whatever step."""

from __future__ import annotations

import math

import pytest
import torch
from tests.hooks.origins import AT, Exponential, Now, Poisoned, origin_in, train
from tests.hooks.training import CLASSES, FEATURES, batches, network, watching
from torch import nn

from trainvitals import diagnose, read_run

pytestmark = pytest.mark.torch


@pytest.fixture(autouse=True)
def _at_the_first_step():
    Now.step = 0


@pytest.mark.parametrize("log_first", [False, True])
@pytest.mark.parametrize("at", [0, 7, AT])
@pytest.mark.parametrize("place", [0, 1, 3, 5, 7])
def test_a_layer_that_puts_out_a_nan_is_named(tmp_path, place, at, log_first):
    model = network()
    model.insert(place, Poisoned(at=at))
    train(model, tmp_path, log_first=log_first)
    found = origin_in(tmp_path)
    assert (found["kind"], found["module"], found["module_class"], found["step"]) == (
        "forward",
        str(place),
        "Poisoned",
        at,
    )


@pytest.mark.parametrize("value", [math.inf, -math.inf])
def test_an_infinity_is_named_too(tmp_path, value):
    model = network()
    model.insert(4, Poisoned(value))
    train(model, tmp_path)
    found = origin_in(tmp_path)
    assert (found["kind"], found["module"], found["step"]) == ("forward", "4", AT)


def test_an_overflow_inside_a_layer_with_weights(tmp_path):
    class Grows(nn.Module):
        def __init__(self):
            super().__init__()
            self.blocks = nn.ModuleList(nn.Linear(FEATURES, FEATURES) for _ in range(3))
            self.exp = Exponential()
            self.head = nn.Linear(FEATURES, CLASSES)

        def forward(self, x):
            for block in self.blocks:
                x = block(x)
            return self.head(self.exp(x))

    def huge(step, model):
        if step == AT:
            model.blocks[2].bias.data[1] = 200.0

    train(Grows(), tmp_path, between=huge)
    found = origin_in(tmp_path)
    assert (found["kind"], found["module"], found["module_class"]) == ("forward", "exp", "Exponential")
    assert "infinity" in found["text"]


def test_an_operation_between_the_layers_of_a_block_is_the_block_s(tmp_path):
    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner, self.after = nn.Linear(FEATURES, FEATURES), nn.Linear(FEATURES, FEATURES)

        def forward(self, x):
            return self.after(self.inner(x) / (0.0 if Now.step == AT else 1.0))

    model = nn.Sequential(nn.Linear(FEATURES, FEATURES), Block(), nn.Linear(FEATURES, CLASSES))
    train(model, tmp_path)
    found = origin_in(tmp_path)
    assert (found["kind"], found["module"], found["module_class"]) == ("forward", "1", "Block")
    assert "between the modules inside of it" in found["text"]


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_nan_in_the_data_is_the_data_s(tmp_path, value):
    def data():
        for step, (x, y) in enumerate(batches(AT + 3)):
            if step == AT:
                x[2, 5] = value
            yield x, y

    train(network(), tmp_path, data=data())
    found = origin_in(tmp_path)
    assert (found["kind"], found["step"]) == ("input", AT)
    assert "module" not in found


def test_the_logarithm_of_zero_in_the_loss_is_the_loss_s(tmp_path):
    def loss_of(output, y, step):
        probability = output.softmax(1)[:, 0]
        if step == AT:
            probability = probability * 0
        return -probability.log().mean()

    train(network(), tmp_path, loss_of=loss_of)
    found = origin_in(tmp_path)
    assert (found["kind"], found["step"]) == ("loss", AT)
    assert "module" not in found


@pytest.mark.parametrize("clipped", [False, True])
def test_the_derivative_of_a_root_at_zero_is_the_backward_pass_of_its_module(tmp_path, clipped):
    class Root(nn.Module):
        def forward(self, x):
            x = x.abs() + 0.1
            if Now.step == AT:
                x = x - x.detach()
            return x.sqrt()

    model = nn.Sequential(
        nn.Linear(FEATURES, 8), nn.Linear(8, 8), Root(), nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, CLASSES)
    )
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    with watching(model, optimizer, tmp_path) as vitals:
        for Now.step, (x, y) in enumerate(batches(AT + 3)):
            nn.functional.cross_entropy(model(x), y).backward()
            if clipped:
                nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
            vitals.log(loss=1.0)
    found = origin_in(tmp_path)
    if clipped:
        assert (found["kind"], found["module"], found["step"]) == ("backward", "2", AT)
    else:
        # The gradient of the last layer is finite: what shows is the weights, one step later.
        assert (found["kind"], found["step"]) == ("parameter", AT + 1)
        assert f"between steps {AT} and {AT + 1}, by the update of step {AT}" in found["text"]
        assert "0.weight" in found["text"]
        assert "5." not in found["text"]


@pytest.mark.parametrize("make", [None, lambda p: torch.optim.AdamW(p, 1e-3)])
def test_a_weight_that_someone_else_made_nan_is_placed_between_two_steps_and_named(tmp_path, make):
    def poison(step, model):
        if step == AT:
            model[3].weight.data[0, 0] = math.nan

    train(network(), tmp_path, between=poison, make=make)
    found = origin_in(tmp_path)
    assert (found["kind"], found["module"], found["step"]) == ("parameter", "3", AT)
    assert f"3.weight became non-finite between steps {AT - 1} and {AT}, with finite gradients" in found["text"]


def test_weights_that_were_never_finite_are_not_dated(tmp_path):
    model = network()
    model[0].bias.data[0] = math.nan
    train(model, tmp_path)
    found = origin_in(tmp_path)
    assert (found["kind"], found["module"], found["step"]) == ("parameter", "0", 0)
    assert "before the first step that was watched" in found["text"]


def test_masks_of_minus_infinity_are_not_taken_for_the_origin(tmp_path):
    class Mask(nn.Module):
        def forward(self, x):
            return x.masked_fill(torch.ones(x.shape[-2:], dtype=torch.bool).triu(1), -math.inf)

    class Attention(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed, self.mask, self.head = nn.Linear(1, 4), Mask(), nn.Linear(4, CLASSES)
            self.poison = Poisoned()

        def forward(self, x):
            x = self.embed(x[:, :, None])
            weights = self.mask(x @ x.mT).softmax(-1)
            return self.head(self.poison(weights @ x).mean(1))

    train(Attention(), tmp_path)
    found = origin_in(tmp_path)
    assert (found["kind"], found["module"]) == ("forward", "poison")


def closure_steps(make, tmp_path, **model_settings):
    model = network()
    model.insert(1, Poisoned(**model_settings))
    optimizer = make(model.parameters())
    with watching(model, optimizer, tmp_path) as vitals:
        for Now.step, (x, y) in enumerate(batches(AT + 3)):

            def closure(x=x, y=y):
                optimizer.zero_grad()
                loss = nn.functional.cross_entropy(model(x), y)
                loss.backward()
                return loss

            vitals.log(loss=optimizer.step(closure))
    return origin_in(tmp_path)


def test_with_a_closure_the_module_is_found_before_the_update(tmp_path):
    found = closure_steps(lambda p: torch.optim.AdamW(p, 1e-3), tmp_path)
    assert (found["kind"], found["module"], found["step"]) == ("forward", "1", AT)


def test_with_lbfgs_too(tmp_path):
    found = closure_steps(lambda p: torch.optim.LBFGS(p, 0.01, max_iter=3), tmp_path, at=5)
    assert (found["kind"], found["module"], found["step"]) == ("forward", "1", 5)


@pytest.mark.parametrize("fused", [False, True])
def test_a_scaled_gradient_that_overflows_is_healthy(tmp_path, fused, capsys):
    model = network()
    optimizer = torch.optim.Adam(model.parameters(), 1e-3, fused=fused)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**125, growth_interval=4)
    with watching(model, optimizer, tmp_path) as vitals:
        for x, y in batches(60):
            loss = 100 * nn.functional.cross_entropy(model(x), y)
            optimizer.zero_grad()
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
            vitals.log(loss=loss)
    assert scaler.get_scale() < 2.0**125
    assert origin_in(tmp_path) is None
    assert "not finite" not in capsys.readouterr().err


def test_the_diagnosis_quotes_it(tmp_path):
    model = network()
    model.insert(4, Poisoned())
    train(model, tmp_path, steps=60)
    (finding,) = [each for each in diagnose(read_run(tmp_path)).findings if each.name == "non-finite-loss"]
    assert finding.layers == ("4",)
    assert any("the forward pass of 4 (Poisoned)" in evidence.text for evidence in finding.evidence)
    assert read_run(tmp_path).restarts == ()


def test_keyword_arguments_autocast_and_tuples(tmp_path):
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.body, self.exp, self.head = nn.Linear(FEATURES, 8), Overflows(), nn.Linear(8, CLASSES)

        def forward(self, *, batch):
            return {"logits": (self.head(self.exp((self.body(batch["x"]), None))[0]), None)}

    class Overflows(nn.Module):
        """Finite in float32, not in float16."""

        def forward(self, pair):
            return pair[0] * (1e6 if Now.step == AT else 1.0), None

    model = Model()
    optimizer = torch.optim.SGD(model.parameters(), 1e-3)
    with watching(model, optimizer, tmp_path) as vitals:
        for Now.step, (x, y) in enumerate(batches(AT + 2)):
            with torch.autocast("cpu", torch.float16):
                output = model(batch={"x": x})["logits"][0]
            nn.functional.cross_entropy(output.float(), y).backward()
            optimizer.step()
            optimizer.zero_grad()
            vitals.log(loss=1.0)
    found = origin_in(tmp_path)
    assert (found["kind"], found["module"], found["step"]) == ("forward", "exp", AT)
