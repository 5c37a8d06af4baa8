"""Which probes make up which set of signals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainvitals_hooks.modules import audible_leaves, is_compiled
from trainvitals_hooks.probes.activations import Activations
from trainvitals_hooks.probes.data_time import DataTime
from trainvitals_hooks.probes.learning_rate import LearningRate
from trainvitals_hooks.probes.update_ratio import UpdateRatio
from trainvitals_hooks.probes.weights_and_gradients import WeightsAndGradients

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch.nn import Module
    from torch.optim import Optimizer

    from trainvitals_hooks.own_time import OwnTime
    from trainvitals_hooks.parameters import Owners
    from trainvitals_hooks.probes.probe import Probe


@dataclass(frozen=True, slots=True)
class Probes:
    """The probes of a set of signals, and what they cannot see of this model."""

    probes: tuple[Probe, ...]
    not_seen: tuple[str, ...]


def make_probes(
    model: Module,
    owners: Owners,
    optimizers: Sequence[Optimizer],
    own: OwnTime,
    on_error: Callable[[Probe, Exception], None],
    selected: Callable[[str], bool],
    signals: str,
) -> Probes:
    """The probes of ``light`` or ``standard`` for this model."""
    standard = signals == "standard"
    light = (LearningRate(optimizers), WeightsAndGradients(owners, selected, count_non_finite=standard))
    if not standard:
        return Probes(light, ())
    behind_the_optimizer = (*light, UpdateRatio(owners, selected))
    if is_compiled(model):
        return Probes(behind_the_optimizer, ("activations, because the model is compiled",))
    leaves = audible_leaves(model, selected)
    return Probes((*behind_the_optimizer, Activations(leaves, own, on_error), DataTime(model)), ())
