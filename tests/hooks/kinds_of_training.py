"""Trainings of every kind that people write, small: the model, its optimizers and what one turn of the loop does."""

from __future__ import annotations

import copy
import io
import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from tests.hooks.training import BATCH, CLASSES, FEATURES, batches, network
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.checkpoint import checkpoint

TURNS = 200
WIDTH = 25
"""So narrow that no parameter has more elements than a sample: every recorded number is exact."""


@dataclass
class Training:
    """What is trained.

    Args:
        turn: given inputs, labels, the number of the turn and the watcher or None; gives the loss.
    """

    model: nn.Module
    optimizers: list[torch.optim.Optimizer]
    turn: Callable[[torch.Tensor, torch.Tensor, int, Any], torch.Tensor]


def run(training, vitals, turns=TURNS):
    """The whole training; the loss is logged each turn."""
    losses = []
    for number, (x, y) in enumerate(batches(turns)):
        loss = training.turn(x, y, number, vitals)
        if vitals is not None:
            vitals.log(loss=loss)
        losses.append(loss.item())
    return losses


def plain(model, *optimizers, loss_of=cross_entropy):
    """The usual turn: forward, backward, step, zero."""

    def turn(x, y, number, vitals):
        loss = loss_of(model(x), y)
        loss.backward()
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
        return loss

    return Training(model, list(optimizers), turn)


def with_optimizer(make, **settings):
    """A plain training with an optimizer of this class."""

    def begin():
        model = network(dropout=0.3, width=WIDTH)
        return plain(model, make(model.parameters(), **settings))

    return begin


def muon():
    """Matrices by Muon, the rest by AdamW, as its authors advise."""
    model = network(dropout=0.3, width=WIDTH)
    matrices = [parameter for parameter in model.parameters() if parameter.dim() == 2]
    others = [parameter for parameter in model.parameters() if parameter.dim() != 2]
    return plain(model, torch.optim.Muon(matrices, 1e-2), torch.optim.AdamW(others, 1e-2))


def with_closure(make, **settings):
    def begin():
        model = network(dropout=0.0, width=WIDTH)
        optimizer = make(model.parameters(), **settings)

        def turn(x, y, number, vitals):
            def closure():
                optimizer.zero_grad()
                loss = cross_entropy(model(x), y)
                loss.backward()
                return loss

            return optimizer.step(closure)

        return Training(model, [optimizer], turn)

    return begin


def groups_and_schedule():
    model = network(dropout=0.3, width=WIDTH)
    groups = [{"params": model[0].parameters(), "lr": 1e-3}, {"params": model[3].parameters(), "weight_decay": 0.1}]
    optimizer = torch.optim.AdamW([*groups, {"params": model[6].parameters()}], torch.tensor(1e-2), foreach=False)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 / (1 + step / 50))
    training = plain(model, optimizer)
    usual = training.turn

    def turn(*arguments):
        loss = usual(*arguments)
        schedule.step()
        return loss

    training.turn = turn
    return training


def accumulation():
    model = network(dropout=0.3, width=WIDTH)
    optimizer = torch.optim.SGD(model.parameters(), 0.05, momentum=0.9)

    def turn(x, y, number, vitals):
        loss = cross_entropy(model(x), y) / 4
        loss.backward()
        if number % 4 == 3:
            optimizer.step()
            optimizer.zero_grad(set_to_none=number % 8 == 3)
        return loss

    return Training(model, [optimizer], turn)


def clipped(clip):
    """``clip`` is called with the watcher or None and the model, between backward pass and step."""

    def begin():
        model = network(dropout=0.3, width=WIDTH)
        optimizer = torch.optim.AdamW(model.parameters(), 1e-2)

        def turn(x, y, number, vitals):
            loss = cross_entropy(model(x), y)
            loss.backward()
            clip(vitals, model)
            optimizer.step()
            optimizer.zero_grad()
            return loss

        return Training(model, [optimizer], turn)

    return begin


