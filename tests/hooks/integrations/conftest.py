"""Tests with the real frameworks: what is not installed is not even imported, but under CI that is a failure."""

from __future__ import annotations

from importlib.util import find_spec

from tests.conftest import UNDER_CI

FRAMEWORKS = ("accelerate", "lightning", "transformers")

collect_ignore_glob = [] if UNDER_CI else [f"test_{name}*.py" for name in FRAMEWORKS if find_spec(name) is None]
