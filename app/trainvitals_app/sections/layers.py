"""What was recorded of every layer: over depth and time, over depth at one step, and of one layer over time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from trainvitals import tags
from trainvitals.figures.layer_cells import non_finite_records, rows_of
from trainvitals.figures.layer_figures import heatmap_chart
from trainvitals.figures.layer_lines import histogram_chart, layer_history_chart
from trainvitals.figures.layer_profile import depth_profile_chart
from trainvitals.model import Finding, LayerSeries
from trainvitals.reporters.visible import visible
from trainvitals_app import address, charts, text
from trainvitals_app.sections.shown import Shown

TITLE = "Layers"

KIND = address.text("signal")
LAYER = address.text("layer")
AT = address.whole("at")
"""The step that the depth profile is of; None is the last one recorded."""
HISTOGRAM = address.text("histogram")

HEATMAP_WIDTH, PROFILE_WIDTH = 5, 2
# Of signals as arrays, which a refresh without news needs again; they may be large.
KEPT = 3


@dataclass(frozen=True, slots=True, eq=False)
class LayerRecords:
    """One signal of every layer; ``non_finite`` is ``[T, L]``, where a NaN or an infinity was recorded."""

    layers: LayerSeries
    non_finite: NDArray[np.bool_]


def has_signals(shown: Shown) -> bool:
    """Whether anything was recorded a layer, or as histograms."""
    return bool(shown.signals.per_layer or shown.run.histograms)


def section(shown: Shown) -> None:
    """Draw the section."""
    if shown.signals.per_layer:
        _layers(shown)
    if shown.run.histograms:
        _histograms(shown)


def _layers(shown: Shown) -> None:
    findings = () if shown.diagnosis is None else shown.diagnosis.open_findings
    kinds = list(shown.signals.per_layer)
    first, second, third = st.columns([2, 2, 3], gap="medium")
    with first:
        kind = st.selectbox(
            "Signal of each layer", kinds, format_func=visible, **_bound(KIND, kinds, _telling_kind(shown, findings))
        )
    records = _records((shown.run.id, shown.version, shown.run.points, kind), shown, kind)
    layers = records.layers
    if len(layers) == 0:
        st.info("Nothing was recorded of this signal yet.", icon=":material/hourglass_empty:")
        return
    marked = [finding for finding in findings if rows_of(finding, layers.layers)]
    with second:
        names = list(layers.layers)
        worst = next((names[rows_of(finding, names)[0]] for finding in marked), names[0])
        layer = st.selectbox("Layer", names, format_func=visible, **_bound(LAYER, names, worst))
    with third:
        at_step = _at_step(layers)
    if kind in tags.PER_LAYER_KINDS:
        known = tags.PER_LAYER_KINDS[kind]
        st.caption(text.markdown(f"{known.meaning}, in {known.unit}") + " · click in the map to see a layer and a step")
    window = address.STEPS.get()
    left, right = st.columns([HEATMAP_WIDTH, PROFILE_WIDTH], gap="small")

    def look_at(points: Sequence[Mapping[str, Any]]) -> None:
        """The layer and the step of the point that was clicked."""
        LAYER.set(str(points[0]["customdata"][0]))
        AT.set(int(points[0]["customdata"][1]))

    with left:
        heatmap = heatmap_chart(
            layers, findings=marked, window=window, at_step=at_step, layer=layer, non_finite=records.non_finite
        )
        charts.show(heatmap, "layers", zoom=None, on_points=look_at)
    with right:
        profile = depth_profile_chart(layers, at_step, findings=marked, layer=layer, non_finite=records.non_finite)
        charts.show(profile, "layer-profile", zoom=None)
    history = layer_history_chart(
        layers, layer, findings=marked, window=window, at_step=at_step, non_finite=records.non_finite
    )
    charts.show(history, "layer-history")


def _histograms(shown: Shown) -> None:
    names = list(shown.run.histograms)
    name = st.selectbox("Histogram", names, format_func=visible, **_bound(HISTOGRAM, names, names[0]))
    charts.show(histogram_chart(shown.run.histograms[name], window=address.STEPS.get()), "histogram")


@st.cache_resource(max_entries=KEPT, show_spinner=False)
def _records(key: object, _shown: Shown, kind: str) -> LayerRecords:  # noqa: ARG001 - it is kept by the key
    """One signal of every layer as it is now, for every session."""
    names = _shown.signals.per_layer[kind]
    layers = names.load(_shown.run)
    return LayerRecords(layers, non_finite_records(_shown.run, names, layers))


def _telling_kind(shown: Shown, findings: Sequence[Finding]) -> str:
    """The signal that the worst finding about layers rests on, else the first one."""
    for finding in findings:
        for kind, names in shown.signals.per_layer.items():
            if finding.layers and finding.signals & {*names.tags, kind}:
                return kind
    return next(iter(shown.signals.per_layer))


def _at_step(layers: LayerSeries) -> int:
    """What the slider says, moved to a step that was recorded."""
    first, last = int(layers.step[0]), int(layers.step[-1])
    if first == last:
        return last
    slider = address.bound(AT, shown=lambda step: last if step is None else min(max(step, first), last))

    def changed() -> None:
        """At its end the slider stays there while the run grows; browsers tell of that as a change, too."""
        step = st.session_state[slider["key"]]
        AT.set(None if step >= last else step)

    chosen = st.slider("Depth profile at step", first, last, format="localized", key=slider["key"], on_change=changed)
    until = layers.step[layers.step <= chosen]
    return int(until[-1]) if len(until) else first


def _bound(field: address.Field[str], options: Sequence[str], default: str) -> dict[str, Any]:
    """As ``address.bound``; what the options lack is the default."""
    return address.bound(field, shown=lambda value: value if value in options else default)
