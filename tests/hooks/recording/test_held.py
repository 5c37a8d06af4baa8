"""Losses that wait beside the event file: none is lost, none comes twice, and none waits for long."""

from __future__ import annotations

import math
import os
import random
import signal
import subprocess
import sys

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tests.hooks.training import network, plain_steps, recorded, watching

from trainvitals import read_run
from trainvitals.eventfile import pending as pendings
from trainvitals.eventfile.pending import pending_path, read_pending

pytestmark = pytest.mark.torch

LOSS = "train/loss"


@pytest.fixture
def model():
    return network()


@pytest.fixture
def optimizer(model):
    return torch.optim.SGD(model.parameters(), 0.05)


@pytest.fixture(autouse=True)
def no_clock(monkeypatch):
    """On a busy machine anything may take a second."""
    monkeypatch.setattr(pendings, "HELD_S", math.inf)
    monkeypatch.setattr(pendings, "_file_system", lambda _: "ext4")


def waiting(folder):
    (file,) = folder.glob("*tfevents*")
    return [step for step, *_ in read_pending(file).rows]


def in_tensorboard(folder):
    return [event.step for event in EventAccumulator(str(folder)).Reload().Scalars(LOSS)]


def test_losses_wait_until_the_next_record_and_then_stand_in_order(tmp_path, model, optimizer):
    with watching(model, optimizer, tmp_path, every=10) as vitals:
        plain_steps(model, optimizer, vitals, 9)
        assert waiting(tmp_path) == [2, 3, 4, 5, 6, 7]
        assert in_tensorboard(tmp_path) == [0, 1]
        assert list(recorded(tmp_path)[LOSS]) == list(range(8))
        plain_steps(model, optimizer, vitals, 4)
        assert waiting(tmp_path) == [11]
        assert in_tensorboard(tmp_path) == list(range(11))
    assert in_tensorboard(tmp_path) == list(range(13))
    assert len(list(tmp_path.iterdir())) == 1


def test_one_that_has_waited_long_enough_is_written_although_no_record_is_due(tmp_path, monkeypatch, model, optimizer):
    monkeypatch.setattr(pendings, "HELD_S", -1.0)
    with watching(model, optimizer, tmp_path, every=1000) as vitals:
        plain_steps(model, optimizer, vitals, 9)
        assert waiting(tmp_path) == []
        assert in_tensorboard(tmp_path) == list(range(8))


@pytest.mark.parametrize("write", ["event", "log_validation", "several"])
def test_whatever_else_is_written_comes_behind_them(tmp_path, model, optimizer, write):
    with watching(model, optimizer, tmp_path, every=1000) as vitals:
        plain_steps(model, optimizer, vitals, 6)
        if write == "event":
            vitals.event("checkpoint")
        elif write == "log_validation":
            vitals.log_validation(loss=1.0)
        else:
            vitals.log(loss=1.0)
            plain_steps(model, optimizer, vitals, 1)
        assert waiting(tmp_path) == []
        assert in_tensorboard(tmp_path) == list(range(5 + (write == "several")))


def test_a_loss_that_is_not_finite_is_written_at_once_and_so_is_the_next_that_is(tmp_path, model, optimizer):
    losses = [1.0] * 5 + [math.nan, math.nan, 1.0, 1.0, 1.0, 1.0]
    with watching(model, optimizer, tmp_path, every=1000, signals="light") as vitals:
        for step, loss in enumerate(losses):
            for parameter in model.parameters():
                parameter.grad = torch.zeros_like(parameter)
            optimizer.step()
            vitals.log(loss=loss)
            if step == 6:
                assert in_tensorboard(tmp_path) == list(range(6))
    assert in_tensorboard(tmp_path) == list(range(len(losses)))


def test_whoever_wants_each_record_has_it_at_once(tmp_path, model, optimizer):
    seen = []
    with watching(model, optimizer, tmp_path, every=1000, on_record=lambda step, _: seen.append(step)) as vitals:
        plain_steps(model, optimizer, vitals, 6)
        assert seen == list(range(5))
        assert in_tensorboard(tmp_path) == list(range(5))


def test_where_nothing_can_be_mapped_each_loss_is_written_on_its_own(tmp_path, monkeypatch, model, optimizer):
    monkeypatch.setattr(pendings, "_file_system", lambda _: "nfs4")
    with watching(model, optimizer, tmp_path, every=1000) as vitals:
        plain_steps(model, optimizer, vitals, 6)
        assert in_tensorboard(tmp_path) == list(range(5))
        assert len(list(tmp_path.iterdir())) == 1


def test_a_checkpoint_goes_on_in_the_same_folder_with_each_point_once(tmp_path, model, optimizer):
    with watching(model, optimizer, tmp_path, every=1000) as vitals:
        plain_steps(model, optimizer, vitals, 6)
        state = vitals.state_dict()
        plain_steps(model, optimizer, vitals, 6)
        vitals.load_state_dict(state)
        plain_steps(model, optimizer, vitals, 6)
    assert list(recorded(tmp_path)[LOSS]) == list(range(12))
    assert not list(tmp_path.glob("*pending*"))


