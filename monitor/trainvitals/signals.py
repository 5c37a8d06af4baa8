"""What each tag means: training loss, validation loss of a suite, learning rate, gradient norm, per-layer signals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from trainvitals.model import LayerSeries, Run, SignalSummary


@dataclass(frozen=True, slots=True)
class SignalOverrides:
    """What the person told us; each entry wins over inference. Tags that the run lacks are refused."""

    train_loss: tuple[str, ...] = ()
    val_loss: tuple[str, ...] = ()
    learning_rate: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LayerTags:
    """The tags of one per-layer signal, input side first. ``source`` says where the numbers come from."""

    kind: str
    layers: tuple[str, ...]
    tags: tuple[str, ...]
    source: Literal["scalars", "histograms"] = "scalars"

    def load(self, run: Run) -> LayerSeries:
        """The values as ``[T, L]`` over the union of all steps, NaN where a layer was not recorded."""
        from trainvitals.naming.loading import load_layers

        step, value = load_layers(run, self.kind, self.tags, self.source)
        return LayerSeries(self.kind, self.layers, step, value)


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric that is not a loss, with the direction in which it is better."""

    tag: str
    better: Literal["up", "down"]
    split: Literal["train", "val"]
    suite: str = ""


@dataclass(frozen=True, slots=True)
class Role:
    """How one tag was understood, and why."""

    tag: str
    role: str
    why: str


@dataclass(frozen=True, slots=True)
class Signals:
    """Every tag of a run in its role. In each tuple the tag to judge by comes first.

    Args:
        train_loss: losses on training data, the total first, then its components.
        val_loss: validation loss of each suite; the unnamed suite is ``""``. The suite to judge by comes first.
        learning_rate: one tag a parameter group.
        grad_norm: norm of the whole gradient.
        per_layer: signals recorded a layer, by kind as in ``tags.PER_LAYER_KINDS``.
        metrics: accuracies, error rates, scores.
        throughput, step_time, memory, epoch, tokens: system and bookkeeping.
        rewards: returns or rewards; when there are any, the losses belong to reinforcement learning.
        supervised: whether the losses are those of supervised (or self-supervised) learning, and why not.
        roles: every tag of the run, also those of our hooks that are looked up by name where they are needed
            (``recorded``), the values of one domain (``domain``), and the ones nobody understood (``other``).
    """

    train_loss: tuple[str, ...] = ()
    val_loss: Mapping[str, str] = field(default_factory=dict)
    learning_rate: tuple[str, ...] = ()
    grad_norm: tuple[str, ...] = ()
    per_layer: Mapping[str, LayerTags] = field(default_factory=dict)
    metrics: tuple[Metric, ...] = ()
    throughput: tuple[str, ...] = ()
    step_time: tuple[str, ...] = ()
    memory: tuple[str, ...] = ()
    epoch: tuple[str, ...] = ()
    tokens: tuple[str, ...] = ()
    rewards: tuple[str, ...] = ()
    supervised: bool = True
    why_not_supervised: str = ""
    roles: tuple[Role, ...] = ()

    def summary(self) -> SignalSummary:
        """The part that a diagnosis carries."""
        return SignalSummary(
            train_loss=self.train_loss,
            val_loss=dict(self.val_loss),
            learning_rate=self.learning_rate,
            per_layer={kind: len(tags.layers) for kind, tags in self.per_layer.items()},
        )


def understand(run: Run, overrides: SignalOverrides = SignalOverrides()) -> Signals:
    """Give every tag of a run its role, by its name first and by its values where the name leaves a choice.

    The order in which the tags were recorded plays no part.

    Raises:
        ConfigError: an override names a tag that the run does not have, or one tag in two roles.
    """
    from trainvitals.naming.assembly import assemble

    return assemble(run, overrides)
