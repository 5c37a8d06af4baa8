"""The times of the phases, on a clock that the tests move."""

from __future__ import annotations

import pytest
import torch
from tests.hooks.training import recorded, watching
from torch import nn

from trainvitals_hooks.probes import phase_times
from trainvitals_hooks.recording import own_time
from trainvitals_hooks.recording.own_time import OwnTime

pytestmark = pytest.mark.torch

FORWARD, BACKWARD, UPDATE = "system/forward_time_s", "system/backward_time_s", "system/optimizer_time_s"


class Clock:
    now_s = 100.0

    def __call__(self):
        return self.now_s


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(own_time, "perf_counter", clock)
    return clock


class Slow(nn.Linear):
    """A forward pass of 3 seconds, and a backward pass of 5."""

    def __init__(self, clock):
        super().__init__(2, 1)
        self.clock = clock

    def forward(self, x):
        self.clock.now_s += 3
        output = super().forward(x)
        output.register_hook(self._backward)
        return output

    def _backward(self, gradient):
        self.clock.now_s += 5


class SlowSGD(torch.optim.SGD):
    """An update of 7 seconds before that of its parent, whose hooks fire a second time."""

    clock: Clock

    def step(self, closure=None):
        self.clock.now_s += 7
        return super().step(closure)


def slow_training(clock):
    model = Slow(clock)
    torch.optim.SGD(model.parameters(), 0.1)  # The first of a class gives its step the hooks.
    optimizer = SlowSGD(model.parameters(), 0.1)
    optimizer.clock = clock
    return model, optimizer


def times(folder):
    found = recorded(folder)
    return {tag: found[tag] for tag in (FORWARD, BACKWARD, UPDATE) if tag in found}


X = torch.ones(4, 2)


def test_the_three_phases_of_a_step(tmp_path, clock):
    model, optimizer = slow_training(clock)
    with watching(model, optimizer, tmp_path, every=2, signals=["phase_times"]) as vitals:
        for _ in range(4):
            clock.now_s += 1000  # waiting for data
            loss = model(X).sum()
            clock.now_s += 0.5
            loss.backward()
            optimizer.step()
            clock.now_s += 50
            vitals.log(loss=loss)
    assert times(tmp_path) == {FORWARD: {0: 3, 2: 3}, BACKWARD: {0: 5.5, 2: 5.5}, UPDATE: {0: 7, 2: 7}}


def test_micro_batches_are_added_up(tmp_path, clock):
    model, optimizer = slow_training(clock)
    with watching(model, optimizer, tmp_path, every=1, signals=["phase_times"]):
        for _ in range(2):
            for _ in range(3):
                model(X).sum().backward()
            optimizer.step()
    assert times(tmp_path) == {FORWARD: {0: 9, 1: 9}, BACKWARD: {0: 15, 1: 15}, UPDATE: {0: 7, 1: 7}}


def test_a_validation_within_the_step_is_no_forward_pass(tmp_path, clock):
    model, optimizer = slow_training(clock)
    with watching(model, optimizer, tmp_path, signals=["phase_times"]):
        model(X).sum().backward()
        model.eval()
        model(X)
        model.train()
        optimizer.step()
    assert times(tmp_path)[FORWARD] == {0: 3}


def test_a_forward_pass_that_failed_does_not_count(tmp_path, clock):
    model, optimizer = slow_training(clock)
    with watching(model, optimizer, tmp_path, signals=["phase_times"]):
        with pytest.raises(RuntimeError):
            model(torch.ones(4, 3))
        model(X).sum().backward()
        optimizer.step()
    assert times(tmp_path) == {FORWARD: {0: 3}, BACKWARD: {0: 5}, UPDATE: {0: 7}}


def test_the_monitors_own_time_is_left_out(tmp_path, clock):
    model, optimizer = slow_training(clock)
    with watching(model, optimizer, tmp_path, signals=["phase_times"]) as vitals:

        def own(*_):
            vitals._work.own.enter()
            clock.now_s += 11
            vitals._work.own.leave()

        output = model(X)
        own()
        output.sum().backward()
        model.register_forward_hook(own)
        model.zero_grad()
        model(X).sum().backward()
        optimizer.step()
    assert times(tmp_path) == {FORWARD: {0: 6}, BACKWARD: {0: 10}, UPDATE: {0: 7}}


