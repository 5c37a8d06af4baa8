"""Hooks that are put on and taken off again and again."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from trainvitals_hooks.looking.forward import Switch

pytestmark = pytest.mark.torch


class Elsewhere(nn.Module):
    """Keeps its hooks where they are not looked for."""

    def __init__(self):
        super().__init__()
        self.others = []

    def register_forward_hook(self, hook, **_):
        self.others.append(hook)
        return Handle(self.others, hook)

    def forward(self, x):
        for hook in self.others:
            hook(self, (x,), x)
        return x


class Handle:
    id = -1

    def __init__(self, hooks, hook):
        self.hooks, self.hook = hooks, hook

    def remove(self):
        self.hooks.remove(self.hook)


@pytest.mark.parametrize("kind", [nn.Identity, Elsewhere])
def test_a_switch_puts_one_hook_on_and_takes_it_off(kind):
    module, heard = kind(), []
    mine = module.register_forward_hook(lambda *_: heard.append("theirs"))
    switch = Switch(module, lambda *_: heard.append("ours"))
    for turn in (switch.off, switch.on, switch.on, switch.off, switch.off, switch.on):
        turn()
        module(torch.zeros(1))
    assert heard == ["theirs", *2 * ["theirs", "ours"], *2 * ["theirs"], "theirs", "ours"]
    switch.off()
    mine.remove()
    module(torch.zeros(1))
    assert len(heard) == 9
