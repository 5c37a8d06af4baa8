"""A training in which something is not finite at one step, and what is found of it."""

from __future__ import annotations

import json
import math

import torch
from tests.hooks.training import batches, watching
from torch import nn

from trainvitals import read_run

AT = 13
"""Off the grid of recorded steps, which are every tenth."""


def origin_in(folder):
    texts = read_run(folder).texts
    return json.loads(texts["event/non_finite_origin"]) if "event/non_finite_origin" in texts else None


class Now:
    """The step that the loop is at: what a module of these tests depends on instead of on its input."""

    step = 0


class Poisoned(nn.Module):
    """Passes on what it is given, but for one element at one step."""

    def __init__(self, value=math.nan, at=AT):
        super().__init__()
        self.value, self.at = value, at

    def forward(self, x):
        if Now.step == self.at:
            x = x.clone()
            x.view(-1)[3] = self.value
        return x


class Exponential(nn.Module):
    def forward(self, x):
        return x.exp()


def train(model, folder, *, steps=AT + 4, loss_of=None, data=None, log_first=False, make=None, between=None):
    optimizer = (make or (lambda p: torch.optim.SGD(p, 0.05, momentum=0.9)))(model.parameters())
    with watching(model, optimizer, folder) as vitals:
        for step, (x, y) in enumerate(data or batches(steps)):
            Now.step = step
            if between is not None:
                between(step, model)
            output = model(x)
            loss = nn.functional.cross_entropy(output, y) if loss_of is None else loss_of(output, y, step)
            loss.backward()
            if log_first:
                vitals.log(loss=loss)
            optimizer.step()
            optimizer.zero_grad()
            if not log_first:
                vitals.log(loss=loss)
