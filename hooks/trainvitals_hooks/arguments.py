"""The arguments of ``watch``, checked before anything is attached."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from torch.optim import Optimizer

from trainvitals.errors import ConfigError, UnknownRuleError
from trainvitals.live.companion import check_ignored
from trainvitals_hooks.probes.registry import BY_NAME, SETS, chosen

if TYPE_CHECKING:
    from trainvitals_hooks.probes.probe import Probe


_HOOKS = "_optimizer_step_post_hooks"


def unwrapped(optimizer: object) -> object:
    """The optimizer inside a wrapper that has no hooks of its own, as those of Accelerate and Lightning are."""
    while isinstance(optimizer, Optimizer) and isinstance(inner := getattr(optimizer, "optimizer", None), Optimizer):
        own = vars(optimizer).get(_HOOKS)
        if own is not None and own is not vars(inner).get(_HOOKS):
            break
        optimizer = inner
    return optimizer


def check_arguments(optimizers: Sequence[object], *, every: int, budget: float) -> None:
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
    if not budget > 0:
        raise ConfigError(f"budget={budget} is no share of the time", hint="0.01 is one percent, math.inf no limit")


def accepted_findings(ignore: str | Sequence[str]) -> tuple[str, ...]:
    """The names, codes or families of findings that are accepted.

    Raises:
        ConfigError: a name is none of these.
    """
    names = (ignore,) if isinstance(ignore, str) else tuple(ignore)
    if names:
        try:
            check_ignored(names)
        except UnknownRuleError as error:
            raise ConfigError(f"ignore: {error.what}", hint=error.hint) from None
    return names


def chosen_probes(signals: str | Sequence[str]) -> tuple[type[Probe], ...]:
    """What ``signals`` asks for.

    Raises:
        ConfigError: a name is neither a set's nor a probe's.
    """
    try:
        return chosen(signals)
    except KeyError as error:
        raise ConfigError(
            f"signals={error.args[0]!r} is not known", hint=f"{', '.join(SETS)}, or a list of {', '.join(BY_NAME)}"
        ) from None


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
