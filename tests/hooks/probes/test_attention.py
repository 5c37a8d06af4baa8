"""Entropy and largest logit of attention against whole attention matrices, one query after the other."""

from __future__ import annotations

import math

import pytest
import torch
from tests.hooks.probes.attending import (
    ENTROPY,
    LARGEST,
    Attending,
    Eager,
    causal,
    check,
    check_functions_are_given_back,
    logits_of,
    one_step,
    qkv,
)
from torch import nn
from torch.nn import functional
from torch.nn.attention import SDPBackend, bias, sdpa_kernel

from trainvitals_hooks.looking.attention_sample import HEADS, ROWS

pytestmark = pytest.mark.torch


@pytest.fixture(autouse=True)
def _functions_are_given_back():
    yield
    check_functions_are_given_back()


@pytest.mark.parametrize("leading", [(2, 4), (8,), (1, 1), (), (2, 2, 2)])
def test_where_the_sample_is_all_it_is_exact(tmp_path, leading):
    query, key, value = qkv(*leading)
    check(one_step(Attending(), tmp_path, query, key, value), "Attending", logits_of(query, key))


BOOLEAN = torch.rand(4, 5, generator=torch.Generator().manual_seed(1)) > 0.4
BOOLEAN[2] = False
ADDED = torch.randn(2, 1, 4, 5, generator=torch.Generator().manual_seed(2))
PADDING = torch.tensor([[True, True, True, False, False], [True] * 5])[:, None, None]


@pytest.mark.parametrize(
    ("settings", "added"),
    [
        ({"is_causal": True}, causal(4, 5)),
        ({"attn_mask": BOOLEAN}, torch.zeros(4, 5).masked_fill(~BOOLEAN, -math.inf)),
        ({"attn_mask": ADDED}, ADDED),
        ({"attn_mask": PADDING}, torch.zeros(2, 1, 1, 5).masked_fill(~PADDING, -math.inf)),
        ({"attn_mask": bias.causal_upper_left(4, 5)}, causal(4, 5)),
        ({"attn_mask": bias.causal_lower_right(4, 5)}, causal(4, 5, 1)),
        ({"dropout_p": 0.5}, torch.zeros(())),
    ],
)
def test_masks_and_biases_are_honoured(tmp_path, settings, added):
    query, key, value = qkv(2, 4)
    check(one_step(Attending(**settings), tmp_path, query, key, value), "Attending", logits_of(query, key) + added)


def test_a_scale_of_its_own_is_honoured(tmp_path):
    query, key, value = qkv(2, 4)
    logits = logits_of(query, key) * math.sqrt(query.shape[-1]) * 0.05
    check(one_step(Attending(scale=0.05), tmp_path, query, key, value), "Attending", logits)


def test_heads_that_share_their_keys(tmp_path):
    query, _, _ = qkv(2, 4)
    _, key, value = qkv(2, 2)
    check(
        one_step(Attending(enable_gqa=True), tmp_path, query, key, value),
        "Attending",
        logits_of(query, key.repeat_interleave(2, 1)),
    )


def test_keys_that_are_broadcast(tmp_path):
    query, _, _ = qkv(2, 4)
    _, key, value = qkv(1, 4)
    with sdpa_kernel(SDPBackend.MATH):
        found = one_step(Attending(), tmp_path, query, key, value)
    check(found, "Attending", logits_of(query, key.expand(2, -1, -1, -1)))


@pytest.mark.parametrize("backend", [SDPBackend.FLASH_ATTENTION, SDPBackend.MATH])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_whatever_computes_it(tmp_path, backend, dtype):
    query, key, value = qkv(2, 4, dtype=dtype)
    with sdpa_kernel(backend):
        found = one_step(Attending(), tmp_path, query, key, value)
    check(found, "Attending", logits_of(query, key), rel=1e-4 if dtype == torch.float32 else 1e-2)


