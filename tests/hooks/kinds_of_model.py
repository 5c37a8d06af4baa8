"""Models of every kind that people write, under the usual loop: sparse, tied, shared, checkpointed, adapted."""

from __future__ import annotations

from collections import OrderedDict

import torch
from tests.hooks.small_training import WIDTH, plain
from tests.hooks.training import CLASSES, FEATURES
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.checkpoint import checkpoint


def bfloat16_weights():
    model = nn.Sequential(nn.Linear(FEATURES, WIDTH), nn.GELU(), nn.Dropout(0.2), nn.Linear(WIDTH, CLASSES))
    model.to(torch.bfloat16)
    training = plain(model, torch.optim.AdamW(model.parameters(), 1e-2))
    usual = training.turn
    training.turn = lambda x, *rest: usual(x.to(torch.bfloat16), *rest)
    return training


class Words(nn.Module):
    """Takes the signs of the inputs for words."""

    def __init__(self, *, sparse=False, tied=False):
        super().__init__()
        self.words = nn.Embedding(CLASSES, 8, sparse=sparse)
        self.recurrent = nn.GRU(8, 8, batch_first=True)
        self.out = nn.Linear(8, CLASSES, bias=False)
        if tied:
            self.out.weight = self.words.weight

    def forward(self, x):
        index = (x > 0).long() + (x > 1).long()
        hidden, _ = self.recurrent(self.words(index))
        return self.out(hidden[:, -1])


def sparse_gradients():
    model = Words(sparse=True)
    rest = [*model.recurrent.parameters(), *model.out.parameters()]
    return plain(model, torch.optim.SparseAdam(model.words.parameters(), 1e-2), torch.optim.SGD(rest, 0.1))


def tied_weights():
    model = Words(tied=True)
    return plain(model, torch.optim.Adam(model.parameters(), 1e-2))


class Odd(nn.Module):
    """Shares a module, returns tuples inside and a dictionary outside, runs blocks under checkpoints."""

    def __init__(self, reentrant=None):
        super().__init__()
        self.first = nn.Linear(FEATURES, WIDTH)
        self.shared = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.Dropout(0.2), nn.Tanh())
        self.pair = nn.LSTM(WIDTH, 8)
        self.last = nn.Linear(8, CLASSES)
        self.reentrant = reentrant

    def block(self, x):
        return self.shared(x) if self.reentrant is None else checkpoint(self.shared, x, use_reentrant=self.reentrant)

    def forward(self, x):
        hidden, state = self.pair(self.block(self.block(self.first(x)))[None])
        return OrderedDict(state=state, logits=self.last(hidden[0]))


def odd_modules(reentrant=None):
    def begin():
        model = Odd(reentrant)
        optimizer = torch.optim.AdamW(model.parameters(), 1e-2)
        return plain(model, optimizer, loss_of=lambda output, y: cross_entropy(output["logits"], y))

    return begin


class Adapter(nn.Module):
    """A frozen layer and a product of two thin matrices beside it, the second of which begins at zero."""

    def __init__(self, frozen, rank=2):
        super().__init__()
        self.frozen = frozen.requires_grad_(False)
        self.down = nn.Linear(frozen.in_features, rank, bias=False)
        self.up = nn.Linear(rank, frozen.out_features, bias=False)
        nn.init.zeros_(self.up.weight)

    def forward(self, x):
        return self.frozen(x) + self.up(self.down(x))


def adapters():
    model = nn.Sequential(nn.Linear(FEATURES, WIDTH), nn.Tanh(), nn.Linear(WIDTH, CLASSES))
    model[0], model[2] = Adapter(model[0]), Adapter(model[2])
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return plain(model, torch.optim.AdamW(trainable, 1e-2))


def parametrised_weights():
    """Whoever reads such a weight computes it anew, and changes the state that it is computed from."""
    normed = nn.utils.parametrizations
    model = nn.Sequential(
        *(nn.Unflatten(1, (1, FEATURES)), normed.spectral_norm(nn.Conv1d(1, 2, 3, padding=1)), nn.Flatten()),
        *(normed.weight_norm(nn.Linear(2 * FEATURES, WIDTH)), nn.Tanh()),
        normed.spectral_norm(nn.Linear(WIDTH, CLASSES)),
    )
    return plain(model, torch.optim.AdamW(model.parameters(), 1e-2))
