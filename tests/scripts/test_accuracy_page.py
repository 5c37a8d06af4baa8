"""The page of how often it is right says what the exam kept."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the exam trains networks")


@pytest.mark.torch
def test_the_page_is_up_to_date(root: Path) -> None:
    done = subprocess.run(
        [sys.executable, root / "scripts" / "accuracy.py", "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
