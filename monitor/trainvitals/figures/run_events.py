"""What happened to a run on its way: checkpoints, changes made on purpose, restarts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from plotly import graph_objects as go

from trainvitals import tags
from trainvitals.figures import look
from trainvitals.model import Marker, Restart, Run
from trainvitals.reporters.wording import step

# Of one kind; more would be a bar without meaning. The last ones matter most.
MOST_EVENTS = 200
# More vertical lines would hide the curves; the marks in the lane stay.
MOST_LINES = 12
EVENT_HEIGHT = 0.4
LONGEST_DETAILS = 160


@dataclass(frozen=True, slots=True)
class EventLook:
    """The symbol of one kind of event, as plotly names it, and its word."""

    symbol: str
    word: str


RESTART = EventLook("arrow-bar-left", "restart")
_LOOKS = {
    tags.CHECKPOINT: EventLook("square", "checkpoint"),
    tags.INTERVENTION: EventLook("star-diamond", "change"),
    tags.NON_FINITE_ORIGIN.rpartition("/")[2]: EventLook("cross", "first NaN or infinity"),
}


def event_traces(run: Run, *, axis: str) -> Iterator[go.Scatter]:
    """A trace of marks for each kind of event, in the lowest lane of the value axis."""
    kinds: dict[str, list[Marker]] = {}
    for marker in run.markers:
        kinds.setdefault(marker.kind, []).append(marker)
    for kind, markers in kinds.items():
        shown = _LOOKS.get(kind, EventLook("hexagon", kind))
        points = [(marker.step, _details(marker)) for marker in markers[-MOST_EVENTS:]]
        yield _marks(points, shown, f"{look.label(shown.word)} ({len(markers):,})", axis)
    if run.restarts:
        points = [(restart.step, _of_restart(restart)) for restart in run.restarts[-MOST_EVENTS:]]
        yield _marks(points, RESTART, f"{RESTART.word} ({len(run.restarts):,})", axis)


def event_lines(run: Run, *, axis: str) -> list[dict[str, Any]]:
    """Vertical lines where a run was changed on purpose and where it started again, as shapes; none where too many."""
    changes = [marker.step for marker in run.markers if marker.kind == tags.INTERVENTION]
    restarts = [restart.step for restart in run.restarts]
    return [
        {
            "type": "line",
            "x0": at,
            "x1": at,
            "y0": 0,
            "y1": 1,
            "yref": f"{axis} domain",
            "layer": "below",
            "line": {"color": look.GREY, "width": 1, "dash": dash},
        }
        for steps, dash in ((changes, "dash"), (restarts, "dot"))
        if len(steps) <= MOST_LINES
        for at in steps
    ]


def _marks(points: list[tuple[int, str]], shown: EventLook, name: str, axis: str) -> go.Scatter:
    return go.Scatter(
        x=[at for at, _ in points],
        y=[EVENT_HEIGHT] * len(points),
        yaxis=axis,
        mode="markers",
        marker={"symbol": shown.symbol, "size": 9, "color": look.GREY},
        name=name,
        text=[text for _, text in points],
        hovertemplate="%{text}",
    )


def _details(marker: Marker) -> str:
    told = ", ".join(f"{name}={value}" for name, value in marker.details.items())
    return look.hover_text(f"at step {step(marker.step)} {told}".strip(), longest=LONGEST_DETAILS)


def _of_restart(restart: Restart) -> str:
    back = f", back from step {step(restart.previous_step)}" if restart.previous_step >= restart.step else ""
    return f"at step {step(restart.step)}{back}"
