"""The arguments of ``watch``, checked before anything is attached."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Sequence

from torch.optim import Optimizer

from trainvitals.errors import ConfigError

SIGNALS = ("light", "standard")


def check_arguments(optimizers: Sequence[object], *, every: int, signals: str, budget: float) -> None:
    """Refuse what cannot be meant.

    Raises:
        ConfigError: an argument is of the wrong kind or out of range.
    """
    strange = [type(each).__name__ for each in optimizers if not isinstance(each, Optimizer)]
    if strange or not optimizers:
        found = ", ".join(strange) or "none"
        raise ConfigError(f"watch needs optimizers of torch.optim, not {found}", hint="pass the inner optimizer")
    if operator.index(every) < 1:
        raise ConfigError(f"every={every} is no number of steps", hint="1 records every step in full")
    if signals not in SIGNALS:
        raise ConfigError(f"signals={signals!r} is not known", hint=f"one of {', '.join(SIGNALS)}")
    if not budget > 0:
        raise ConfigError(f"budget={budget} is no share of the time", hint="0.01 is one percent, math.inf no limit")


def selector(layers: str | Sequence[str] | None) -> Callable[[str], bool]:
    """Which layers have tags of their own: those whose name one of the regular expressions is found in; None: all.

    Raises:
        ConfigError: one is no regular expression.
    """
    if layers is None:
        return lambda _: True
    try:
        patterns = [re.compile(layer) for layer in ([layers] if isinstance(layers, str) else layers)]
    except re.error as error:
        raise ConfigError(f"layers: {error.pattern!r} is no regular expression ({error})") from None
    return lambda name: any(pattern.search(name) for pattern in patterns)
