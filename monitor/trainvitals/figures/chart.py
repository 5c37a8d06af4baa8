"""A figure, and what it shows in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


@dataclass(frozen=True, slots=True)
class Chart:
    """A figure and what it shows.

    Args:
        figure: whose colours are readable on a light and on a dark page.
        alt: one or two sentences for whoever cannot see it: what is drawn over which steps, and what stands out.
    """

    figure: Figure
    alt: str
