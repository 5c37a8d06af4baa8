"""When the forward pass of a NaN runs again, and that this leaves no trace; a healthy training pays nothing for it."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from tests.hooks.origins import AT, Exponential, Now, Poisoned, origin_in, train
from tests.hooks.training import CLASSES, FEATURES, batches, markers, network, plain_steps, watching
from torch import nn

pytestmark = pytest.mark.torch


@pytest.fixture(autouse=True)
def _at_the_first_step():
    Now.step = 0


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
