"""Scripts of their own process that end as scripts do: well, by a signal, by an error, on a full disk, again."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import textwrap

import pytest
from tests.hooks.training import recorded

import trainvitals

pytestmark = [pytest.mark.torch, pytest.mark.slow]

SCRIPT = """
import os, signal, sys
import torch, trainvitals
torch.manual_seed(0)
torch.set_num_threads(1)
folder, how = sys.argv[1:]
model = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.Tanh(), torch.nn.Linear(16, 1))
optimizer = torch.optim.Adam(model.parameters(), 0.01)
vitals = trainvitals.watch(model, optimizer, folder, every=5, budget=float("inf"))
for step in range(400):
    x = torch.randn(32, 8)
    loss = torch.nn.functional.mse_loss(model(x), x[:, :1].sin() + 0.1 * torch.randn(32, 1))
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    vitals.log(loss=loss)
    if step == 120 and how == "interrupt":
        os.kill(os.getpid(), signal.SIGINT)
    if step == 120 and how == "error":
        raise ValueError("a mistake of the person's own")
    if step == 120 and how == "exit":
        sys.exit(3)
print("trained to the end")
"""


def run_script(folder, how="end", *, limit_bytes=None):
    def limit():
        # A file that may not grow is a full disk, but for the signal, which a full disk does not send.
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, limit_bytes))

    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(SCRIPT), str(folder), how],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"},
        preexec_fn=limit if limit_bytes else None,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_same_script_twice_gives_two_healthy_runs(tmp_path):
    for _ in range(2):
        assert run_script(tmp_path).returncode == 0
    runs = list(trainvitals.read_runs(tmp_path))
    assert [len(run.series["train/loss"]) for run in runs] == [400, 400]
    assert [str(trainvitals.diagnose(run).status) for run in runs] == ["healthy", "healthy"]


@pytest.mark.parametrize(
    ("how", "status", "last_words"),
    [
        ("interrupt", -signal.SIGINT, "KeyboardInterrupt"),
        ("error", 1, "a mistake of the person's own"),
        ("exit", 3, ""),
    ],
)
def test_a_script_that_stops_in_the_middle_keeps_its_own_ending_and_every_step(tmp_path, how, status, last_words):
    result = run_script(tmp_path, how)
    assert result.returncode == status
    assert last_words in result.stderr
    assert sorted(recorded(tmp_path)["train/loss"]) == list(range(121))
    told = [line for line in result.stderr.splitlines() if line.startswith("trainvitals: ")]
    assert sum("next: trainvitals diagnose" in line for line in told) == 1
    assert len(told) <= 6


def test_a_disk_that_fills_up_stops_no_training_and_keeps_what_was_written(tmp_path):
    whole = run_script(tmp_path / "whole")
    size = sum(path.stat().st_size for path in (tmp_path / "whole").iterdir())
    result = run_script(tmp_path / "full", limit_bytes=size // 2)
    assert (whole.returncode, result.returncode) == (0, 0), result.stderr
    assert "trained to the end" in result.stdout
    assert result.stderr.count("cannot write") == 1
    assert "records could not be written" in result.stderr
    kept = recorded(tmp_path / "full")["train/loss"]
    everything = recorded(tmp_path / "whole")["train/loss"]
    assert 100 < len(kept) < 300
    assert kept.items() <= everything.items()
