"""The chart of progress shows the numbers of the verdict, and nothing else."""

import numpy as np
import pytest
from tests.monitor.progress.curves import STEP, frozen, noise, power_law

from trainvitals import Run
from trainvitals.figures import points
from trainvitals.figures.progress_figure import gain_in_words, progress_chart
from trainvitals.model import Restart
from trainvitals.progress.picture import progress_picture


def picture_of(step, loss, **columns):
    return progress_picture(Run.from_columns({"step": step, "train/loss": loss, **columns}))


def traces(chart, word):
    return [trace for trace in chart.figure.data if trace.name and word in trace.name]


@pytest.fixture(scope="module")
def improving():
    return picture_of(*power_law())


def test_the_marker_stands_at_the_loss_after_the_chosen_steps(improving):
    chart = progress_chart(improving, steps=7_000)
    (marker,) = traces(chart, "after 7,000 steps more")
    gain = improving.gain_after(7_000)
    now = improving.forecasts[0].now
    assert marker.y[0] == pytest.approx(now - gain.gain)
    assert marker.y[0] - marker.error_y.arrayminus[0] == pytest.approx(now - gain.high)
    assert marker.y[0] + marker.error_y.array[0] == pytest.approx(now - gain.low)


def test_both_forecasts_are_drawn_as_far_as_the_verdict_or_the_marker_looks(improving):
    horizon = improving.progress.horizon_steps
    for steps, reach in ((100, horizon), (2 * horizon, 2 * horizon)):
        chart = progress_chart(improving, steps=steps)
        for word in ("verdict: ", "cross-check: "):
            lines = [trace for trace in traces(chart, word) if trace.fill is None]
            bands = [trace for trace in traces(chart, word) if trace.fill == "toself"]
            assert len(lines) == len(bands) == 1
            assert lines[0].x[-1] == pytest.approx(improving.block_step[-1] + reach)
            assert max(bands[0].x) == pytest.approx(improving.block_step[-1] + reach)


def test_the_region_is_as_high_as_twice_what_counts(improving):
    (region,) = traces(progress_chart(improving), "counts as no change")
    assert max(region.y) - min(region.y) == pytest.approx(2 * improving.progress.delta)


def test_what_was_judged_and_its_forecasts_are_inside_of_the_frame():
    for step, loss in (power_law(), frozen(160)):
        picture = picture_of(step, loss)
        low, high = progress_chart(picture).figure.layout.yaxis.range
        since = min(each.fitted_step[0] for each in picture.forecasts)
        near = picture.block_value[picture.block_step >= since]
        path = picture.forecasts[0].path(picture.progress.horizon_steps)
        assert low < min(near.min(), path.low.min())
        assert max(near.max(), path.high.max()) < high


def test_a_stretch_that_was_not_judged_is_shaded_and_its_end_is_named():
    step, loss = power_law()
    run = Run.from_columns({"step": step, "train/loss": loss})
    run = Run(run.id, run.path, run.name, run.format, run.series, restarts=(Restart(10_100, 10_000, "session"),))
    figure = progress_chart(progress_picture(run)).figure
    assert any(shape.type == "rect" and (shape.x0, shape.x1) == (100, 10_000) for shape in figure.layout.shapes)
    assert "restart" in [annotation.text for annotation in figure.layout.annotations]


def test_labels_that_would_cover_each_other_go_into_another_row_or_stay_away():
    step, loss = power_law()
    run = Run.from_columns({"step": step, "train/loss": loss})
    restarts = tuple(Restart(at, at - 100, "session") for at in (10_000, 10_300, 10_600, 30_000))
    run = Run(run.id, run.path, run.name, run.format, run.series, restarts=restarts)
    labels = [
        each for each in progress_chart(progress_picture(run)).figure.layout.annotations if each.text == "restart"
    ]
    assert [(label.x, label.yshift > 0) for label in labels] == [(10_000, False), (10_300, True), (30_000, False)]


def test_too_few_points_are_drawn_without_a_forecast():
    step, loss = power_law()
    chart = progress_chart(picture_of(step[:6], loss[:6]))
    assert not traces(chart, "verdict")
    assert "too few points" in chart.alt


def test_a_long_log_is_drawn_with_few_points_and_a_window_in_detail():
    step = np.arange(200_000)
    loss = 2.0 + 20.0 * (step + 100.0) ** -0.4 + np.random.default_rng(0).normal(0, 0.01, len(step))
    picture = picture_of(step, loss)
    (everything,) = traces(progress_chart(picture), "as recorded")
    assert len(everything.x) <= points.MOST_POINTS
    (detail,) = traces(progress_chart(picture, window=(5_000, 5_500)), "as recorded")
    assert set(range(5_000, 5_501)) <= set(np.asarray(detail.x, dtype=int).tolist())


def test_a_range_that_reaches_the_end_shows_what_comes_and_another_does_not(improving):
    end = improving.block_step[-1]
    _, last = progress_chart(improving, window=(20_000, 40_000)).figure.layout.xaxis.range
    assert last > end + improving.progress.horizon_steps
    assert progress_chart(improving, window=(10_000, 20_000)).figure.layout.xaxis.range == (10_000, 20_000)


def test_the_words_say_what_the_picture_says(improving):
    horizon = improving.progress.horizon_steps
    words = gain_in_words(improving, horizon)
    now = improving.forecasts[0].now
    assert words.startswith(f"{now:.4g} → {now - improving.progress.gain:.4g}, better by")
    assert words in progress_chart(improving).alt
    rising = picture_of(STEP, 2.0 + STEP * 2e-5 + noise(0.002, 4))
    assert "worse by 0." in gain_in_words(rising, 1_000)
    held = picture_of(STEP, np.where(np.arange(400) < 300, power_law(sd=0.05)[1], 2.5))
    assert gain_in_words(held, 1_000) == "stays at 2.5"


def test_a_tag_stays_text():
    step, loss = power_law()
    run = Run.from_columns({"step": step, "<b>loss</b>": loss})
    figure = progress_chart(progress_picture(run)).figure
    assert figure.layout.yaxis.title.text == "&lt;b&gt;loss&lt;/b&gt;"
