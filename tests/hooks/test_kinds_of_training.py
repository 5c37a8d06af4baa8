"""Every kind of training stays bit for bit what it was, and every number recorded of it is right."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from tests.hooks.kinds_of_training import KINDS
from tests.hooks.small_training import norm, run
from tests.hooks.training import recorded, watching

pytestmark = pytest.mark.torch

WRITTEN_TURNS = 44
"""Beyond the turns at which ``unfrozen later`` changes what is trained."""


def after(kind, folder, **settings):
    torch.manual_seed(3)
    training = KINDS[kind]()
    vitals = None if folder is None else watching(training.model, training.optimizers, folder, **settings)
    losses = run(training, vitals)
    if vitals is not None:
        vitals.close()
    states = [copy.deepcopy(each.state_dict()) for each in (training.model, *training.optimizers)]
    return losses, states, torch.get_rng_state()


def differences(one, other, path="") -> list[str]:
    if isinstance(one, torch.Tensor):
        return [] if torch.equal(one.nan_to_num(), other.nan_to_num()) else [path]
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        return [found for key in one for found in differences(one[key], other[key], f"{path}/{key}")]
    if isinstance(one, list | tuple):
        return [
            found
            for place, pair in enumerate(zip(one, other, strict=True))
            for found in differences(*pair, f"{path}/{place}")
        ]
    return [] if one == other or (one != one and other != other) else [path]


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_weights_optimizers_and_random_numbers_are_those_of_an_unwatched_training(tmp_path, kind):
    alone = after(kind, None)
    watched = after(kind, tmp_path, every=3, signals="full")
    assert differences(alone, watched) == []


class Ledger:
    """Norms before and after every update, computed number by number in hooks of its own."""

    def __init__(self, training):
        self.names = {id(parameter): name for name, parameter in training.model.named_parameters()}
        self.values: dict[str, list[float]] = {}
        self.before: dict[int, torch.Tensor] = {}
        for optimizer in training.optimizers:
            optimizer.register_step_pre_hook(self.look_before)
            optimizer.register_step_post_hook(self.look_after)

    @staticmethod
    def parameters(optimizer):
        return [parameter for group in optimizer.param_groups for parameter in group["params"]]

    def look_before(self, optimizer, *_):
        for parameter in self.parameters(optimizer):
            self.before[id(parameter)] = parameter.detach().clone()

    def look_after(self, optimizer, *_):
        for parameter in self.parameters(optimizer):
            name = self.names[id(parameter)]
            self.note(f"weight_norm/{name}", norm(parameter))
            if parameter.grad is None:
                continue
            self.note(f"grad_norm/{name}", norm(parameter.grad))
            before = self.before[id(parameter)]
            if norm(before):
                self.note(f"update_ratio/{name}", norm(parameter.detach().double() - before.double()) / norm(before))

    def note(self, tag, value):
        self.values.setdefault(tag, []).append(value)


def tolerance(kind, tag):
    # The difference of two narrow weights is taken in their own precision, which has eight bits.
    return 2**-7 if kind == "bfloat16 weights" and tag.startswith("update_ratio") else 2e-5


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_norms_and_updates_of_every_step_are_what_a_slow_computation_gives(tmp_path, kind):
    torch.manual_seed(3)
    training = KINDS[kind]()
    ledger = Ledger(training)
    with watching(training.model, training.optimizers, tmp_path, every=1) as vitals:
        run(training, vitals, WRITTEN_TURNS)
    found = {
        tag: list(values.values())
        for tag, values in recorded(tmp_path).items()
        if tag.startswith(("weight_norm/", "grad_norm/", "update_ratio/"))
    }
    assert found.keys() == ledger.values.keys()
    wrong = {
        tag: (place, value, found[tag][place])
        for tag, values in ledger.values.items()
        for place, value in enumerate(values)
        if len(found[tag]) != len(values)
        or found[tag][place] != pytest.approx(value, rel=tolerance(kind, tag), abs=1e-7, nan_ok=True)
    }
    assert wrong == {}


@pytest.mark.slow
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("accumulated gradients", "scaled")])
def test_the_loss_of_every_turn_is_at_its_step(tmp_path, kind):
    torch.manual_seed(3)
    training = KINDS[kind]()
    with watching(training.model, training.optimizers, tmp_path, every=1000) as vitals:
        losses = run(training, vitals, 12)
    found = recorded(tmp_path)["train/loss"]
    assert all(math.isfinite(loss) for loss in losses)
    if "scaled" in kind and "fused" not in kind:
        # Turns whose update is skipped belong to the step before, or to the first.
        assert set(found) <= set(range(12))
    else:
        assert found == pytest.approx(dict(enumerate(losses)), rel=1e-6)
