"""The loss scale is that of each step, and every skipped update is counted, with fused optimizers and without."""

from __future__ import annotations

import gc
import weakref

import pytest
import torch
from tests.hooks.training import batches, network, plain_steps, recorded, watching
from torch import nn

pytestmark = pytest.mark.torch

SCALE, SKIPPED = "train/loss_scale", "train/skipped_steps"


def scaled_steps(model, optimizer, scaler, count, overflows=()):
    """Gives scale and skipped updates at each step made, by counting."""
    skipped, made = 0, {}
    for number, (x, y) in enumerate(batches(count)):
        loss = nn.functional.cross_entropy(model(x), y)
        scale = scaler.get_scale()
        scaler.scale(loss * float("inf") if number in overflows else loss).backward()
        # A fused optimizer fires its hooks even where it changes nothing.
        fused = optimizer.defaults.get("fused")
        if number not in overflows or fused:
            made[len(made)] = scale, skipped
        skipped += number in overflows
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad()
    return made


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("every", [1, 4])
@pytest.mark.parametrize("make", [torch.optim.SGD, torch.optim.AdamW])
def test_scale_and_skipped_updates_are_those_counted_by_hand(tmp_path, make, fused, every):
    model = network()
    optimizer = make(model.parameters(), 0.01, fused=fused)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**12)
    with watching(model, optimizer, tmp_path, every=every):
        made = scaled_steps(model, optimizer, scaler, 24, overflows=(0, 1, 6, 7, 8, 15))
    found = recorded(tmp_path)
    # An overflow that a fused optimizer sees is an anomaly, behind which more steps are recorded.
    assert set(found[SCALE]) >= set(range(0, len(made), every))
    assert found[SCALE] == {step: made[step][0] for step in found[SCALE]}
    assert found[SKIPPED] == {step: made[step][1] for step in found[SCALE]}
    assert max(found[SKIPPED].values()) >= 5


def test_a_growing_scale_is_no_skip_and_another_factor_is_taken_into_account(tmp_path):
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0, growth_interval=3, backoff_factor=0.25, growth_factor=3.0)
    with watching(model, optimizer, tmp_path, every=1):
        made = scaled_steps(model, optimizer, scaler, 20, overflows=(7, 8))
    found = recorded(tmp_path)
    assert found[SCALE] == pytest.approx({step: scale for step, (scale, _) in made.items()})
    assert found[SKIPPED] == {step: skipped for step, (_, skipped) in made.items()}


def test_a_scaler_that_goes_on_from_a_checkpoint_has_skipped_nothing_yet(tmp_path):
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    before = torch.amp.GradScaler("cpu", init_scale=4.0)
    scaled_steps(model, optimizer, before, 2)
    scaler = torch.amp.GradScaler("cpu")
    scaler.load_state_dict(before.state_dict())
    with watching(model, optimizer, tmp_path, every=1):
        scaled_steps(model, optimizer, scaler, 2)
    assert recorded(tmp_path)[SKIPPED] == {0: 0, 1: 0}


@pytest.mark.parametrize("scaler", [None, torch.amp.GradScaler("cpu", enabled=False)])
def test_without_a_scaler_nothing_is_recorded(tmp_path, scaler):
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    with watching(model, optimizer, tmp_path, every=1) as vitals:
        if scaler is None:
            plain_steps(model, optimizer, vitals, 3)
        else:
            scaled_steps(model, optimizer, scaler, 3)
    assert not {SCALE, SKIPPED} & set(recorded(tmp_path))


def test_the_scaler_is_not_kept_alive_and_a_new_one_is_found(tmp_path):
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    scaler = torch.amp.GradScaler("cpu", init_scale=8.0)
    alive = []
    weak = weakref.finalize(scaler, alive.append, "gone")
    with watching(model, optimizer, tmp_path, every=1):
        scaled_steps(model, optimizer, scaler, 2)
        del scaler
        gc.collect()
        assert not weak.alive
        scaled_steps(model, optimizer, torch.amp.GradScaler("cpu", init_scale=2.0), 2)
    assert recorded(tmp_path)[SCALE] == {0: 8, 1: 8, 2: 2, 3: 2}


def test_one_scaler_of_two_optimizers_counts_for_both(tmp_path):
    models = nn.ModuleList([network(), network()])
    optimizers = [torch.optim.SGD(model.parameters(), 0.01) for model in models]
    scaler = torch.amp.GradScaler("cpu", init_scale=16.0)
    with watching(models, optimizers, tmp_path, every=1):
        for number, (x, y) in enumerate(batches(4)):
            for model, optimizer in zip(models, optimizers, strict=True):
                loss = nn.functional.cross_entropy(model(x), y)
                scaler.scale(loss * float("inf") if number == 1 else loss).backward()
                scaler.step(optimizer)
                optimizer.zero_grad()
            scaler.update()
    found = recorded(tmp_path)
    for number in range(2):
        assert found[f"train/optimizer{number}/loss_scale"] == {0: 16, 1: 8, 2: 8}
        assert found[f"train/optimizer{number}/skipped_steps"] == {0: 0, 1: 1, 2: 1}
