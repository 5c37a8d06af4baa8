"""A NaN or an infinity is traced to where it was born, at whatever step, and a healthy training pays nothing for it."""

from __future__ import annotations

import copy
import json
import math

import pytest
import torch
from tests.hooks.training import CLASSES, FEATURES, batches, markers, network, plain_steps, watching
from torch import nn

from trainvitals import diagnose, read_run

pytestmark = pytest.mark.torch

AT = 13
"""Off the grid of recorded steps, which are every tenth."""


def origin_in(folder):
    texts = read_run(folder).texts
    return json.loads(texts["event/non_finite_origin"]) if "event/non_finite_origin" in texts else None


class Now:
    """The step that the loop is at: what a module of these tests depends on instead of on its input."""

    step = 0


@pytest.fixture(autouse=True)
def _at_the_first_step():
    Now.step = 0


class Poisoned(nn.Module):
    """Passes on what it is given, but for one element at one step."""

    def __init__(self, value=math.nan, at=AT):
        super().__init__()
        self.value, self.at = value, at

    def forward(self, x):
        if Now.step == self.at:
            x = x.clone()
            x.view(-1)[3] = self.value
        return x


class Exponential(nn.Module):
    def forward(self, x):
        return x.exp()


def train(
    model, folder, *, steps=AT + 4, loss_of=None, data=None, log_first=False, make=None, between=None, **settings
):
    optimizer = (make or (lambda p: torch.optim.SGD(p, 0.05, momentum=0.9)))(model.parameters())
    with watching(model, optimizer, folder, **settings) as vitals:
        for step, (x, y) in enumerate(data or batches(steps)):
            Now.step = step
            if between is not None:
                between(step, model)
            output = model(x)
            loss = nn.functional.cross_entropy(output, y) if loss_of is None else loss_of(output, y, step)
            loss.backward()
            if log_first:
                vitals.log(loss=loss)
            optimizer.step()
            optimizer.zero_grad()
            if not log_first:
                vitals.log(loss=loss)
    return vitals


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


def test_the_second_pass_leaves_the_training_as_it_was(tmp_path):
    class Remembers(nn.Module):
        def __init__(self):
            super().__init__()
            self.hidden, self.calls = torch.zeros(40), 0

        def forward(self, x):
            self.calls += 1
            self.hidden = 0.9 * self.hidden + 0.1 * x.detach().mean(0)
            return x + self.hidden

    def weights(folder):
        torch.manual_seed(4)
        model = network(dropout=0.4)
        model.insert(3, Remembers())
        optimizer = torch.optim.SGD(model.parameters(), 0.05, momentum=0.9)
        vitals = None if folder is None else watching(model, optimizer, folder)
        for step, (x, y) in enumerate(batches(40)):
            loss = nn.functional.cross_entropy(model(x), y)
            loss.backward()
            if step == AT:
                next(model.parameters()).grad[0, 0] = math.nan
                model[-1].bias.grad[0] = math.inf
            # The step is made, so that the watcher looks; what it would have spoilt is put back.
            before = copy.deepcopy((model.state_dict(), optimizer.state_dict()))
            optimizer.step()
            if step == AT:
                model.load_state_dict(before[0])
                optimizer.load_state_dict(before[1])
            optimizer.zero_grad()
            if vitals is not None:
                vitals.log(loss=loss)
        if vitals is not None:
            vitals.close()
        return model.state_dict(), model[3].hidden, model[3].calls, torch.get_rng_state()

    alone, watched = weights(None), weights(tmp_path)
    assert origin_in(tmp_path)["step"] == AT
    assert [name for name in alone[0] if not torch.equal(alone[0][name], watched[0][name])] == []
    assert torch.equal(alone[1], watched[1])
    assert alone[2] == watched[2]
    assert torch.equal(alone[3], watched[3])


def test_a_healthy_training_is_not_repeated_and_nothing_is_said(tmp_path, capsys):
    model = network()
    calls = []
    model[0].register_forward_hook(lambda *_: calls.append(1))
    optimizer = torch.optim.SGD(model.parameters(), 0.05)
    with watching(model, optimizer, tmp_path) as vitals:
        plain_steps(model, optimizer, vitals, 25)
    assert len(calls) == 25
    assert origin_in(tmp_path) is None
    assert "not finite" not in capsys.readouterr().err


