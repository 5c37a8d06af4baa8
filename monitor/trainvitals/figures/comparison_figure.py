"""One loss of two or more runs over each other, and where two of them part."""

from __future__ import annotations

from collections.abc import Sequence

from trainvitals.comparison import LossOutcome
from trainvitals.figures import look
from trainvitals.figures.chart import Chart
from trainvitals.figures.curves_figure import Curve, curves_chart
from trainvitals.figures.notes import note
from trainvitals.figures.points import Window
from trainvitals.reporters.wording import step

HEIGHT_PX = 360
BAND_OPACITY = 0.12


def comparison_chart(
    name: str,
    curves: Sequence[Curve],
    *,
    outcome: LossOutcome | None = None,
    same_start: bool = False,
    window: Window | None = None,
    log_y: bool = False,
) -> Chart:
    """The curves of one loss, as smooth as makes each readable; what two of them do from their parting on is shaded.

    Args:
        name: of the loss; what came from a log in it is as logged.
        curves: over steps.
        outcome: how the first two of them differ.
        same_start: whether both begin alike; else a difference that another seed makes as well is not marked.
        window: the steps to show; all where it is None.
        log_y: the loss on a logarithmic axis.
    """
    chart = curves_chart(name, curves, smoothing=None, window=window, log_y=log_y, height_px=HEIGHT_PX)
    since = parting(outcome, same_start=same_start)
    if since is None:
        return chart
    last = min(int(curve.series.step.max()) for curve in curves[:2])
    chart.figure.add_shape(
        type="rect",
        x0=since,
        x1=max(since, last),
        y0=0,
        y1=1,
        yref="y domain",
        layer="below",
        line={"width": 0},
        fillcolor=look.faint(look.GREY, BAND_OPACITY),
    )
    line = {"color": look.GREY, "width": 1.5, "dash": "dash"}
    chart.figure.add_shape(type="line", x0=since, x1=since, y0=0, y1=1, yref="y domain", layer="below", line=line)
    words = f"they differ from about step {step(since)} on"
    if window is None or window[0] <= since <= window[1]:
        is_late = since > sum(chart.figure.layout.xaxis.range) / 2
        note(
            chart.figure,
            words,
            x=since,
            y=1,
            yref="y domain",
            xanchor="right" if is_late else "left",
            yanchor="top",
            shift_px=(-4 if is_late else 4, 0),
        )
    return Chart(chart.figure, f"{chart.alt[:-1]}; {words}.")


def parting(outcome: LossOutcome | None, *, same_start: bool) -> int | None:
    """The step from which two curves differ for good, None where they do not, or by no more than another seed does."""
    if outcome is None or outcome.difference is None or not (same_start or outcome.beyond_seed):
        return None
    return outcome.difference.since_step
