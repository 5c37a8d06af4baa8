"""The examples of a watched training train, record and end with a diagnosis."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.util import find_spec

import pytest
from tests.conftest import UNDER_CI

import trainvitals

pytestmark = [pytest.mark.torch, pytest.mark.slow]

EXAMPLES = {
    "plain_pytorch": (),
    "lightning_digits": ("lightning", "sklearn"),
    "transformers_text": ("transformers", "accelerate"),
    "accelerate_digits": ("accelerate", "sklearn"),
}


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_example_ends_with_a_diagnosis_that_judged_it(root, tmp_path, example):
    missing = [package for package in EXAMPLES[example] if find_spec(package) is None]
    if missing and not UNDER_CI:
        pytest.skip(f"absent here: {', '.join(missing)}")
    result = subprocess.run(
        [sys.executable, root / "examples" / f"{example}.py", tmp_path / "run"],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    # A busy machine can be a finding of its own: then the verdict is a warning about times.
    assert re.search(r"^(healthy|warning)\b", result.stdout, re.MULTILINE)
    found = trainvitals.diagnose(trainvitals.read_run(tmp_path / "run")).open_findings
    assert {finding.code[:3] for finding in found if finding.severity != "info"} <= {"SYS"}
    assert "next: trainvitals diagnose" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    signals = trainvitals.diagnose(trainvitals.read_run(tmp_path / "run")).signals
    assert signals.train_loss == ("train/loss",)
    assert dict(signals.val_loss) == {"": "val/loss"}