def test_automatic_mixed_precision_does_not_round_the_sample(tmp_path):
    query, key, value = qkv(2, 4)
    with torch.autocast("cpu", torch.bfloat16):
        found = one_step(Attending(), tmp_path, query, key, value)
    check(found, "Attending", logits_of(query, key))


def test_a_sample_comes_close_to_all(tmp_path):
    query, key, value = qkv(6, 12, queries=200, keys=300, size=16)
    logits = logits_of(query, key)
    each = torch.special.entr(logits.softmax(-1)).sum(-1)
    found = one_step(Attending(), tmp_path, query, key, value)
    # Four standard errors of the mean of so many rows.
    tolerance = 4 * each.std().item() / math.sqrt(ROWS)
    assert found[ENTROPY + "Attending"] == pytest.approx(each.mean().item(), abs=tolerance)
    assert 0.5 * logits.max() < found[LARGEST + "Attending"] < logits.max()


def test_the_sample_meets_as_many_heads_as_it_can(tmp_path):
    query, key, value = qkv(16, 8)
    # Head h sees h + 1 keys alike, so that its entropy tells which one it is.
    mask = torch.arange(8)[None, :, None, None] >= torch.arange(8)[None, None, None]
    key, value = (functional.pad(each, (0, 0, 0, 3)) for each in (key, value))
    found = one_step(Attending(attn_mask=mask), tmp_path, 0 * query, key, value)
    assert HEADS == 8
    expected = sum(math.log(seen) for seen in range(1, 9)) / 8
    assert found[ENTROPY + "Attending"] == pytest.approx(expected, rel=1e-5)


def test_logits_that_are_not_finite_show(tmp_path):
    query, key, value = qkv(2, 4)
    key[0, 0, 0, 0] = math.nan
    found = one_step(Attending(), tmp_path, query, key, value)
    assert math.isnan(found[ENTROPY + "Attending"])
    assert math.isnan(found[LARGEST + "Attending"])


def test_attention_that_is_written_out(tmp_path):
    model = nn.Sequential(nn.Linear(8, 8), Eager())
    x = torch.randn(3, 4, 8)
    logits = model[1].logits(model[0](x))[0].detach()
    check(one_step(model, tmp_path, x), "1", logits.masked_fill(logits < -1e30, -math.inf))


def test_other_softmaxes_are_none(tmp_path):
    class Routed(nn.Linear):
        def forward(self, x):
            x = functional.softmax(super().forward(x), -1)
            return functional.softmax(x[None, None], 1) + functional.softmax(x[None], -1)

    assert one_step(Routed(4, 4), tmp_path, torch.randn(3, 4)) == {}


@pytest.mark.parametrize("need_weights", [True, False])
@pytest.mark.parametrize("batched", [True, False])
def test_multihead_attention(tmp_path, need_weights, batched):
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.attention = nn.MultiheadAttention(8, 2, batch_first=True)

        def forward(self, x):
            mask = torch.nn.Transformer.generate_square_subsequent_mask(x.shape[-2])
            return self.attention(x, x, x, need_weights=need_weights, attn_mask=mask, is_causal=not need_weights)[0]

    model = Model()
    x = torch.randn(2, 5, 8) if batched else torch.randn(5, 8)
    weight, offset = model.attention.in_proj_weight, model.attention.in_proj_bias
    query, key, _ = (x @ weight.T + offset).unflatten(-1, (3, 2, 4)).movedim(-3, 0).transpose(-2, -3).detach()
    check(one_step(model, tmp_path, x), "attention", logits_of(query, key) + causal(5, 5))


def test_layers_of_an_encoder_have_their_names(tmp_path):
    layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.1, batch_first=True)
    model = nn.TransformerEncoder(layer, 3, enable_nested_tensor=False)
    found = one_step(model, tmp_path, torch.randn(2, 5, 8))
    assert set(found) == {kind + f"layers.{n}.self_attn" for kind in (ENTROPY, LARGEST) for n in range(3)}
