"""Which parameters the hooks found untrained, which of them they are, and where in the model they lie."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from trainvitals import tags
from trainvitals.model import LayerSeries, Series
from trainvitals.naming.layer_order import in_model_order
from trainvitals.rules.updates.wiring_record import MOSTLY, begin_of_mostly, names_told, of_optimizers
from trainvitals.view import RunView

Kind = Literal["unowned", "no gradient", "not moved"]
KINDS: tuple[tuple[Kind, str], ...] = (
    ("unowned", tags.UNOWNED_PARAMETERS),
    ("no gradient", tags.NO_GRADIENT),
    ("not moved", tags.NOT_MOVED),
)
STARVED = 1e-3
"""Of the gradients of the others: what the rule vanishing-gradients calls vanishing. In 32 bits such an update is often
lost in rounding; a reason to look at the gradient and not at the wiring."""

_COPY = re.compile(r"(?:^|[._])(?:target|teacher|ema|swa|momentum|reference|ref|frozen|old|averaged)(?:[._]|$)", re.I)


@dataclass(frozen=True, slots=True)
class Part:
    """Parameters that are not trained, for one reason, of one optimizer.

    Args:
        tag: of their number. count: the number; total: of all parameters that have tags, 0 where unknown.
        names: as far as they are known.
        first_step: from which on.
        leads: they are the parameters at the input side of the model, a weight among them.
        is_copy: their names say that they follow other parameters. moves: they were seen to change.
        starves: they do not move because their gradient is next to nothing, which is no fault of the wiring.
    """

    kind: Kind
    tag: str
    count: int
    total: int
    names: tuple[str, ...]
    first_step: int
    leads: bool
    is_copy: bool
    moves: bool
    starves: bool

    @property
    def share(self) -> float:
        return self.count / self.total if self.total else 1.0


@dataclass(frozen=True, slots=True)
class _Layers:
    """What was recorded of each parameter, and of each module; None where it was not."""

    weights: LayerSeries | None
    gradients: LayerSeries | None
    updates: LayerSeries | None
    similarity: LayerSeries | None


def untrained_parts(view: RunView) -> tuple[tuple[Part, ...], int]:
    """The parts, and how many records there are to know them from."""
    layers = _Layers(*(view.layers(kind) for kind in ("weight_norm", "grad_norm", "update_ratio", "unit_similarity")))
    series = [(kind, each) for kind, tag in KINDS for each in of_optimizers(view, tag)]
    parts = [part for kind, each in series if (part := _part(view, layers, kind, each)) is not None]
    return tuple(parts), max((len(each) for _, each in series), default=0)


def _part(view: RunView, layers: _Layers, kind: Kind, counted: Series) -> Part | None:
    begin = begin_of_mostly(np.asarray(counted.value > 0))
    if begin is None:
        return None
    since = np.asarray(counted.value[begin:], np.float64)
    count = float(np.median(since))
    # Experts that take turns are trained, each at its time.
    if np.mean(since == count) < MOSTLY:
        return None
    first_step = int(counted.step[begin])
    names = _names(view, layers, kind, first_step)
    if names is None:
        return None
    trained = () if layers.weights is None else layers.weights.layers
    everything = in_model_order(dict.fromkeys((*trained, *names)))
    leading = set(everything[: len(names)]) == set(names) and any(name.endswith("weight") for name in names)
    total = len(trained) + (int(count) if kind == "unowned" else 0)
    return Part(
        kind=kind,
        tag=counted.tag,
        count=int(count),
        total=total if len(trained) else 0,
        names=names,
        first_step=first_step,
        leads=leading,
        is_copy=bool(names) and all(_COPY.search(name) for name in names),
        moves=kind == "unowned" and _move(layers.similarity, names),
        starves=kind == "not moved" and _starve(layers, names, first_step),
    )


def _names(view: RunView, layers: _Layers, kind: Kind, first_step: int) -> tuple[str, ...] | None:
    """As far as they are known; None where each has a gradient at one time or another, as heads that take turns."""
    if kind == "unowned":
        return names_told(view.run, "unowned")
    beside = layers.gradients if kind == "no gradient" else layers.updates
    if layers.weights is None or beside is None:
        return names_told(view.run, kind.replace(" ", "_"))
    late = beside.value[beside.step >= first_step]
    names = []
    for name in layers.weights.layers:
        values = late[:, beside.layers.index(name)] if name in beside.layers else np.zeros(0)
        known = values[np.isfinite(values)]
        if (kind == "no gradient" and not len(known)) or (kind == "not moved" and len(known) and not known.any()):
            names.append(name)
    return None if kind == "no gradient" and not names else tuple(names)


def _move(similarity: LayerSeries | None, names: tuple[str, ...]) -> bool:
    """Whether the weights of these parameters were seen to change, as those of another optimizer do."""
    if similarity is None:
        return False
    modules = {name.rpartition(".")[0] for name in names}
    columns = [index for index, name in enumerate(similarity.layers) if name in modules]
    values = [column[np.isfinite(column)] for column in similarity.value[:, columns].T]
    return any(len(np.unique(value)) > 1 for value in values)


def _starve(layers: _Layers, names: tuple[str, ...], first_step: int) -> bool:
    """Whether the gradients of these parameters are far smaller, for their weights, than those of the others."""
    gradients, weights = layers.gradients, layers.weights
    if gradients is None or weights is None:
        return False
    both = [name for name in gradients.layers if name in weights.layers]
    size = _medians(gradients, both, first_step) / np.maximum(_medians(weights, both, first_step), np.finfo(float).tiny)
    these = np.array([name in names for name in both], bool)
    known = np.isfinite(size)
    if not (these & known).any() or not (~these & known).any():
        return False
    return bool(np.median(size[these & known]) < STARVED * np.median(size[~these & known]))


def _medians(found: LayerSeries, names: list[str], first_step: int) -> NDArray[np.float64]:
    late = found.value[found.step >= first_step][:, [found.layers.index(name) for name in names]]
    known = np.isfinite(late).any(axis=0)
    medians = np.full(len(names), np.nan)
    medians[known] = np.nanmedian(np.where(np.isfinite(late[:, known]), late[:, known], np.nan), axis=0)
    return medians
