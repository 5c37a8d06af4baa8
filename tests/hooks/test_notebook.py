"""Cells that are run again: every step is recorded once."""

from __future__ import annotations

import gc
import sys
import textwrap
import weakref

import pytest
import torch
from tests.hooks.training import network, plain_steps, recorded, watching

import trainvitals

pytestmark = pytest.mark.torch


def test_a_second_watcher_of_the_same_optimizer_closes_the_first(tmp_path, capsys):
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), 0.05)
    first = watching(model, optimizer, tmp_path / "first", every=1)
    before = plain_steps(model, optimizer, first, 3)
    second = watching(model, [optimizer], tmp_path / "second", every=1)
    assert capsys.readouterr().err.count("closes the earlier watcher of this optimizer") == 1
    after = plain_steps(model, optimizer, second, 4)
    first.log(loss=1e9)
    second.close()
    assert recorded(tmp_path / "first")["train/loss"] == pytest.approx(dict(enumerate(before)), rel=1e-6)
    assert recorded(tmp_path / "second")["train/loss"] == pytest.approx(dict(enumerate(after)), rel=1e-6)
    assert len(optimizer._optimizer_step_post_hooks) == 0


def test_watchers_of_two_trainings_do_not_know_each_other(tmp_path):
    runs = {}
    for name in ("a", "b"):
        model = network()
        optimizer = torch.optim.SGD(model.parameters(), 0.05)
        runs[name] = (model, optimizer, watching(model, optimizer, tmp_path / name))
    for model, optimizer, vitals in runs.values():
        plain_steps(model, optimizer, vitals, 3)
    for *_, vitals in runs.values():
        vitals.close()
    assert [len(recorded(tmp_path / name)["train/loss"]) for name in runs] == [3, 3]


CELLS = [
    """
    import torch, trainvitals
    torch.manual_seed(0)
    x, y = torch.randn(64, 4), torch.randn(64, 1)
    """,
    """
    model = torch.nn.Linear(4, 1)
    optimizer = torch.optim.SGD(model.parameters(), 0.05)
    vitals = trainvitals.watch(model, optimizer, folder, every=5, budget=float("inf"), live=False)
    """,
    """
    for step in range(12):
        loss = torch.nn.functional.mse_loss(model(x), y)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        vitals.log(loss=loss)
    """,
]


def test_a_notebook_whose_cells_are_run_again_has_a_run_for_each_time(tmp_path, monkeypatch):
    # The shell puts a module of its own here; processes that later tests start look for the real one.
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])
    interactiveshell = pytest.importorskip("IPython.core.interactiveshell")
    shell = interactiveshell.InteractiveShell()
    shell.user_ns["folder"] = str(tmp_path)
    for cell in (0, 1, 2, 2, 1, 2):
        result = shell.run_cell(textwrap.dedent(CELLS[cell]))
        result.raise_error()
    shell.user_ns["vitals"].close()
    shell.reset()
    runs = trainvitals.read_runs(tmp_path)
    # The loop run again goes on with the same curve; the watcher made anew begins another.
    assert sorted(len(run.series["train/loss"]) for run in runs) == [12, 24]


def test_a_watcher_that_a_cell_has_replaced_is_not_kept_alive(tmp_path):
    names = {"folder": str(tmp_path)}
    for cell in CELLS:
        exec(textwrap.dedent(cell), names)
    left = weakref.ref(names["model"])
    exec(textwrap.dedent(CELLS[1]), names)
    gc.collect()
    assert left() is None
    names["vitals"].close()
