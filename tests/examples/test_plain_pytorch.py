"""The example for plain PyTorch trains, records and ends with a diagnosis."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytestmark = [pytest.mark.torch, pytest.mark.slow]


def test_the_example_ends_with_a_diagnosis_that_judged_it(root, tmp_path):
    result = subprocess.run(
        [sys.executable, root / "examples" / "plain_pytorch.py", tmp_path / "run"],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("healthy")
    assert "next: trainvitals diagnose" in result.stderr
