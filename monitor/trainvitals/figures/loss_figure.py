"""The losses of one run, and what was found in it, drawn over the same steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from plotly import graph_objects as go

from trainvitals.best_loss import Best, best_validation
from trainvitals.figures import look
from trainvitals.figures.chart import Chart
from trainvitals.figures.finding_lanes import LANE_PX, MOST_LANES, finding_band, finding_label, finding_lanes
from trainvitals.figures.line_traces import EDGE_AXIS, line_trace
from trainvitals.figures.loss_lines import loss_lines
from trainvitals.figures.notes import note, tell_left_out
from trainvitals.figures.points import MOST_POINTS, Drawn, Window, drawn
from trainvitals.figures.run_events import event_lines, event_traces
from trainvitals.figures.value_range import value_range
from trainvitals.model import Diagnosis, Finding, Run, Series, Verdict
from trainvitals.reporters.visible import visible
from trainvitals.reporters.wording import number, step, worst_open_finding
from trainvitals.signals import Signals
from trainvitals.view import LossCurve, RunView

LOSS_PX, RATE_PX, GAP_PX, MARGINS_PX = 330, 64, 16, 90

PADDING = 0.015
"""Of the steps, on both sides of the chart."""

FOCUS_PADDING = 0.25
"""Of a finding's own span, on both sides, where the charts are moved to it."""

# Of all lines together, so that the chart of a run with many validation suites is sent in an instant, too.
MOST_IN_ALL, LINES_A_LOSS, FEWEST_POINTS = 20_000, 2, 100

# A change point that near to the beginning is the beginning.
NEAR = 0.02

# Over so few steps, each has its tick: plotly's own would lie between them.
FEW_STEPS = 12

LOSS_AXIS, RATE_AXIS, LANE_AXIS, EDGE = "y", "y2", "y3", "y4"


def loss_chart(
    run: Run,
    signals: Signals,
    diagnosis: Diagnosis | None,
    *,
    window: Window | None = None,
    focus: Finding | None = None,
    log_y: bool = False,
) -> Chart:
    """The training loss as recorded and smoothed, every validation loss, the learning rate, and what was found.

    Above the curves, a lane for each open finding from where to where it holds; the one in focus, else the worst one,
    is also a band behind the curves. Where steps went back, what was recorded before and replaced later is dotted.

    Args:
        signals: of this run.
        diagnosis: None while there is none yet.
        window: the first and the last step to show; all where it is None.
        focus: the finding whose span is marked.
        log_y: losses on a logarithmic axis; values that have no place there are counted at its lower edge.
    """
    view = RunView(run, signals)
    losses = [loss for loss in view.losses if len(loss.recorded)]
    first, last = run.first_step, run.last_step
    if not losses or first is None or last is None:
        return _nothing_to_draw()
    shown = window or _padded(first, last)
    findings = _shown_findings(diagnosis, focus)
    focus = focus or (None if diagnosis is None else worst_open_finding(diagnosis))
    has_events = bool(run.markers or run.restarts)

    figure = look.new_figure(height_px=LOSS_PX)
    lines = [line for loss in losses for line in _draw_loss(figure, run, view, loss, window, log_y)]
    best = best_validation(view, diagnosis.open_findings if diagnosis else ())
    if best is not None and len(best.loss) > 1:
        figure.add_trace(_best_trace(best, list(view.val_losses)))
    _draw_rate(figure, view.learning_rate, signals, window)
    finding_lanes(figure, findings, last, shown, lowest=int(has_events), axis=LANE_AXIS)
    figure.add_traces(list(event_traces(run, axis=LANE_AXIS)))
    change = _change_point(diagnosis, first, last)
    figure.update_layout(
        **_rows(len(findings) + has_events, has_rate=view.learning_rate is not None, log_y=log_y),
        shapes=[
            *([] if focus is None else finding_band(focus, last, axis=LOSS_AXIS)),
            *event_lines(run, axis=LOSS_AXIS),
            *([] if change is None else [_line_at(change.step)]),
        ],
    )
    figure.update_xaxes(range=list(shown), dtick=1 if shown[1] - shown[0] <= FEW_STEPS else None)
    ends = value_range([line.seen(window) for line in lines], log=log_y)
    if ends is not None:
        figure.update_layout(yaxis={"range": ends.ends})
        tell_left_out(figure, ends, axis=LOSS_AXIS)
    if change is not None:
        _label_change(figure, change, shown)
    seen = (max(shown[0], first), min(shown[1], last))
    return Chart(figure, _alt(losses, best, findings, seen))