def by_the_watcher(vitals, model):
    clip = torch.nn.utils.clip_grad_norm_ if vitals is None else vitals.clip_grad_norm_
    clip(model.parameters(), 0.05)


def by_norm(vitals, model):
    torch.nn.utils.clip_grad_norm_(model.parameters(), 0.05)


def by_value(vitals, model):
    torch.nn.utils.clip_grad_value_(model.parameters(), 0.01)


def scaled(make, *, unscale=False, **settings):
    """Mixed precision with a scaler; its scale begins so high that the first steps are skipped."""

    def begin():
        model = network(dropout=0.3, width=WIDTH)
        optimizer = make(model.parameters(), **settings)
        scaler = torch.amp.GradScaler("cpu", init_scale=2.0**127, growth_interval=20)

        def turn(x, y, number, vitals):
            with torch.autocast("cpu", torch.bfloat16):
                loss = cross_entropy(model(x), y)
            scaler.scale(64 * loss).backward()
            if unscale:
                scaler.unscale_(optimizer)
                torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            scaler.step(optimizer)
            scaler.update()
            optimizer.zero_grad()
            return loss

        return Training(model, [optimizer], turn)

    return begin


def bfloat16_autocast():
    model = network(dropout=0.3, width=WIDTH)
    optimizer = torch.optim.AdamW(model.parameters(), 1e-2)

    def turn(x, y, number, vitals):
        with torch.autocast("cpu", torch.bfloat16):
            loss = cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return loss

    return Training(model, [optimizer], turn)


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


def optimizers_in_backward():
    model = network(dropout=0.3, width=WIDTH)
    of = {parameter: torch.optim.SGD([parameter], 0.05, momentum=0.9) for parameter in model.parameters()}

    def step_now(parameter):
        of[parameter].step()
        of[parameter].zero_grad()

    for parameter in of:
        parameter.register_post_accumulate_grad_hook(step_now)

    def turn(x, y, number, vitals):
        loss = cross_entropy(model(x), y)
        loss.backward()
        return loss

    return Training(model, list(of.values()), turn)


def two_players():
    """A generator and a judge, which steps twice as often."""
    model = nn.ModuleDict({"made": nn.Linear(4, FEATURES), "judge": nn.Sequential(nn.Linear(FEATURES, 1), nn.Tanh())})
    of_made, of_judge = (torch.optim.Adam(part.parameters(), 1e-2) for part in model.values())

    def turn(x, y, number, vitals):
        made = model["made"](torch.randn(BATCH, 4))
        loss = (model["judge"](made.detach()) - model["judge"](x)).mean()
        loss.backward()
        of_judge.step()
        of_judge.zero_grad()
        if number % 2:
            loss = model["judge"](made).mean()
            loss.backward()
            of_made.step()
        of_made.zero_grad()
        of_judge.zero_grad()
        return loss

    return Training(model, [of_made, of_judge], turn)


def functional_transforms():
    """Gradients of single examples are computed beside the training, by ``vmap`` over the same modules."""
    model = nn.Sequential(nn.Linear(FEATURES, WIDTH), nn.Tanh(), nn.Linear(WIDTH, CLASSES))
    training = plain(model, torch.optim.SGD(model.parameters(), 0.05))
    usual = training.turn

    def loss_of_one(weights, x, y):
        return cross_entropy(torch.func.functional_call(model, weights, (x[None],)), y[None])

    def turn(x, y, *rest):
        weights = {name: parameter.detach() for name, parameter in model.named_parameters()}
        torch.func.vmap(torch.func.grad(loss_of_one), (None, 0, 0))(weights, x, y)
        return usual(x, y, *rest)

    training.turn = turn
    return training


def unfrozen_later():
    model = network(dropout=0.3, width=WIDTH)
    model[0].requires_grad_(False)
    optimizer = torch.optim.AdamW(model[3:].parameters(), 1e-2)
    model[3].requires_grad_(False)
    training = plain(model, optimizer)
    usual = training.turn

    def turn(x, y, number, vitals):
        if number == 20:
            model[3].requires_grad_(True)
        if number == 40:
            model[0].requires_grad_(True)
            optimizer.add_param_group({"params": model[0].parameters()})
        return usual(x, y, number, vitals)

    training.turn = turn
    return training


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


