"""What was found in a run as a timetable above its curves: a lane for each finding, from where to where it holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from plotly import graph_objects as go

from trainvitals.figures import look
from trainvitals.figures.notes import note
from trainvitals.figures.points import Window
from trainvitals.model import Finding
from trainvitals.reporters.wording import onset

MOST_LANES = 6
LANE_PX = 26
BAR_SHARE = 0.28
"""Of a lane; the rest is for its label."""
BAR_HEIGHT, LABEL_HEIGHT = 0.2, 0.66
"""Where in a lane the middles of the bar and of the label stand."""

SURE_OPACITY, PERHAPS_OPACITY = 0.9, 0.4
BAND_OPACITY, PERHAPS_BAND_OPACITY = 0.14, 0.06
# A label that begins further right is written to the left of its beginning.
RIGHT_PART = 0.6
LONGEST_LABEL, LONGEST_SUMMARY = 90, 200

_SYMBOLS = {"": "x", "/": "triangle-up", ".": "circle"}


@dataclass(frozen=True, slots=True)
class Span:
    """Where a finding holds: it began between ``begin`` and ``surely``, and holds to ``end``."""

    begin: int
    surely: int
    end: int

    @classmethod
    def of(cls, finding: Finding, last_step: int) -> Span | None:
        """None where the finding names no step."""
        if finding.first_step is None:
            return None
        end = last_step if finding.last_step is None else finding.last_step
        surely = finding.first_step if finding.begins_by is None else finding.begins_by
        return cls(finding.first_step, max(finding.first_step, surely), max(finding.first_step, surely, end))


def finding_label(finding: Finding) -> str:
    """``▲ warning: plateau since step 3,100``, as plain text."""
    shown = look.SEVERITY_LOOK[finding.severity]
    return f"{shown.icon} {shown.word}: {finding.name} {onset(finding)}".rstrip()


def finding_lanes(
    figure: go.Figure, findings: Sequence[Finding], last_step: int, window: Window, *, lowest: int, axis: str
) -> None:
    """Draw a bar with its label for each finding; the first one uppermost.

    Args:
        findings: each of which names a step.
        window: what the axis of steps shows.
        lowest: the lane of the last finding, on a value axis where lane ``i`` goes from ``i`` to ``i + 1``.
        axis: the value axis, such as ``y3``.
    """
    for lane, finding in enumerate(reversed(findings), lowest):
        span = Span.of(finding, last_step)
        words = finding_label(finding)
        if span is None or span.end < window[0]:
            _label(figure, f"◂ {words}", window[0], lane, window, axis)
        elif span.begin > window[1]:
            _label(figure, f"{words} ▸", window[1], lane, window, axis)
        else:
            _draw(figure, finding, span, lane, window, axis)
            _label(figure, words, max(span.begin, window[0]), lane, window, axis)


def _draw(figure: go.Figure, finding: Finding, span: Span, lane: int, window: Window, axis: str) -> None:
    for begin, end, opacity in ((span.begin, span.surely, PERHAPS_OPACITY), (span.surely, span.end, SURE_OPACITY)):
        seen = max(begin, window[0]), min(end, window[1])
        if seen[1] > seen[0]:
            figure.add_trace(_bar(finding, *seen, lane, opacity, axis))
    if span.begin >= window[0]:
        figure.add_trace(_beginning(finding, span.begin, lane, axis))


def finding_band(finding: Finding, last_step: int, *, axis: str) -> list[dict[str, Any]]:
    """The finding as a band behind the curves of one value axis, softer where it is not sure that it had begun."""
    span = Span.of(finding, last_step)
    if span is None:
        return []
    colour = look.SEVERITY_LOOK[finding.severity].colour
    rectangle = {"type": "rect", "yref": f"{axis} domain", "y0": 0, "y1": 1, "line": {"width": 0}, "layer": "below"}
    line = {"type": "line", "yref": f"{axis} domain", "y0": 0, "y1": 1, "x0": span.begin, "x1": span.begin}
    return [
        rectangle | {"x0": span.begin, "x1": span.surely, "fillcolor": look.faint(colour, PERHAPS_BAND_OPACITY)},
        rectangle | {"x0": span.surely, "x1": span.end, "fillcolor": look.faint(colour, BAND_OPACITY)},
        line | {"line": {"color": colour, "width": 1.5, "dash": "dash"}, "layer": "below"},
    ]


def _bar(finding: Finding, begin: float, end: float, lane: int, opacity: float, axis: str) -> go.Bar:
    shown = look.SEVERITY_LOOK[finding.severity]
    return go.Bar(
        x=[end - begin],
        base=[begin],
        y=[lane + BAR_HEIGHT],
        width=BAR_SHARE,
        orientation="h",
        yaxis=axis,
        opacity=opacity,
        marker={"color": shown.colour, "line": {"width": 0}, "pattern": {"shape": shown.pattern, "size": 6}},
        hoverinfo="skip",
        showlegend=False,
    )


def _beginning(finding: Finding, begin: float, lane: int, axis: str) -> go.Scatter:
    shown = look.SEVERITY_LOOK[finding.severity]
    return go.Scatter(
        x=[begin],
        y=[lane + BAR_HEIGHT],
        yaxis=axis,
        mode="markers",
        marker={"symbol": _SYMBOLS[shown.pattern], "size": 9, "color": shown.colour},
        name=look.label(finding.name),
        text=[look.hover_text(finding.summary, longest=LONGEST_SUMMARY)],
        hovertemplate="%{text}<extra></extra>",
        showlegend=False,
    )


def _label(figure: go.Figure, words: str, begin: float, lane: int, window: Window, axis: str) -> None:
    is_late = begin > window[0] + RIGHT_PART * (window[1] - window[0])
    text = look.label(words, longest=LONGEST_LABEL)
    note(figure, text, x=begin, y=lane + LABEL_HEIGHT, yref=axis, xanchor="right" if is_late else "left")
