"""Tests of the hooks: where torch is not installed they are not even imported, but under CI that is a failure."""

from __future__ import annotations

from importlib.util import find_spec

import pytest
from tests.conftest import UNDER_CI

collect_ignore_glob = [] if UNDER_CI or find_spec("torch") is not None else ["*test_*.py"]


@pytest.fixture(autouse=True)
def _one_thread_and_a_seed():
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(0)
    return


@pytest.fixture(autouse=True)
def _no_process_a_test(request, monkeypatch):
    """Only the tests of the live diagnosis start its process, which costs a second or two each time."""
    from trainvitals_hooks.live import LiveDiagnosis

    if not request.path.name.startswith("test_live"):
        monkeypatch.setattr(LiveDiagnosis, "_start", LiveDiagnosis.switch_off)


@pytest.fixture(autouse=True)
def _nothing_left_open():
    yield
    from trainvitals_hooks import watcher

    for vitals in list(watcher._open):
        vitals.close()
