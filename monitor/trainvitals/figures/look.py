"""How charts look: colours that are told apart by colour-blind people too and seen on a light and on a dark page.

No colour stands alone: runs also differ in their dashes, severities in icon, word and pattern.
"""

from __future__ import annotations

import html
import textwrap
from dataclasses import dataclass
from typing import Literal

from plotly import graph_objects as go

from trainvitals.model import Severity
from trainvitals.reporters.visible import visible

# Okabe and Ito (2008), "Color Universal Design". Their yellow is darkened, which is not seen on white; their blue is
# lighter and their black is grey, for the dark page.
BLUE, ORANGE, GREEN, VERMILION = "#1F83C6", "#E69F00", "#009E73", "#D55E00"
SKY, PURPLE, OLIVE, GREY = "#56B4E9", "#CC79A7", "#B3A300", "#8A8A8A"

RUN_COLOURS = (BLUE, ORANGE, GREEN, VERMILION, SKY, PURPLE, OLIVE, GREY)
RUN_DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot", "5px,2px", "2px,6px")
RUN_SYMBOLS = ("circle", "square", "diamond", "triangle-up", "triangle-down", "pentagon", "star", "hexagon")
MOST_RUNS = len(RUN_COLOURS)

TRAIN_COLOUR = BLUE
VALIDATION_COLOURS = (GREEN, PURPLE, OLIVE, SKY)

SEQUENTIAL_COLOURS = "Cividis"
DIVERGING_COLOURS = "RdBu"

RAW_OPACITY = 0.3
"""Of a curve as recorded, behind its smoothed one."""

LINE_WIDTH = 1.8

# Grey that has a contrast of 4.3 to white and to a page as dark as Streamlit's alike. Streamlit puts its own colours in
# place of these.
TEXT = "#797979"
GRID = "rgba(128, 128, 128, 0.22)"
TRANSPARENT = "rgba(0, 0, 0, 0)"
FONT_SIZE = 12
SMALL_FONT_SIZE = 11
HOVER_PX = 15
"""So near to the pointer a point must be to be told of."""
HOVER_CHARACTERS = 60
"""Of a line in a hover."""


@dataclass(frozen=True, slots=True)
class SeverityLook:
    """How a severity is shown.

    Args:
        colour: on charts; icon and word: before any text; pattern: of a bar, as plotly names it.
    """

    colour: str
    icon: str
    word: str
    pattern: Literal["", "/", "."]


SEVERITY_LOOK = {
    Severity.ERROR: SeverityLook(VERMILION, "✖", "error", ""),
    Severity.WARNING: SeverityLook(ORANGE, "▲", "warning", "/"),
    Severity.INFO: SeverityLook(SKY, "●", "info", "."),
}


def faint(colour: str, opacity: float) -> str:
    """The colour ``#RRGGBB`` so transparent."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red}, {green}, {blue}, {opacity})"


def label(text: str, *, longest: int | None = 60) -> str:
    """Text from a log as plotly shows it: on one line, and nothing in it is taken for markup."""
    return html.escape(visible(text, longest=longest), quote=False)


def hover_text(text: str, *, longest: int) -> str:
    """Text from a log for a hover: as ``label``, in lines short enough to be seen whole."""
    lines = textwrap.wrap(visible(text, longest=longest), HOVER_CHARACTERS)
    return "<br>".join(html.escape(line, quote=False) for line in lines)


def new_figure(*, height_px: int) -> go.Figure:
    """An empty figure with our fonts, margins and colours."""
    axis = {"gridcolor": GRID, "zerolinecolor": GRID, "linecolor": GRID, "zeroline": False, "automargin": True}
    # Streamlit puts a template of its own in place of this one; what must not change stands in the layout itself.
    template = go.layout.Template(
        layout={
            "font": {"color": TEXT, "size": FONT_SIZE},
            "xaxis": axis,
            "yaxis": axis,
            "hoverlabel": {"bgcolor": "#ffffff", "bordercolor": GREY, "font": {"color": "#262730"}},
            "colorscale": {"sequential": SEQUENTIAL_COLOURS, "diverging": DIVERGING_COLOURS},
        }
    )
    return go.Figure(
        layout={
            "template": template,
            "height": height_px,
            "margin": {"l": 8, "r": 8, "t": 8, "b": 8},
            "paper_bgcolor": TRANSPARENT,
            "plot_bgcolor": TRANSPARENT,
            # Plotly would make it half opaque.
            "modebar": {"bgcolor": TRANSPARENT, "color": GREY, "activecolor": TEXT},
            "hovermode": "x unified",
            "hoverdistance": HOVER_PX,
            "showlegend": True,
            "legend": {
                "orientation": "h",
                "yanchor": "bottom",
                "y": 1.02,
                "xanchor": "left",
                "x": 0,
                "font": {"size": SMALL_FONT_SIZE},
            },
        }
    )