def test_nothing_stays_on_the_model(tmp_path):
    model = network()
    train(model, tmp_path)
    assert [module for module in model.modules() if module._forward_hooks or module._forward_pre_hooks] == []


def test_it_is_told_once_and_every_new_illness_is_marked(tmp_path, capsys):
    def loss_of(output, y, step):
        return nn.functional.cross_entropy(output, y) * (math.nan if step in (3, 8) else 1.0)

    model = network()
    optimizer = torch.optim.SGD(model.parameters(), 0.0)
    healthy = copy.deepcopy(model.state_dict())
    with watching(model, optimizer, tmp_path) as vitals:
        for step, (x, y) in enumerate(batches(12)):
            loss_of(model(x), y, step).backward()
            optimizer.step()
            optimizer.zero_grad()
            model.load_state_dict(healthy)
            vitals.log(loss=1.0)
    assert origin_in(tmp_path)["step"] == 8
    assert capsys.readouterr().err.count("not finite") == 1


def test_a_model_that_cannot_run_again_is_told_as_unknown(tmp_path):
    class Once(nn.Module):
        def __init__(self):
            super().__init__()
            self.poison, self.ran = Poisoned(at=0), False

        def forward(self, x):
            if torch.is_grad_enabled():
                return self.poison(x)
            raise RuntimeError("not twice")

    train(nn.Sequential(nn.Linear(FEATURES, CLASSES), Once()), tmp_path, steps=3)
    found = origin_in(tmp_path)
    assert found["kind"] == "unknown"
    assert "not twice" in found["text"]


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