def averaged_and_copied():
    """Averages of the weights run beside the training, and everything is copied and saved now and then."""
    model = network(dropout=0.3, width=WIDTH)
    optimizer = torch.optim.AdamW(model.parameters(), 1e-2)
    training = plain(model, optimizer)
    usual = training.turn
    average = torch.optim.swa_utils.AveragedModel(model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.9))

    def turn(x, y, number, vitals):
        loss = usual(x, y, number, vitals)
        average.update_parameters(model)
        if number % 10 == 0:
            # The copy is trained on, as some do to look ahead: that is no step of the training that is watched.
            copied = copy.deepcopy((model, optimizer))
            cross_entropy(copied[0](1e6 * x), y).backward()
            copied[1].step()
            average(x)
            file = io.BytesIO()
            torch.save({"model": model, "optimizer": optimizer, "state": optimizer.state_dict()}, file)
            file.seek(0)
            torch.load(file, weights_only=False)["model"](1e6 * x)
        return loss

    training.turn = turn
    return training


KINDS: dict[str, Callable[[], Training]] = {
    "sgd": with_optimizer(torch.optim.SGD, lr=0.05, momentum=0.9, nesterov=True),
    "sgd, one tensor after the other": with_optimizer(torch.optim.SGD, lr=0.05, foreach=False),
    "sgd, all tensors at once": with_optimizer(torch.optim.SGD, lr=0.05, foreach=True),
    "sgd, fused": with_optimizer(torch.optim.SGD, lr=0.05, fused=True),
    "adam": with_optimizer(torch.optim.Adam, lr=1e-2, amsgrad=True),
    "adam, all tensors at once": with_optimizer(torch.optim.Adam, lr=1e-2, foreach=True),
    "adamw, fused": with_optimizer(torch.optim.AdamW, lr=1e-2, fused=True),
    "adafactor": with_optimizer(torch.optim.Adafactor, lr=1e-2),
    "rmsprop": with_optimizer(torch.optim.RMSprop, lr=1e-3),
    "muon": muon,
    "lbfgs": with_closure(torch.optim.LBFGS, lr=0.01, max_iter=4),
    "adam with a closure": with_closure(torch.optim.Adam, lr=1e-2),
    "groups, a schedule, a rate that is a tensor": groups_and_schedule,
    "accumulated gradients": accumulation,
    "clipped by the watcher": clipped(by_the_watcher),
    "clipped by norm": clipped(by_norm),
    "clipped by value": clipped(by_value),
    "scaled": scaled(torch.optim.SGD, lr=0.05),
    "scaled, unscaled and clipped": scaled(torch.optim.AdamW, unscale=True, lr=1e-2),
    "scaled and fused": scaled(torch.optim.Adam, lr=1e-2, fused=True),
    "bfloat16 autocast": bfloat16_autocast,
    "bfloat16 weights": bfloat16_weights,
    "sparse gradients": sparse_gradients,
    "tied weights": tied_weights,
    "shared modules, tuples and dictionaries": odd_modules(),
    "checkpoints, reentrant": odd_modules(reentrant=True),
    "checkpoints, not reentrant": odd_modules(reentrant=False),
    "optimizers in the backward pass": optimizers_in_backward,
    "two players": two_players,
    "functional transforms": functional_transforms,
    "unfrozen later": unfrozen_later,
    "adapters": adapters,
    "parametrised weights": parametrised_weights,
    "averages, copies and saved files": averaged_and_copied,
}


def norm(tensor):
    """The slow and obvious one."""
    dense = tensor.detach().to_dense() if tensor.layout != torch.strided else tensor.detach()
    return math.sqrt(sum(value * value for value in dense.double().flatten().tolist()))