def focus_window(run: Run, finding: Finding) -> Window | None:
    """The steps around a finding: its span with some of what lies beside it; None where it names no step."""
    first, last = run.first_step, run.last_step
    if first is None or last is None or finding.first_step is None:
        return None
    end = last if finding.last_step is None else finding.last_step
    margin = max(FOCUS_PADDING * (end - finding.first_step), PADDING * (last - first), 1.0)
    low, high = _padded(first, last)
    return max(low, finding.first_step - margin), min(high, end + margin)


def loss_name(loss: LossCurve) -> str:
    """``training loss``, ``validation loss code``; text of the log in it is as logged."""
    return f"{'training' if loss.split == 'train' else 'validation'} loss{f' {loss.suite}' if loss.suite else ''}"


class _Change(NamedTuple):
    step: int
    words: str


def _nothing_to_draw() -> Chart:
    words = "No loss was found in this run, so there is no curve to draw."
    figure = look.new_figure(height_px=LOSS_PX // 2)
    figure.add_annotation(text=words, showarrow=False, xref="paper", yref="paper", x=0.5, y=0.5)
    figure.update_layout(xaxis={"visible": False}, yaxis={"visible": False})
    return Chart(figure, words)


def _padded(first: int, last: int) -> Window:
    margin = max(PADDING * (last - first), 0.5)
    return first - margin, last + margin


def _shown_findings(diagnosis: Diagnosis | None, focus: Finding | None) -> list[Finding]:
    """The open findings that say when, the worst first, and the one in focus among them."""
    opened = [] if diagnosis is None else [each for each in diagnosis.open_findings if each.first_step is not None]
    shown = opened[:MOST_LANES]
    if focus is not None and focus.first_step is not None and focus not in shown:
        shown = [*shown[: MOST_LANES - 1], focus]
    return shown


def _draw_loss(
    figure: go.Figure, run: Run, view: RunView, loss: LossCurve, window: Window | None, log_y: bool
) -> list[Drawn]:
    place = list(view.val_losses).index(loss.suite) if loss.split == "val" else -1
    return loss_lines(
        figure,
        loss,
        run.series[loss.tag],
        name=look.label(loss_name(loss)),
        colour=_colour(place),
        dash=look.RUN_DASHES[max(place, 0) // len(look.VALIDATION_COLOURS) % len(look.RUN_DASHES)],
        window=window,
        log_y=log_y,
        edge_axis=EDGE,
        limit=max(FEWEST_POINTS, min(MOST_POINTS, MOST_IN_ALL // (LINES_A_LOSS * len(view.losses)))),
    )


def _colour(place: int) -> str:
    """Of a validation loss by its place among them, from 0; of the training loss, -1."""
    return look.TRAIN_COLOUR if place < 0 else look.VALIDATION_COLOURS[place % len(look.VALIDATION_COLOURS)]


def _best_trace(best: Best, suites: Sequence[str]) -> go.Scatter:
    colour = _colour(suites.index(best.loss.suite))
    of = f" of {look.label(best.loss.suite)}" if len(suites) > 1 and best.loss.suite else ""
    return go.Scatter(
        x=[best.step],
        y=[best.value],
        mode="markers",
        marker={"symbol": "star", "size": 13, "color": colour, "line": {"width": 1, "color": look.GREY}},
        name=f"best{of}: {number(best.value)} at step {step(best.step)}",
        hovertemplate="%{y:.5g}",
    )


def _draw_rate(figure: go.Figure, rate: Series | None, signals: Signals, window: Window | None) -> None:
    if rate is None:
        return
    groups = len(signals.learning_rate)
    name = "learning rate" if groups < 2 else f"learning rate (one of {groups} groups)"
    line = drawn(rate.step, rate.value, window=window)
    figure.add_trace(
        line_trace(line, name=name, colour=look.GREY, yaxis=RATE_AXIS, hovertemplate="%{y:.3g}", showlegend=False)
    )
    note(figure, name, x=0, y=1, xref="paper", yref=f"{RATE_AXIS} domain", yanchor="bottom", shift_px=(0, -3))


def _rows(lanes: int, *, has_rate: bool, log_y: bool) -> dict[str, Any]:
    """Lanes above, losses in the middle, the learning rate below, as parts of one height."""
    heights = [RATE_PX * has_rate, LOSS_PX, LANE_PX * lanes]
    total = sum(heights) + GAP_PX * (sum(height > 0 for height in heights) - 1)
    domains, low = [], 0.0
    for height in heights:
        domains.append([min(low / total, 1.0), min((low + height) / total, 1.0)])
        low += height + GAP_PX * (height > 0)
    hidden = {"showticklabels": False, "showgrid": False, "fixedrange": True, "zeroline": False}
    return {
        "height": total + MARGINS_PX,
        "barmode": "overlay",
        "xaxis": {"title": {"text": "step"}, "anchor": RATE_AXIS if has_rate else LOSS_AXIS, "tickformat": ",d"},
        "yaxis": {"domain": domains[1], "type": "log" if log_y else "linear", "title": {"text": "loss"}},
        "yaxis2": {
            "domain": domains[0],
            "nticks": 3,
            "exponentformat": "e",
            "visible": has_rate,
            "rangemode": "tozero",
        },
        "yaxis3": {"domain": domains[2], "range": [0, max(lanes, 1)], **hidden},
        "yaxis4": dict(EDGE_AXIS),
    }


def _change_point(diagnosis: Diagnosis | None, first: int, last: int) -> _Change | None:
    """Where the loss turned, unless that is where the run began or where a finding says the same."""
    turned = None if diagnosis is None else diagnosis.progress.turned_step
    if diagnosis is None or turned is None or turned - first <= NEAR * (last - first):
        return None
    if any(finding.first_step == turned for finding in diagnosis.open_findings):
        return None
    flat = diagnosis.progress.verdict is Verdict.PLATEAU
    return _Change(turned, f"{'flat' if flat else 'new trend'} since step {step(turned)}")


def _line_at(at: int) -> dict[str, Any]:
    line = {"color": look.GREY, "width": 1.5, "dash": "longdash"}
    return {"type": "line", "x0": at, "x1": at, "yref": f"{LOSS_AXIS} domain", "y0": 0, "y1": 1, "line": line}


def _label_change(figure: go.Figure, change: _Change, shown: Window) -> None:
    if shown[0] <= change.step <= shown[1]:
        is_late = change.step > sum(shown) / 2
        note(
            figure,
            change.words,
            x=change.step,
            y=0,
            yref=f"{LOSS_AXIS} domain",
            xanchor="right" if is_late else "left",
            yanchor="bottom",
            shift_px=(-4 if is_late else 4, 0),
        )


def _alt(losses: Sequence[LossCurve], best: Best | None, findings: Sequence[Finding], seen: Window) -> str:
    parts = []
    for loss in losses:
        value = loss.curve.value
        course = f" from {number(float(value[0]))} to {number(float(value[-1]))}" if len(loss) else ", no finite value"
        not_finite = len(loss.recorded) - len(loss)
        parts.append(f"{visible(loss_name(loss))}{course}{f', {not_finite:,} not finite' if not_finite else ''}")
    said = f"Over steps {number(round(seen[0]))} to {number(round(seen[1]))}: {'; '.join(parts)}."
    if best is not None:
        said += f" Best validation loss {number(best.value)} at step {step(best.step)}."
    if findings:
        said += f" Marked: {', '.join(finding_label(finding) for finding in findings)}."
    return said
