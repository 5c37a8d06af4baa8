"""A run that grows while somebody looks on."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.browser.looking import part, points, settled, until, x_range
from tests.browser.server import PATIENCE_S

from trainvitals.eventfile.writer import EventFileWriter

pytestmark = [pytest.mark.browser, pytest.mark.slow]

# Trains until it is told to go on, then on NaN: whoever looks on has seen it healthy.
TRAINING = """
import pathlib, sys, time
import torch, trainvitals

folder, gone_bad = sys.argv[1], pathlib.Path(sys.argv[2])
torch.set_num_threads(1)
torch.manual_seed(0)
model = torch.nn.Linear(4, 1)
optimizer = torch.optim.SGD(model.parameters(), 0.01)
target = torch.randn(4, 1)
vitals = trainvitals.watch(model, optimizer, folder, live=False)
while True:
    x = torch.randn(8, 4)
    loss = (model(x) - x @ target).square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    vitals.log(loss=float("nan") if gone_bad.exists() else loss)
    time.sleep(0.02)
"""


@contextmanager
def training(root: Path, folder: Path, gone_bad: Path) -> Iterator[None]:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(str(root / name) for name in ("monitor", "hooks"))}
    process = subprocess.Popen(
        [sys.executable, "-c", TRAINING, str(folder), str(gone_bad)], env=environment, stderr=subprocess.DEVNULL
    )
    try:
        yield
    finally:
        process.kill()
        process.wait(PATIENCE_S)


@pytest.mark.torch
def test_a_watched_training_appears_and_its_finding_is_raised_while_it_runs(visit, serve, tmp_path, root):
    runs = tmp_path / "runs"
    runs.mkdir()
    address = serve(runs)
    page = visit(f"{address}/?every=2")
    page.get_by_text("No runs yet").wait_for()
    with training(root, runs / "mine", tmp_path / "bad"):
        part(page, "filters").get_by_text("1 run").wait_for()
        page.goto(f"{address}/run?every=2")
        verdict = page.locator("[data-testid=stMain]")
        verdict.get_by_text("steps").first.wait_for()
        until(page, lambda: points(page, "loss") > 0, "the loss is drawn")
        before = points(page, "loss")
        until(page, lambda: points(page, "loss") > before, "the chart grows")
        assert "non-finite-loss" not in verdict.inner_text()
        (tmp_path / "bad").touch()
        # It goes again by itself; the verdict stays.
        page.locator("[data-testid=stToast]").get_by_text("non-finite-loss").first.wait_for()
        verdict.get_by_text("non-finite-loss").first.wait_for()
    settled(page)


def test_paused_nothing_moves_and_unpaused_it_goes_on(visit, serve, tmp_path):
    writer = EventFileWriter(tmp_path / "runs" / "growing")
    for step in range(500):
        writer.write_scalars(step, {"train/loss": 1.5 + 6 * (step + 10) ** -0.35})
    page = visit(f"{serve(tmp_path / 'runs')}/run?every=2&paused=yes")
    until(page, lambda: points(page, "loss") > 0, "the loss is drawn")
    for step in range(500, 900):
        writer.write_scalars(step, {"train/loss": 1.5 + 6 * (step + 10) ** -0.35})
    page.wait_for_timeout(5000)
    assert x_range(page, "loss")[1] < 550
    part(page, "live-bar").get_by_text("Pause").click()
    until(page, lambda: x_range(page, "loss")[1] > 890, "what was written while it was paused is drawn")
    writer.close()
