"""The noise scale is that of gradients whose variance is known, from micro-batches and from Adam's moments."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.hooks.training import batches, network, recorded, watching
from torch import nn

from trainvitals_hooks.looking.noise_scale import SMOOTHING as DECAY

pytestmark = pytest.mark.torch

FEATURES, SAMPLES = 50, 8
MEAN, SPREAD = 0.1, 1.0
TRUE_SCALE = SPREAD**2 / MEAN**2
"""Of gradients that are the inputs themselves: the features' number cancels."""


def known(folder, *, micro, steps, make=None, clip=None, loss_scale=1.0, every=1, seed=3):
    """A linear model whose loss is its mean output: the gradient of a sample is the sample."""
    generator = torch.Generator().manual_seed(seed)
    model = nn.Linear(FEATURES, 1, bias=False)
    optimizer = (make or (lambda p: torch.optim.SGD(p, 0.0)))(model.parameters())
    taken = {}
    with watching(model, optimizer, folder, every=every, signals=["gradient_noise", "adam_state"]) as vitals:
        for step in range(steps):
            gradients = []
            for _ in range(micro):
                x = MEAN + SPREAD * torch.randn(SAMPLES, FEATURES, generator=generator)
                (loss_scale * model(x).mean() / micro).backward()
                gradients.append(x.double().mean(0).numpy())
            taken[step] = gradients
            if clip is not None:
                nn.utils.clip_grad_norm_(model.parameters(), clip)
            optimizer.step()
            optimizer.zero_grad()
            vitals.log(loss=1.0)
    return recorded(folder), taken


def by_hand(taken, every=1):
    """The estimator of appendix A.1 with both batch sizes written out, averaged over records."""
    average_variance = average_square = 0.0
    expected = {}
    for step, gradients in taken.items():
        # At the first step no gradient had been there from which to choose.
        if step % every or step == 0:
            continue
        parts = gradients[:-1][:8]
        small, large = SAMPLES, SAMPLES * len(parts)
        of_small = np.mean([part @ part for part in parts])
        together = np.mean(parts, axis=0)
        of_large = together @ together
        square = (large * of_large - small * of_small) / (large - small)
        variance = (of_small - of_large) / (1 / small - 1 / large)
        average_variance = DECAY * average_variance + (1 - DECAY) * variance
        average_square = DECAY * average_square + (1 - DECAY) * square
        if average_square > 0:
            expected[step] = average_variance / average_square
    return expected


@pytest.mark.parametrize(
    "settings",
    [{"micro": 3}, {"micro": 6}, {"micro": 12}, {"micro": 4, "clip": 1e-3}, {"micro": 4, "loss_scale": 1024.0}],
)
def test_it_is_the_unbiased_estimator_of_two_batch_sizes(tmp_path, settings):
    found, taken = known(tmp_path, steps=30, **settings)
    assert found["train/gradient_noise_scale"] == pytest.approx(by_hand(taken), rel=1e-3)


def test_only_recorded_steps_count(tmp_path):
    found, taken = known(tmp_path, micro=4, steps=30, every=5)
    assert found["train/gradient_noise_scale"] == pytest.approx(by_hand(taken, 5), rel=1e-3)


def test_it_comes_out_as_the_true_one(tmp_path):
    found, _ = known(tmp_path, micro=8, steps=300)
    values = list(found["train/gradient_noise_scale"].values())[100:]
    assert np.median(values) == pytest.approx(TRUE_SCALE, rel=0.25)


@pytest.mark.parametrize("micro", [1, 2])
def test_without_accumulation_and_without_adam_there_is_none(tmp_path, micro):
    found, _ = known(tmp_path, micro=micro, steps=5)
    assert not any("noise" in tag for tag in found)


@pytest.mark.parametrize(
    "make", [lambda p: torch.optim.Adam(p, 0.0), lambda p: torch.optim.AdamW(p, 0.0, betas=(0.8, 0.95), fused=True)]
)
def test_the_proxy_comes_out_as_the_true_one_in_batches(tmp_path, make):
    found, _ = known(tmp_path, micro=1, steps=400, make=make)
    assert "train/gradient_noise_scale" not in found
    values = list(found["train/gradient_noise_scale_adam_proxy"].values())[100:]
    assert np.median(values) == pytest.approx(TRUE_SCALE / SAMPLES, rel=0.35)


def test_several_forward_passes_of_one_batch_are_not_taken_for_micro_batches(tmp_path):
    model = network(dropout=0.0)
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    with watching(model, optimizer, tmp_path, every=1, signals=["gradient_noise"]) as vitals:
        for x, y in batches(6):
            loss = sum(nn.functional.cross_entropy(model(x + shift), y) for shift in (0.0, 0.1, 0.2, 0.3))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            vitals.log(loss=loss)
    assert "train/gradient_noise_scale" not in recorded(tmp_path)


def test_nothing_stays_on_the_model(tmp_path):
    model = network()
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    vitals = watching(model, optimizer, tmp_path, every=10, signals=["gradient_noise"])
    assert len(model._forward_pre_hooks) == 1
    for x, y in batches(3):
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
        vitals.log(loss=1.0)
    assert not model._forward_pre_hooks
    vitals.close()
