"""Views of hand-made runs, their signals given and not inferred, and rules applied to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from trainvitals.model import Finding, Restart, Run, Series
from trainvitals.rules.rule import NotEnough, Rule
from trainvitals.signals import LayerTags, Signals
from trainvitals.view import RunView

Column = tuple[Sequence[int] | np.ndarray[Any, Any], Sequence[float] | np.ndarray[Any, Any]]


def make_view(
    columns: Mapping[str, Column],
    signals: Signals,
    *,
    restarts: tuple[Restart, ...] = (),
    wall_time: Mapping[str, np.ndarray[Any, Any]] | None = None,
) -> RunView:
    """A view of tags given as (steps, values)."""
    series = {}
    for tag, (step, value) in columns.items():
        steps = np.asarray(step, dtype=np.int64)
        clock = (wall_time or {}).get(tag, np.full(len(steps), np.nan))
        series[tag] = Series(tag, steps, clock, np.asarray(value, dtype=np.float64))
    return RunView(Run(id="r", path="", name="r", format="test", series=series, restarts=restarts), signals)


def layer_tags(kind: str, layers: int) -> LayerTags:
    """One tag a layer, input side first: ``grad_norm/layer0`` and so on."""
    names = tuple(f"layer{index}" for index in range(layers))
    return LayerTags(kind, names, tuple(f"{kind}/{name}" for name in names))


def findings(rule: Rule[Any], view: RunView, **settings: float) -> list[Finding]:
    """What the rule finds; a run that it cannot judge gives nothing."""
    measurement = rule.measure(view)
    return [] if isinstance(measurement, NotEnough) else rule.judge(measurement, rule.limits(settings))


def severities(rule: Rule[Any], view: RunView, **settings: float) -> list[str]:
    """The severity of each finding, as a word."""
    return [finding.severity.value for finding in findings(rule, view, **settings)]