def test_where_the_device_is_not_waited_for_the_step_is_told_with_the_next_record(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("trainvitals_hooks.probes.non_finite_origin._is_late", lambda parameter: True)
    model = network()
    model.insert(2, Poisoned())
    optimizer = torch.optim.SGD(model.parameters(), 0.05)
    told_at = None
    with watching(model, optimizer, tmp_path) as vitals:
        for Now.step, (x, y) in enumerate(batches(2 * AT)):
            nn.functional.cross_entropy(model(x), y).backward()
            optimizer.step()
            optimizer.zero_grad()
            vitals.log()
            if told_at is None and "not finite" in capsys.readouterr().err:
                told_at = Now.step
    found = origin_in(tmp_path)
    assert (found["kind"], found["step"]) == ("unknown", AT)
    assert "detect_anomaly" in found["text"]
    # The record of step 20 is complete when step 21 is made.
    assert told_at == 21


def test_a_late_look_tells_each_illness_once(tmp_path, monkeypatch):
    monkeypatch.setattr("trainvitals_hooks.probes.non_finite_origin._is_late", lambda parameter: True)
    model = network()
    healthy = copy.deepcopy(model.state_dict())
    optimizer = torch.optim.SGD(model.parameters(), 0.0)
    with watching(model, optimizer, tmp_path, every=10) as vitals:
        for step, (x, y) in enumerate(batches(45)):
            (nn.functional.cross_entropy(model(x), y) * (math.nan if 8 <= step <= 22 or step == 33 else 1.0)).backward()
            optimizer.step()
            optimizer.zero_grad()
            model.load_state_dict(healthy)
            vitals.log(loss=1.0)
    assert [step for step, _ in markers(tmp_path, "non_finite_origin")] == [8, 33]


def test_a_whole_model_that_is_compiled_runs_again_uncompiled(tmp_path):
    torch._dynamo.reset()
    model = nn.Sequential(nn.Linear(FEATURES, 8), Exponential(), nn.Linear(8, CLASSES))
    compiled = torch.compile(model, backend="eager")
    optimizer = torch.optim.SGD(model.parameters(), 0.05)
    with watching(compiled, optimizer, tmp_path) as vitals:
        for step, (x, y) in enumerate(batches(AT + 3)):
            loss = nn.functional.cross_entropy(compiled(x * (1e4 if step == AT else 1.0)), y)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            vitals.log(loss=loss)
    found = origin_in(tmp_path)
    assert (found["kind"], found["module"], found["step"]) == ("forward", "1", AT)


def test_layers_that_are_compiled_in_place_do_not_run_again(tmp_path):
    torch._dynamo.reset()
    model = network(dropout=0.0)
    model[0].compile(backend="eager")
    train(model, tmp_path, loss_of=lambda output, y, step: output.sum() * (math.nan if step == AT else 1.0))
    found = origin_in(tmp_path)
    assert (found["kind"], found["step"]) == ("unknown", AT)
    assert "compiled" in found["text"]


MICRO = 4
ALLERGEN = 77.0


class Allergic(nn.Module):
    """Cannot stand one number in its input, whenever it comes."""

    def forward(self, x):
        return x * math.nan if bool((x == ALLERGEN).any()) else x


def accumulate(folder, model, *, ill_micro, loss_of=False, data=None):
    """Steps of four micro-batches, of which one is ill at one step: ``Now.step`` counts micro-batches here."""
    optimizer = torch.optim.SGD(model.parameters(), 0.05)
    with watching(model, optimizer, folder) as vitals:
        for Now.step, (x, y) in enumerate(batches((AT + 3) * MICRO)):
            is_ill = Now.step == AT * MICRO + ill_micro
            if is_ill and data is not None:
                x[0, 0] = data
            loss = nn.functional.cross_entropy(model(x), y)
            (loss * (math.nan if is_ill and loss_of else 1.0)).backward()
            vitals.log(loss=1.0)
            if Now.step % MICRO == MICRO - 1:
                optimizer.step()
                optimizer.zero_grad()
    return origin_in(folder)


@pytest.mark.parametrize("ill_micro", range(MICRO))
@pytest.mark.parametrize("what", ["forward", "input", "loss"])
def test_the_micro_batch_that_was_ill_is_the_one_that_runs_again(tmp_path, ill_micro, what):
    model = network(dropout=0.0)
    if what == "forward":
        model.insert(0, Allergic())
    data = {"forward": ALLERGEN, "input": math.nan, "loss": None}[what]
    found = accumulate(tmp_path, model, ill_micro=ill_micro, loss_of=what == "loss", data=data)
    assert (found["kind"], found["step"], found.get("module")) == (what, AT, "0" if what == "forward" else None)


class Scripted(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("seen", torch.zeros(8))
        self.linear, self.norm = nn.Linear(8, 8), nn.BatchNorm1d(8)

    def forward(self, x):
        self.seen += x.detach().mean(0)
        return self.norm(self.linear(x))


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_scripted_parts_run_again_and_keep_their_buffers(tmp_path):
    def train_scripted(folder):
        torch.manual_seed(2)
        model = nn.Sequential(
            nn.Linear(FEATURES, 8), torch.jit.script(Scripted()), Exponential(), nn.Linear(8, CLASSES)
        )
        optimizer = torch.optim.SGD(model.parameters(), 0.0)
        vitals = None if folder is None else watching(model, optimizer, folder)
        for step, (x, y) in enumerate(batches(AT + 1)):
            if step == AT:
                model[1].norm.bias.data[0] = 1e4
            nn.functional.cross_entropy(model(x), y).backward()
            optimizer.step()
            optimizer.zero_grad()
            if vitals is not None:
                vitals.log(loss=1.0)
        if vitals is not None:
            vitals.close()
        return dict(model.named_buffers())

    alone, watched = train_scripted(None), train_scripted(tmp_path)
    found = origin_in(tmp_path)
    assert (found["kind"], found["module"]) == ("forward", "2")
    assert len(alone) == 4
    assert [name for name in alone if not torch.equal(alone[name], watched[name])] == []


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_a_model_that_is_a_script_does_not_run_again(tmp_path):
    model = torch.jit.script(nn.Sequential(nn.Linear(FEATURES, CLASSES)))
    train(model, tmp_path, loss_of=lambda output, y, step: output.sum() * (math.nan if step == AT else 1.0))
    found = origin_in(tmp_path)
    assert (found["kind"], found["step"]) == ("unknown", AT)
    assert "script" in found["text"]
