"""The settings of a run, written once: what was trained, with what, on what."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

import torch

import trainvitals
from trainvitals.tags import FRAMEWORK

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch.nn import Module
    from torch.optim import Optimizer

Setting = float | str | bool | int

_framework: ContextVar[str | None] = ContextVar("framework", default=None)


@contextmanager
def trained_by(framework: str) -> Iterator[None]:
    """Runs that are watched from inside say that this framework trains them, so that advice comes in its words."""
    token = _framework.set(framework)
    try:
        yield
    finally:
        _framework.reset(token)


def settings_of_run(
    model: Module, optimizers: Sequence[Optimizer], *, every: int, signals: Sequence[str]
) -> dict[str, Setting]:
    """Hyper-parameters of every parameter group and the versions of what trained, by name."""
    parameters = list(model.parameters())
    settings: dict[str, Setting] = {
        "model": type(model).__name__,
        "parameters": sum(parameter.numel() for parameter in parameters),
        "trainable_parameters": sum(parameter.numel() for parameter in parameters if parameter.requires_grad),
        "device": ", ".join(sorted({str(parameter.device) for parameter in parameters})),
        "dtype": ", ".join(sorted({str(parameter.dtype).removeprefix("torch.") for parameter in parameters})),
    }
    for number, optimizer in enumerate(optimizers):
        prefix = f"optimizer{number}." if len(optimizers) > 1 else ""
        settings[f"{prefix}optimizer"] = type(optimizer).__name__
        for group_number, group in enumerate(optimizer.param_groups):
            middle = f"group{group_number}." if len(optimizer.param_groups) > 1 else ""
            for name, value in group.items():
                if name not in ("params", "param_names") and value is not None:
                    settings[f"{prefix}{middle}{name}"] = _setting(value)
    framework = _framework.get()
    if framework is not None:
        settings[FRAMEWORK] = framework
    return settings | {
        "every": every,
        "signals": ", ".join(signals),
        "torch": torch.__version__,
        "trainvitals": trainvitals.__version__,
        "python": platform.python_version(),
    }


def _setting(value: object) -> Setting:
    if isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, torch.Tensor) and value.numel() == 1:
        return float(value)
    return str(value)
