"""The example of several processes, started as people start it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.hooks.training import recorded

pytestmark = [pytest.mark.torch, pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT_S = 150


def test_the_example_records_one_run_of_two_processes(tmp_path):
    sources = os.pathsep.join(str(ROOT / place) for place in ("monitor", "hooks"))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    process = subprocess.Popen(
        [*command, str(ROOT / "examples" / "several_processes.py"), str(tmp_path / "run")],
        env={**os.environ, "PYTHONPATH": sources, "OMP_NUM_THREADS": "1"},
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        printed, _ = process.communicate(timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        printed, _ = process.communicate()
        pytest.fail(f"it hangs\n{printed}")
    assert process.returncode == 0, printed
    found = recorded(tmp_path / "run")
    assert len(found["train/loss"]) == 200
    assert {f"system/rank{rank}/step_time_s" for rank in (0, 1)} <= set(found)
    assert {tag for tag in found if tag.startswith("grad_norm/")} == {
        f"grad_norm/{layer}.{kind}" for layer in (0, 2, 4) for kind in ("weight", "bias")
    }
    assert printed.count("watching ") == 1
    assert "in 2 processes" in printed
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
