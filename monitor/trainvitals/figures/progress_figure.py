"""Whether the loss still improves, drawn: the stretches it is made of, both forecasts, and what counts as no change."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from trainvitals.figures import look
from trainvitals.figures.chart import Chart
from trainvitals.figures.points import Window, drawn
from trainvitals.figures.progress_frame import step_range, value_range
from trainvitals.model import Verdict
from trainvitals.reporters import wording
from trainvitals.reporters.visible import visible

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from trainvitals.progress.picture import ForecastPath, PicturedForecast, ProgressPicture, Stretch

HEIGHT_PX = 400
# Labels closer than this share of the width go into a second row; where that is taken too, the line stands alone.
LABEL_SHARE = 0.11
LABEL_ROWS = 2

FIRST_COLOUR, OTHER_COLOUR = look.VERMILION, look.PURPLE

BEGINS_WITH = {
    "run": "",
    "restart": "restart",
    "rate-raised": "learning rate raised",
    "rate-cut": "learning rate cut",
    "start-over": "",
    "break": "new trend",
    "flat": "flat from here",
}
"""What is written where a stretch begins."""

NOT_JUDGED = ("earlier", "start", "too-new")

VERDICT_WORDS = {
    Verdict.PLATEAU: "flat",
    Verdict.SLOW: "slow progress",
    Verdict.PROGRESSING: "progress",
    Verdict.REGRESSING: "rising",
    Verdict.INCONCLUSIVE: "unclear",
}


def progress_chart(picture: ProgressPicture, *, steps: int | None = None, window: Window | None = None) -> Chart:
    """The loss, what of it was judged, how it may go on, and where it would be after so many steps more.

    Args:
        picture: what the verdict rests on.
        steps: how much longer, at least 1; the horizon of the verdict if None.
        window: the range of steps to draw, all if None; where it reaches the end, the forecasts are drawn as well.
    """
    horizon = picture.progress.horizon_steps or 1
    ahead = horizon if steps is None else steps
    window = step_range(window, picture, max(ahead, horizon))
    figure = look.new_figure(height_px=HEIGHT_PX)
    _add_stretches(figure, picture)
    _add_loss(figure, picture, window)
    paths = [each.path(max(ahead, horizon)) for each in picture.forecasts]
    for place, (forecast, path) in reversed(list(enumerate(zip(picture.forecasts, paths, strict=True)))):
        _add_forecast(figure, forecast, path, decides=place == 0)
    _add_region(figure, picture, max(ahead, horizon))
    _add_chosen(figure, picture, ahead)
    figure.update_layout(
        margin={"t": 12 + LABEL_ROWS * (look.SMALL_FONT_SIZE + 3)},
        legend={"y": -0.2, "yanchor": "top"},
    )
    figure.update_xaxes(
        title={"text": "step", "standoff": 6},
        tickformat=",d",
        hoverformat=",.0f",
        range=None if window is None else list(window),
    )
    figure.update_yaxes(title=look.label(picture.loss.tag, longest=40), range=value_range(picture, paths, window))
    return Chart(figure, _alt(picture, ahead))


def forecast_name(forecast: PicturedForecast) -> str:
    """How a forecast continues the loss: ``straight on, as since step 1,200``."""
    since = f"since step {wording.step(round(float(forecast.fitted_step[0])))}"
    return {
        "line": f"straight, as {since}",
        "law": f"by the law of its descent {since}",
        "steps": f"in steps like those {since}",
        "held": "unchanged",
    }[forecast.kind]


def gain_in_words(picture: ProgressPicture, steps: int) -> str:
    """``1.29 → 1.25, better by 0.038 ± 0.004``: the loss after so many steps, with its 90 % interval."""
    gain = picture.gain_after(steps)
    if gain is None:
        return "unknown"
    now = picture.forecasts[0].now
    if gain.low == gain.high == 0:
        return f"stays at {now:.4g}"
    worse = gain.gain < 0
    size = (-gain.gain, -gain.high, -gain.low) if worse else gain
    expected = replace(picture.progress, gain=size[0], gain_low=size[1], gain_high=size[2])
    levels = f"{now:.4g} → {now - gain.gain:.4g}"
    return f"{levels}, {'worse' if worse else 'better'} by {wording.gain(expected)}"


def _add_stretches(figure: Figure, picture: ProgressPicture) -> None:
    """What was not judged is shaded; where a stretch begins stands a line with the reason."""
    left_out = [each for each in picture.stretches if each.kind in NOT_JUDGED]
    for stretch in left_out:
        figure.add_vrect(
            stretch.first_step, stretch.last_step, fillcolor=look.faint(look.GREY, 0.15), line_width=0, layer="below"
        )
    if left_out:
        figure.add_scatter(
            x=[None],
            y=[None],
            mode="markers",
            marker={"symbol": "square", "size": 12, "color": look.faint(look.GREY, 0.3)},
            name="not judged",
            legendrank=7,
        )
    for cut in picture.cuts:
        figure.add_vline(cut, line={"color": look.GREY, "width": 0.5, "dash": "dash"})
    marks = [(each.first_step, _mark(each)) for each in picture.stretches if _mark(each)]
    for (at, text), row in zip(marks, _rows([at for at, _ in marks], picture), strict=True):
        figure.add_vline(at, line={"color": look.GREY, "width": 1, "dash": "dot"})
        if row is not None:
            figure.add_annotation(
                x=at,
                y=1,
                yref="paper",
                yanchor="bottom",
                yshift=row * (look.SMALL_FONT_SIZE + 3),
                text=text,
                showarrow=False,
                font={"size": look.SMALL_FONT_SIZE},
            )


def _rows(places: list[int], picture: ProgressPicture) -> list[int | None]:
    """In which row above the frame each label finds room, the lowest first; None where none does."""
    first, last = picture.stretches[0].first_step, picture.stretches[-1].last_step
    room = LABEL_SHARE * (last - first)
    taken_until = [float("-inf")] * LABEL_ROWS
    rows: list[int | None] = []
    for place in places:
        row = next((row for row, until in enumerate(taken_until) if place >= until), None)
        if row is not None:
            taken_until[row] = place + room
        rows.append(row)
    return rows


def _mark(stretch: Stretch) -> str:
    return "too new to judge" if stretch.kind == "too-new" else BEGINS_WITH[stretch.begins_with]


def _add_loss(figure: Figure, picture: ProgressPicture, window: Window | None) -> None:
    points = drawn(picture.loss.step, picture.loss.value, window=window)
    figure.add_scatter(
        x=points.x,
        y=points.y,
        mode="lines",
        name="as recorded",
        line={"color": look.TRAIN_COLOUR, "width": 1},
        opacity=0.4,
        legendrank=1,
        hovertemplate="%{y:.4g}",
    )
    if len(picture.block_step):
        figure.add_scatter(
            x=picture.block_step,
            y=picture.block_value,
            mode="lines+markers",
            name="averages that were judged",
            legendrank=2,
            line={"color": look.TRAIN_COLOUR, "width": 1.2},
            marker={"size": 4},
            hovertemplate="%{y:.4g}",
        )


def _add_forecast(figure: Figure, forecast: PicturedForecast, path: ForecastPath, *, decides: bool) -> None:
    colour = FIRST_COLOUR if decides else OTHER_COLOUR
    dash = "dash" if decides else "dot"
    name = ("verdict: " if decides else "cross-check: ") + forecast_name(forecast)
    figure.add_scatter(
        x=np.concatenate([path.step, path.step[::-1]]),
        y=np.concatenate([path.low, path.high[::-1]]),
        fill="toself",
        fillcolor=look.faint(colour, 0.22 if decides else 0.12),
        line={"width": 0},
        mode="lines",
        name=name,
        legendgroup=name,
        showlegend=False,
        hoverinfo="skip",
    )
    figure.add_scatter(
        x=np.concatenate([forecast.fitted_step, path.step[1:]]),
        y=np.concatenate([forecast.fitted_value, path.mean[1:]]),
        mode="lines",
        name=name,
        legendgroup=name,
        legendrank=3 if decides else 4,
        line={"color": colour, "width": look.LINE_WIDTH, "dash": dash},
        hovertemplate="%{y:.4g}",
    )


def _add_region(figure: Figure, picture: ProgressPicture, ahead: float) -> None:
    region = picture.region
    if region is None:
        return
    start = float(picture.forecasts[0].fitted_step[-1])
    low, high = region
    # A pattern is drawn inside of a filled trace only; a shape has none.
    figure.add_scatter(
        x=[start, start + ahead, start + ahead, start],
        y=[low, low, high, high],
        fill="toself",
        fillpattern={"shape": "/", "fgcolor": look.GREY, "bgcolor": look.TRANSPARENT, "size": 7, "solidity": 0.25},
        line={"color": look.faint(look.GREY, 0.5), "width": 1},
        mode="lines",
        legendrank=6,
        name=f"counts as no change (± {wording.number((high - low) / 2)})",
        hoverinfo="skip",
    )


def _add_chosen(figure: Figure, picture: ProgressPicture, ahead: int) -> None:
    """Where the loss would be after so many steps, with its interval."""
    gain = picture.gain_after(ahead)
    if gain is None:
        return
    first = picture.forecasts[0]
    figure.add_scatter(
        x=[float(first.fitted_step[-1]) + ahead],
        y=[first.now - gain.gain],
        error_y={
            "type": "data",
            "symmetric": False,
            "array": [gain.gain - gain.low],
            "arrayminus": [gain.high - gain.gain],
            "color": FIRST_COLOUR,
            "thickness": 2,
            "width": 6,
        },
        mode="markers",
        marker={"color": FIRST_COLOUR, "size": 11, "symbol": "diamond"},
        name=f"after {wording.step(ahead)} steps more",
        legendrank=5,
        hovertemplate="%{y:.4g}",
    )


def _alt(picture: ProgressPicture, ahead: int) -> str:
    progress = picture.progress
    first, last = picture.stretches[0].first_step, picture.stretches[-1].last_step
    said = f"{visible(picture.loss.tag)} over steps {wording.step(first)} to {wording.step(last)}: "
    if not picture.forecasts:
        return said + "too few points to be judged."
    return (
        f"{said}{VERDICT_WORDS[progress.verdict]}. If it goes on {forecast_name(picture.forecasts[0])}, after "
        f"{wording.step(ahead)} steps more: {gain_in_words(picture, ahead)}. "
        f"Less than {wording.number(progress.delta or 0.0)} counts as no change."
    )