KILLED = """
import os, signal, struct, sys
import torch, trainvitals
from trainvitals.eventfile import pending
pending._file_system = lambda _: "ext4"

def train(folder, seconds, tell):
    model = torch.nn.Linear(4, 1)
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    vitals = trainvitals.watch(model, optimizer, folder, every=50, budget=float("inf"), signals="light", live=False)
    batch = torch.randn(8, 4)
    step = 0
    while True:
        model(batch).square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()
        vitals.log(loss=float(step))
        os.pwrite(tell, struct.pack("<q", step), 0)
        step += 1
        if step == 60:
            # From here on the process may be gone at any instruction, as after kill -9: nothing handles this signal.
            signal.setitimer(signal.ITIMER_REAL, seconds)

# Loads what every child would load again.
trainvitals.watch
torch.optim.SGD([torch.zeros(1)], 0.1)

for number, seconds in enumerate(sys.argv[2:]):
    folder = os.path.join(sys.argv[1], str(number))
    os.mkdir(folder)
    tell = os.open(folder + ".step", os.O_RDWR | os.O_CREAT)
    if os.fork() == 0:
        train(folder, float(seconds), tell)
    _, status = os.wait()
    assert os.WTERMSIG(status) == signal.SIGALRM, status
"""


@pytest.mark.slow
def test_a_process_that_is_killed_at_any_moment_loses_its_last_record_at_most(tmp_path):
    kills = 24
    seconds = [str(0.001 + 0.3 * random.Random(number).random()) for number in range(kills)]
    subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path), *seconds],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"},
        stderr=subprocess.DEVNULL,
        check=True,
        timeout=300,
    )
    waited = 0
    for number in range(kills):
        logged = int.from_bytes((tmp_path / f"{number}.step").read_bytes(), "little")
        folder = tmp_path / str(number)
        waited += bool(waiting(folder))
        loss = read_run(folder).series[LOSS]
        # What was logged last belongs to a step behind which nothing came any more; one more may have been logged
        # before that could be noted down.
        assert len(loss) in (logged, logged + 1)
        assert loss.step.tolist() == loss.value.tolist() == list(range(len(loss)))
    assert waited > kills // 2


@pytest.mark.slow
def test_a_killed_run_that_is_resumed_goes_on_behind_what_waited(tmp_path, model, optimizer):
    script = KILLED.replace("signal.setitimer(signal.ITIMER_REAL, seconds)", "os.kill(os.getpid(), signal.SIGALRM)")
    subprocess.run(
        [sys.executable, "-c", script, str(tmp_path), "0"],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"},
        stderr=subprocess.DEVNULL,
        check=True,
        timeout=300,
    )
    folder = tmp_path / "0"
    assert waiting(folder)[-1] == 58
    with watching(model, optimizer, folder, resume=True) as vitals:
        plain_steps(model, optimizer, vitals, 3)
    loss = read_run(folder).series[LOSS]
    assert loss.step.tolist() == list(range(62))
    assert loss.value.tolist()[:59] == [float(step) for step in range(59)]


def test_a_forked_process_leaves_its_parents_losses_alone(tmp_path, model, optimizer):
    with watching(model, optimizer, tmp_path, every=1000) as vitals:
        plain_steps(model, optimizer, vitals, 4)
        child = os.fork()
        if child == 0:
            vitals.close()
            del vitals
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        (file,) = tmp_path.glob("*tfevents*")
        assert pending_path(file).exists()
        plain_steps(model, optimizer, vitals, 2)
        assert waiting(tmp_path) == [2, 3, 4]
    assert in_tensorboard(tmp_path) == list(range(6))


def test_a_signal_that_ends_the_process_is_no_kill(tmp_path):
    """The end of the interpreter closes the watcher, which writes what waits and takes the file away."""
    script = KILLED.split("def train", maxsplit=1)[0] + (
        "model = torch.nn.Linear(4, 1)\n"
        "optimizer = torch.optim.SGD(model.parameters(), 0.01)\n"
        "vitals = trainvitals.watch(model, optimizer, sys.argv[1], every=1000, live=False)\n"
        "for step in range(9):\n"
        "    model(torch.ones(8, 4)).mean().backward()\n"
        "    optimizer.step()\n"
        "    vitals.log(loss=float(step))\n"
        "os.kill(os.getpid(), signal.SIGINT)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"},
        stderr=subprocess.DEVNULL,
        check=False,
        timeout=300,
    )
    assert done.returncode == -signal.SIGINT
    assert in_tensorboard(tmp_path) == list(range(9))
    assert len(list(tmp_path.iterdir())) == 1
