"""A function run in several processes that form a gloo group; a hang is a failure."""

from __future__ import annotations

import multiprocessing
import os
import time
import traceback
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist

TIMEOUT_S = 120.0
"""A test takes a few seconds, on a busy machine some more; what hangs, hangs for ever."""


@dataclass(frozen=True)
class Outcome:
    """What one process gave back and printed."""

    value: Any
    printed: str


def in_processes(function, folder, *arguments, size=2, timeout_s=TIMEOUT_S):
    """``function(rank, *arguments)`` in ``size`` processes at once; their outcomes in the order of the ranks.

    Files of the processes lie in ``folder``. The store is a server of this process on the loopback device, as that of
    an agent which starts the processes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    server = dist.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    # Each process is forked from one that has loaded torch and done nothing else.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["torch", "torch.distributed.fsdp"])
    processes = [
        context.Process(target=_run, args=(rank, size, server.port, folder, function, arguments), daemon=True)
        for rank in range(size)
    ]
    for process in processes:
        process.start()
    try:
        end_s = time.monotonic() + timeout_s
        for process in processes:
            process.join(max(end_s - time.monotonic(), 0))
        printed = [_printed(folder, rank) for rank in range(size)]
        hanging = [rank for rank, process in enumerate(processes) if process.is_alive()]
        assert not hanging, f"ranks {hanging} hang\n" + "\n".join(printed)
        failed = [rank for rank, process in enumerate(processes) if process.exitcode != 0]
        assert not failed, f"ranks {failed} failed\n" + "\n".join(printed)
    finally:
        for process in processes:
            if process.is_alive():
                process.kill()
                process.join()
    return [Outcome(torch.load(folder / f"value{rank}.pt", weights_only=False), printed[rank]) for rank in range(size)]


def _run(rank, size, port, folder, function, arguments):
    file = os.open(folder / f"printed{rank}", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(file, 1)
    os.dup2(file, 2)
    torch.set_num_threads(1)
    torch.manual_seed(0)
    try:
        store = dist.TCPStore("127.0.0.1", port, is_master=False)
        dist.init_process_group("gloo", store=store, rank=rank, world_size=size)
        value = function(rank, *arguments)
        torch.save(value, folder / f"value{rank}.pt")
        dist.barrier()
    except BaseException:
        traceback.print_exc()
        raise SystemExit(1) from None
    # As scripts do that forget to tear down: what is open closes by itself.


def _printed(folder, rank):
    path = folder / f"printed{rank}"
    return path.read_text(errors="replace") if path.exists() else ""
