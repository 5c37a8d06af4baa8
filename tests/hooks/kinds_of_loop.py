"""Loops of every kind that people write, around one small network: optimizers, closures, clipping, scaling, copies."""

from __future__ import annotations

import copy
import io

import torch
from tests.hooks.small_training import WIDTH, Training, plain
from tests.hooks.training import BATCH, CLASSES, FEATURES, network
from torch import nn
from torch.nn.functional import cross_entropy


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
