"""Which modules of a model are worth listening to, and which cannot be heard."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.dropout import _DropoutNd

from trainvitals_hooks.looking.parameters import plain_name

if TYPE_CHECKING:
    from collections.abc import Callable

# What comes out of a normalisation has mean and spread by construction, what comes out of the others is what went in.
_TELLS_NOTHING = (
    *(_NormBase, _DropoutNd, nn.LayerNorm, nn.GroupNorm, nn.LocalResponseNorm, nn.RMSNorm),
    *(nn.Identity, nn.Flatten, nn.Unflatten, nn.ModuleList, nn.ModuleDict, nn.ParameterList, nn.ParameterDict),
    *(nn.Sequential, nn.modules.loss._Loss, torch.jit.ScriptModule),
)

_COMMUNICATING = ("SyncBatchNorm", "FullyShardedDataParallel", "FSDP", "PipelineStage")
"""Modules, by the beginning of a class's name, whose forward pass waits for other processes."""


def audible_leaves(model: nn.Module, selected: Callable[[str], bool]) -> list[tuple[str, nn.Module]]:
    """Name and module of every leaf whose output is worth a look; a module used in several places comes once."""
    return [
        (name, module)
        for path, module in model.named_modules()
        if not any(module.children()) and not isinstance(module, _TELLS_NOTHING)
        # A model that is a single layer has no name of its own.
        if selected(name := plain_name(path) or type(module).__name__)
    ]


def inside_ddp(model: nn.Module) -> nn.Module:
    """The model that DistributedDataParallel wraps, whose layers have the names that the person gave them."""
    return model.module if isinstance(model, nn.parallel.DistributedDataParallel) else model


def is_compiled(model: nn.Module) -> bool:
    """Whether the model, or a part of it, runs as compiled code, which ignores hooks that come later."""
    if any(getattr(module, "_compiled_call_impl", None) is not None for module in model.modules()):
        return True
    dynamo = sys.modules.get("torch._dynamo.eval_frame")
    optimized = getattr(dynamo, "OptimizedModule", None)
    return optimized is not None and any(isinstance(module, optimized) for module in model.modules())


def communicates(model: nn.Module) -> bool:
    """Whether a forward pass of this model waits for other processes: all of them must run it, or none."""
    return any(type(module).__name__.startswith(_COMMUNICATING) for module in model.modules())


def eager(model: nn.Module) -> nn.Module:
    """The model without what compiles it or exchanges its gradients: the same numbers, by itself."""
    while True:
        inner = getattr(model, "_orig_mod", None) or inside_ddp(model)
        if inner is model:
            return model
        model = inner
