"""What a rule reads of a run: the signals it declares, and a view that takes notes of those it asks for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, cast

from trainvitals import tags
from trainvitals.naming.own import RECORDED, ROLES
from trainvitals.signals import understand
from trainvitals.view import RunView

if TYPE_CHECKING:
    from trainvitals.model import Run, Series
    from trainvitals.signals import LayerTags, Signals

OF_A_LAYER = "per_layer."
_FIELDS = (
    *("train_loss", "val_loss", "metrics", "rewards", "learning_rate", "grad_norm"),
    *("throughput", "step_time", "memory", "epoch", "tokens"),
)
SIGNALS = frozenset(
    {
        *_FIELDS,
        *(OF_A_LAYER + kind for kind in tags.PER_LAYER_KINDS),
        *(tag for tag in tags.TAGS if ROLES.get(tag, RECORDED) not in (*_FIELDS, "loss")),
    }
)
"""All that a rule can declare: fields of ``Signals``, kinds of per-layer signals, tags that only the hooks write."""


class NotingView(RunView):
    """A view that notes which signals were asked for, whether the run has them or not."""

    def __init__(self, run: Run) -> None:
        self.asked_for: set[str] = set()
        super().__init__(run, cast("Signals", _NotingSignals(understand(run), self.asked_for)))

    def recorded(self, tag: str) -> Series | None:
        self.asked_for.add(tag)
        return super().recorded(tag)

    def series(self, tag: str) -> Series:
        if any(role.tag == tag and role.role == RECORDED for role in self.signals.roles):
            self.asked_for.add(tag)
        return super().series(tag)


class _NotingSignals:
    def __init__(self, signals: Signals, asked_for: set[str]) -> None:
        self._signals = signals
        self._asked_for = asked_for

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._signals, name)
        if name == "per_layer":
            return _NotingLayers(value, self._asked_for)
        if name in SIGNALS:
            self._asked_for.add(name)
        return value


class _NotingLayers(Mapping[str, "LayerTags"]):
    def __init__(self, layers: Mapping[str, LayerTags], asked_for: set[str]) -> None:
        self._layers = layers
        self._asked_for = asked_for

    def __getitem__(self, kind: str) -> LayerTags:
        self._asked_for.add(OF_A_LAYER + kind)
        return self._layers[kind]

    def __iter__(self) -> Iterator[str]:
        return iter(self._layers)

    def __len__(self) -> int:
        return len(self._layers)
