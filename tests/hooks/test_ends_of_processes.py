"""However the process of a training ends, what it recorded is there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap

import pytest
from tests.hooks.training import recorded

pytestmark = [pytest.mark.torch, pytest.mark.slow]

SCRIPT = """
import os, sys, signal
import torch, trainvitals
model = torch.nn.Linear(4, 1)
optimizer = torch.optim.SGD(model.parameters(), 0.1)
vitals = trainvitals.watch(model, optimizer, sys.argv[1], every=5, budget=float("inf"), live=False)
for step in range(40):
    model(torch.randn(8, 4)).square().mean().backward()
    optimizer.step()
    optimizer.zero_grad()
    vitals.log(loss=float(step))
    if step == 33 and sys.argv[2] == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if step == 33 and sys.argv[2] == "fork" and os.fork() == 0:
        sys.exit(0)
    if step == 33 and sys.argv[2] == "interrupt":
        raise KeyboardInterrupt
"""


def run_script(folder, how):
    path = os.pathsep.join(sys.path)
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(SCRIPT), str(folder), how],
        env=os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_killed_process_loses_at_most_its_last_record(tmp_path):
    assert run_script(tmp_path, "kill").returncode == -signal.SIGKILL
    found = recorded(tmp_path)
    assert sorted(found["train/loss"]) == list(range(33))
    assert sorted(found["grad_norm/weight"]) == list(range(0, 33, 5))


@pytest.mark.parametrize(("how", "steps"), [("end", 40), ("interrupt", 34), ("fork", 40)])
def test_a_process_that_ends_has_written_everything(tmp_path, how, steps):
    told = run_script(tmp_path, how).stderr
    assert sorted(recorded(tmp_path)["train/loss"]) == list(range(steps))
    assert len(list(tmp_path.rglob("*tfevents*"))) == 1
    assert told.count("next: trainvitals diagnose") == 1
