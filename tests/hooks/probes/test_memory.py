"""The memory of the process is what the process itself sees grow."""

from __future__ import annotations

import os
import resource
import sys

import numpy as np
import pytest
import torch
from tests.hooks.training import network, plain_steps, recorded, watching

from trainvitals_hooks.probes import memory

pytestmark = pytest.mark.torch

MANY_BYTES = 64 * 2**20


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what a process holds now")
def test_what_the_process_takes_and_gives_back_shows():
    main = memory.MainMemory()
    before = main.bytes_held()
    held = np.ones(MANY_BYTES // 8)
    with_more = main.bytes_held()
    del held
    assert with_more - before == pytest.approx(MANY_BYTES, rel=0.1)
    assert main.bytes_held() - before < MANY_BYTES / 2


def test_without_the_file_of_linux_it_is_the_most_that_was_ever_held(monkeypatch, tmp_path):
    now = memory.MainMemory().bytes_held()
    monkeypatch.setattr(memory, "_STATM", str(tmp_path / "absent"))
    main = memory.MainMemory()
    assert now * 0.9 <= main.bytes_held()
    unit = 1 if sys.platform == "darwin" else 1024
    assert main.bytes_held() == resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def test_it_is_recorded_and_no_accelerator_where_there_is_none(tmp_path):
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with watching(model, optimizer, tmp_path, every=2) as vitals:
        plain_steps(model, optimizer, vitals, 4)
    found = recorded(tmp_path)
    assert sorted(found["system/memory_bytes"]) == [0, 2]
    assert found["system/memory_bytes"][2] == pytest.approx(memory.MainMemory().bytes_held(), rel=0.2)
    assert ("system/accelerator_memory_bytes" in found) == torch.cuda.is_initialized()


def test_the_memory_of_all_devices_is_added_up(monkeypatch, tmp_path):
    allocated = {0: 1000, 1: 234}
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: len(allocated))
    monkeypatch.setattr(
        torch.cuda,
        "memory_stats_as_nested_dict",
        lambda device: {"allocated_bytes": {"all": {"current": allocated[device]}}},
    )
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with watching(model, optimizer, tmp_path, signals=["memory"]) as vitals:
        plain_steps(model, optimizer, vitals, 1)
    assert recorded(tmp_path)["system/accelerator_memory_bytes"] == {0: 1234}


def test_the_file_is_closed_with_the_probe():
    main = memory.MainMemory()
    file = main._file
    if file >= 0:
        del main
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(file)
