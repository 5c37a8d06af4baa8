"""Models that attend, a watched step of one, and what its attention is."""

from __future__ import annotations

import math

import pytest
import torch
from tests.hooks.training import recorded, watching
from torch import nn
from torch.nn import functional

from trainvitals_hooks.looking import attention_calls

ENTROPY, LARGEST = "attention_entropy/", "attention_logit_max/"
FUSED, SOFTMAX = functional.scaled_dot_product_attention, functional.softmax


def check_functions_are_given_back():
    assert functional.scaled_dot_product_attention is FUSED
    assert functional.softmax is SOFTMAX
    assert not attention_calls._listeners
    assert not attention_calls._replaced


class Attending(nn.Module):
    """Calls fused attention with what it is given."""

    def __init__(self, **settings):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))
        self.settings = settings

    def forward(self, query, key, value):
        return functional.scaled_dot_product_attention(self.weight * query, key, value, **self.settings)


def one_step(model, folder, *inputs):
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with watching(model, optimizer, folder, signals=["attention"]) as vitals:
        output = model(*inputs)
        (output[0] if isinstance(output, tuple) else output).float().square().mean().backward()
        optimizer.step()
        vitals.log(loss=1.0)
    return {tag: values[0] for tag, values in recorded(folder).items() if tag.startswith("attention")}


def mean_entropy(logits):
    """Of logits ``[..., S]``, of all rows that see anything."""
    found = []
    for row in logits.detach().double().flatten(0, -2):
        weights = [math.exp(value - row.max().item()) for value in row.tolist() if row.max() > -math.inf]
        total = sum(weights)
        if weights:
            found.append(-sum(w / total * math.log(w / total) for w in weights if w))
    return sum(found) / len(found)


def causal(queries, keys, offset=0):
    later = torch.arange(keys) > torch.arange(queries)[:, None] + offset
    return torch.zeros(queries, keys).masked_fill(later, -math.inf)


def qkv(*leading, queries=4, keys=5, size=8, dtype=torch.float32):
    """Small enough that the sample is all there is, for up to eight heads."""
    return (
        2 * torch.randn(*leading, queries, size, dtype=dtype),
        2 * torch.randn(*leading, keys, size, dtype=dtype),
        torch.randn(*leading, keys, size, dtype=dtype),
    )


def logits_of(query, key):
    return query.double() @ key.double().mT / math.sqrt(query.shape[-1])


def check(found, name, logits, rel=1e-4):
    assert found == pytest.approx({ENTROPY + name: mean_entropy(logits), LARGEST + name: logits.max().item()}, rel=rel)


class Eager(nn.Module):
    """Attention as many libraries write it out, with a mask of the smallest numbers there are."""

    def __init__(self):
        super().__init__()
        self.project = nn.Linear(8, 24)
        self.dropout = nn.Dropout(0.5)

    def logits(self, x):
        query, key, value = self.project(x).unflatten(-1, (3, 2, 4)).permute(2, 0, 3, 1, 4)
        return query @ key.mT / 2 + (causal(4, 4).clamp_min(torch.finfo().min)), value

    def forward(self, x):
        logits, value = self.logits(x)
        return (self.dropout(functional.softmax(logits, dim=-1, dtype=torch.float32)) @ value).flatten()


class Block(nn.Module):
    def __init__(self, dropout=0.0):
        super().__init__()
        self.project, self.dropout = nn.Linear(8, 24), dropout

    def attend(self, query, key, value):
        return functional.scaled_dot_product_attention(query, key, value, dropout_p=self.dropout, is_causal=True)

    def forward(self, x):
        heads = self.project(x).unflatten(-1, (3, 2, 4)).permute(2, 0, 3, 1, 4)
        return x + self.attend(*heads).transpose(1, 2).flatten(2)