@pytest.mark.parametrize("logged_before", [False, True])
def test_with_a_closure_only_the_forward_passes_can_be_told(tmp_path, clock, logged_before):
    model = Slow(clock)
    optimizer = torch.optim.LBFGS(model.parameters(), 0.01, max_iter=4, tolerance_change=0, tolerance_grad=0)
    runs = []

    def closure():
        optimizer.zero_grad()
        runs.append(model(X).square().sum())
        runs[-1].backward()
        return runs[-1]

    with watching(model, optimizer, tmp_path, every=2, signals=["phase_times"]):
        if logged_before:
            runs.append(model(X))
        optimizer.step(closure)
    assert len(runs) >= 4
    assert times(tmp_path) == {FORWARD: {0: 3.0 * len(runs)}}


def test_updates_inside_the_backward_pass_leave_the_forward_time(tmp_path, clock):
    model = Slow(clock)
    optimizers = {parameter: torch.optim.SGD([parameter], 0.1) for parameter in model.parameters()}
    for parameter in optimizers:
        parameter.register_post_accumulate_grad_hook(lambda parameter: optimizers[parameter].step())
    with watching(model, list(optimizers.values()), tmp_path, signals=["phase_times"]):
        model(X).sum().backward()
    assert times(tmp_path) == {FORWARD: {0: 3}}


def test_a_single_optimizer_inside_the_backward_pass_leaves_the_forward_time(tmp_path, clock):
    model = Slow(clock)
    optimizer = torch.optim.SGD([model.weight], 0.1)
    model.weight.register_post_accumulate_grad_hook(lambda _: optimizer.step())
    with watching(model, optimizer, tmp_path, signals=["phase_times"]):
        model(X).sum().backward()
    assert times(tmp_path) == {FORWARD: {0: 3}}


class FakeEvent:
    """As one of a CUDA device that works behind the host: its time is known only after it was reached."""

    made: list[FakeEvent] = []  # noqa: RUF012

    def __init__(self, enable_timing=False):
        assert enable_timing
        self.made.append(self)
        self.at_ms = None

    def record(self, stream):
        assert stream == "stream of cpu"

    def elapsed_time(self, end):
        assert self.at_ms is not None
        assert end.at_ms is not None
        return end.at_ms - self.at_ms

    def synchronize(self):
        raise AssertionError("waited for the device")


def test_on_a_device_events_are_read_when_the_numbers_have_arrived(monkeypatch):
    monkeypatch.setattr(torch.cuda, "Event", FakeEvent)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: f"stream of {device}")
    clock = phase_times._DeviceClock(torch.device("cpu"))
    monkeypatch.setattr(phase_times, "_clock_of", lambda model, own: clock)
    FakeEvent.made.clear()
    model = nn.Linear(2, 1)
    probe = phase_times.PhaseTimes(model, OwnTime(), lambda probe, error: pytest.fail(str(error)), one_optimizer=True)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    probe.arm()
    model(X).sum().backward()
    probe.before_update(optimizer)
    (reading,) = probe.after_update(optimizer)
    probe.disarm()
    assert len(reading.tensors) == 1
    for event, at_ms in zip(FakeEvent.made, (10, 13, 18, 25), strict=True):
        event.at_ms = at_ms
    tags, values = reading.finish([])
    assert dict(zip(tags, values, strict=True)) == pytest.approx({FORWARD: 0.003, BACKWARD: 0.005, UPDATE: 0.007})


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_cuda_device_gives_times_that_add_up(tmp_path):
    model = nn.Linear(512, 512, device="cuda")
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with watching(model, optimizer, tmp_path, every=1, signals=["phase_times"]):
        for _ in range(5):
            model(torch.ones(64, 512, device="cuda")).sum().backward()
            optimizer.step()
    assert all(0 < value < 60 for values in times(tmp_path).values() for value in values.values())
    assert len(times(tmp_path)) == 3


def test_a_model_on_several_devices_has_no_such_times(tmp_path):
    class First(nn.Sequential):
        def forward(self, x):
            return self[0](x)

    model = First(nn.Linear(2, 1), nn.Linear(2, 1, device="meta"))
    optimizer = torch.optim.SGD(model[0].parameters(), 0.1)
    with watching(model, optimizer, tmp_path, signals=["phase_times"]) as vitals:
        model(X).sum().backward()
        optimizer.step()
        vitals.log(loss=1.0)
    assert times(tmp_path) == {}
