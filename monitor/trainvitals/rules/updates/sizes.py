"""How far the updates move the weight matrices, and what has become of their norms since the start."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainvitals.maths.depth_profile import first_third_over_last, row_medians
from trainvitals.model import Run, StepArray
from trainvitals.view import RunView

Floats = NDArray[np.float64]

FEWEST_RECORDS = 5
"""Of the updates; fewer do not show what is usual in a run."""

FEWEST_LAYERS = 3
STARVED = 1e-2
"""As for vanishing-gradients: layers of healthy networks share their ratio within a factor of ten."""

NOT_A_MATRIX = re.compile(r"bias|norm|(^|[._/])(ln|bn)[\d_]*([._/]|$)|gain|scale|emb|token|position|wte|wpe", re.I)
"""Biases and gains begin at zero or one and embeddings see few rows a step: their ratios are of another size."""

ADAM = re.compile(r"adam|lamb|nadam|radam", re.I)
ATTENTION = re.compile(r"attn|attention|qkv|q_proj|query|k_proj|transformer", re.I)

EQUILIBRIUM_MEMORIES = 1.0
"""Memories of the weight decay after which norms have come to rest (Kosson et al. 2024)."""


@dataclass(frozen=True, slots=True, eq=False)
class UpdateSizes:
    """Updates of the weight matrices.

    Args:
        layers: ``[L]``; tags: ``[L]``. all_layers: also those that are no weight matrices.
        step: ``[T]``.
        ratio: ``[T, L]`` norm of the update over that of the weights; NaN where not recorded or not finite.
        middle: ``[T]`` of the median matrix.
        growth: ``[T, L]`` norm of the weights over that at the first record; NaN where not known. None without norms.
    """

    layers: tuple[str, ...]
    tags: tuple[str, ...]
    all_layers: tuple[str, ...]
    step: StepArray
    ratio: Floats
    middle: Floats
    growth: Floats | None

    @property
    def middle_growth(self) -> Floats | None:
        """Growth of the median matrix ``[T]``."""
        return None if self.growth is None else row_medians(self.growth)

    @property
    def starved(self) -> bool:
        """Whether the first third of the matrices moves at less than a hundredth of the pace of the last.

        Then the gradient does not reach it, and neither rate nor optimizer is what keeps it still.
        """
        if len(self.layers) < FEWEST_LAYERS or np.isnan(self.ratio).all():
            return False
        share = first_third_over_last(self.ratio)
        known = share[~np.isnan(share)]
        return len(known) > 0 and float(np.median(known)) < STARVED

    @property
    def reach(self) -> float:
        """By how much of its size the median matrix can have moved in the whole run, were all updates in one line."""
        known = ~np.isnan(self.middle)
        if int(known.sum()) < FEWEST_RECORDS:
            return float("nan")
        return float(np.trapezoid(self.middle[known], self.step[known].astype(np.float64)))


def update_sizes(view: RunView) -> UpdateSizes | None:
    """The updates of the weight matrices; None where too few were recorded."""
    ratios = view.layers("update_ratio")
    if ratios is None or len(ratios) < FEWEST_RECORDS:
        return None
    names = ratios.layers
    kept = [index for index, name in enumerate(names) if not NOT_A_MATRIX.search(name)] or list(range(len(names)))
    ratio = np.where(np.isfinite(ratios.value[:, kept]), ratios.value[:, kept], np.nan)
    tags = view.signals.per_layer["update_ratio"].tags
    layers = tuple(names[index] for index in kept)
    return UpdateSizes(
        layers=layers,
        tags=tuple(tags[index] for index in kept),
        all_layers=names,
        step=ratios.step,
        ratio=ratio,
        middle=row_medians(ratio),
        growth=_growth(view, layers, ratios.step),
    )


def is_adam(run: Run) -> bool | None:
    """Whether the optimizer divides by the size of the gradient as Adam does; None where nothing says which it is."""
    named = [str(value) for key, value in run.hyper_parameters.items() if "optim" in str(key).casefold()]
    return bool(ADAM.search(" ".join(named))) if named else None


def has_attention(layers: tuple[str, ...]) -> bool:
    """Whether the names of the layers speak of attention."""
    return any(ATTENTION.search(name) for name in layers)


def setting(run: Run, name: str) -> float | None:
    """A number among the settings of the run."""
    value = run.hyper_parameters.get(name)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def decay_per_step(view: RunView) -> float | None:
    """Share of the weights that decay takes away a step at the peak of the learning rate.

    None where rate or decay is not known, and for Adam with the decay in the gradient, where it is divided by the
    gradient's size.
    """
    decay = setting(view.run, "weight_decay")
    # The slowest group: what decay does to one that is out of step says nothing of the rest.
    rates = [view.series(tag).finite().value for tag in view.signals.learning_rate]
    peak = min((float(rate.max()) for rate in rates if len(rate)), default=0.0)
    if decay is None or decay <= 0 or peak <= 0:
        return None
    adam = is_adam(view.run)
    decoupled = bool(view.run.hyper_parameters.get("decoupled_weight_decay")) or "AdamW" in str(
        view.run.hyper_parameters.get("optimizer")
    )
    if adam is None or (adam and not decoupled):
        return None
    momentum = 0.0 if adam else setting(view.run, "momentum") or 0.0
    return peak * decay / (1.0 - momentum) if momentum < 1 else None


def equilibrium_ratio(view: RunView) -> float | None:
    """The update ratio at which AdamW comes to rest, ``sqrt(2 * lr * wd)``; None before it can have done so."""
    share = decay_per_step(view)
    if share is None or is_adam(view.run) is not True or view.span_steps < EQUILIBRIUM_MEMORIES / share:
        return None
    return float(np.sqrt(2.0 * share))


def _growth(view: RunView, layers: tuple[str, ...], step: StepArray) -> Floats | None:
    norms = view.layers("weight_norm")
    if norms is None or not len(norms) or not set(layers) <= set(norms.layers):
        return None
    value = norms.value[:, [norms.layers.index(name) for name in layers]]
    at = np.clip(np.searchsorted(norms.step, step, side="right") - 1, 0, None)
    first = np.where((value[0] > 0) & np.isfinite(value[0]), value[0], np.nan)
    with np.errstate(over="ignore"):
        return np.asarray(value[at] / first, np.float64)
