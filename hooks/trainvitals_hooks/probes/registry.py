"""Which probes there are, and which of them make up a set of signals."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainvitals_hooks.looking.modules import is_compiled
from trainvitals_hooks.probes.activations import Activations
from trainvitals_hooks.probes.adam_state import AdamState
from trainvitals_hooks.probes.attention import Attention
from trainvitals_hooks.probes.data_time import DataTime
from trainvitals_hooks.probes.effective_rank import EffectiveRank
from trainvitals_hooks.probes.gradient_cosine import GradientCosine
from trainvitals_hooks.probes.gradient_exchange import GradientExchange
from trainvitals_hooks.probes.gradient_noise import GradientNoise
from trainvitals_hooks.probes.input_batch import InputBatch
from trainvitals_hooks.probes.kept_gradients import KeptGradients
from trainvitals_hooks.probes.learning_rate import LearningRate
from trainvitals_hooks.probes.loss_scale import LossScale
from trainvitals_hooks.probes.memory import Memory
from trainvitals_hooks.probes.non_finite_origin import NonFiniteOrigin
from trainvitals_hooks.probes.outputs import Outputs
from trainvitals_hooks.probes.phase_times import PhaseTimes
from trainvitals_hooks.probes.unit_similarity import UnitSimilarity
from trainvitals_hooks.probes.units import Units
from trainvitals_hooks.probes.update_ratio import UpdateRatio
from trainvitals_hooks.probes.weights_and_gradients import WeightsAndGradients
from trainvitals_hooks.probes.weights_of_ranks import WeightsOfRanks
from trainvitals_hooks.probes.wiring import Wiring
from trainvitals_hooks.processes.shards import flattens_parameters

if TYPE_CHECKING:
    from trainvitals_hooks.probes.probe import Context, Probe

LIGHT: tuple[type[Probe], ...] = (LearningRate, WeightsAndGradients)
STANDARD: tuple[type[Probe], ...] = (
    *LIGHT,
    UpdateRatio,
    Activations,
    Units,
    DataTime,
    InputBatch,
    LossScale,
    Memory,
    Wiring,
    KeptGradients,
    NonFiniteOrigin,
)
FULL: tuple[type[Probe], ...] = (
    *STANDARD,
    Outputs,
    EffectiveRank,
    UnitSimilarity,
    PhaseTimes,
    GradientExchange,
    WeightsOfRanks,
    GradientCosine,
    AdamState,
    GradientNoise,
    Attention,
)

SETS = {"light": LIGHT, "standard": STANDARD, "full": FULL}
BY_NAME = {probe.name: probe for probe in FULL}


@dataclass(frozen=True, slots=True)
class Probes:
    """The probes of a set of signals, and what they cannot see of this model."""

    probes: tuple[Probe, ...]
    not_seen: tuple[str, ...]


def chosen(signals: str | Iterable[str]) -> tuple[type[Probe], ...]:
    """The probes that a set's name, or a list of names of sets and probes, stands for.

    Raises:
        KeyError: a name of neither.
    """
    names = [signals] if isinstance(signals, str) else list(signals)
    kinds = [kind for name in names for kind in (SETS[name] if name in SETS else (BY_NAME[name],))]
    return tuple(dict.fromkeys(kinds))


def make_probes(context: Context, kinds: Iterable[type[Probe]]) -> Probes:
    """The probes of this rank, without those that would hang hooks on compiled modules or see a part of each weight."""
    kinds = [kind for kind in kinds if _runs_here(kind, context)]
    deaf = [kind for kind in kinds if kind.hears_modules and is_compiled(context.model)]
    blind = [kind for kind in kinds if kind.runs_on == "shards" and _cannot_add_up(context)]
    reasons = {"because the model is compiled": deaf, "because only a part of the parameters is here": blind}
    return Probes(
        tuple(kind.of(context) for kind in kinds if kind not in deaf and kind not in blind),
        tuple(f"{', '.join(kind.name for kind in kinds)}, {why}" for why, kinds in reasons.items() if kinds),
    )


def _runs_here(kind: type[Probe], context: Context) -> bool:
    if kind.runs_on == "several":
        return context.ranks.size > 1
    return context.ranks.writes or (kind.runs_on == "shards" and context.shards.any)


def _cannot_add_up(context: Context) -> bool:
    return flattens_parameters(context.model) or (context.shards.ranks > 1 and not context.ranks.are_in_reach)
