"""Where a finding holds, as a band behind a curve that it is about."""

from __future__ import annotations

from plotly import graph_objects as go

from trainvitals.figures import look
from trainvitals.figures.finding_lanes import Span
from trainvitals.model import Finding

OPACITY = 0.12


def add_band(figure: go.Figure, finding: Finding, last_step: int) -> None:
    """Draw the band with its label above the frame, if the finding names a step."""
    span = Span.of(finding, last_step)
    if span is None:
        return
    shown = look.SEVERITY_LOOK[finding.severity]
    figure.add_vrect(
        span.begin,
        span.end,
        fillcolor=look.faint(shown.colour, OPACITY),
        line_width=0,
        layer="below",
        annotation={
            "text": look.label(f"{shown.icon} {finding.name}"),
            "font": {"size": look.SMALL_FONT_SIZE},
            "yanchor": "bottom",
        },
        annotation_position="top left",
    )
