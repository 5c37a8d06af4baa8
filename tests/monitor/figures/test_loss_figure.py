"""The chart of the losses shows every loss as it was recorded, what was found where, and what happened on the way."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from tests.monitor.figures.reading import bands, names, notes, points, spans, trace

from trainvitals import Run, diagnose
from trainvitals.figures.chart import Chart
from trainvitals.figures.loss_figure import focus_window, loss_chart
from trainvitals.figures.points import MOST_POINTS
from trainvitals.formats import read_run
from trainvitals.model import Finding, Marker, Restart, Series, Severity
from trainvitals.samples import sample_logs
from trainvitals.signals import understand

STEPS = np.arange(0, 4000, 10)


def series(tag: str, value: np.ndarray, step: np.ndarray = STEPS) -> Series:
    return Series(tag, step.astype(np.int64), np.arange(len(step), dtype=float), np.asarray(value, dtype=float))


def descent(step: np.ndarray = STEPS, noise: float = 0.0) -> np.ndarray:
    return 1.5 + 3 * np.exp(-step / 500) + noise * np.random.default_rng(0).standard_normal(len(step))


def run(*more: Series, loss: np.ndarray | None = None, **fields: object) -> Run:
    loss = descent() if loss is None else loss
    every = (series("train/loss", loss), *more)
    return replace(
        Run(id="r", path="r", name="r", format="test", series={each.tag: each for each in every}),
        **fields,  # type: ignore[arg-type]
    )


def finding(name: str = "plateau", severity: Severity = Severity.WARNING, **fields: object) -> Finding:
    whole: dict[str, object] = {"first_step": 1000, "last_step": 3000, "summary": "it is flat", **fields}
    return Finding("LOS005", name, severity, 0.9, **whole)  # type: ignore[arg-type]


def chart(run: Run, *findings: Finding, **options: object) -> Chart:
    diagnosis = replace(diagnose(run), findings=findings)
    return loss_chart(run, understand(run), diagnosis, **options)  # type: ignore[arg-type]


def test_a_noisy_loss_is_drawn_as_recorded_and_smoothed() -> None:
    noisy = descent(noise=0.1)
    drawn = chart(run(loss=noisy))
    np.testing.assert_allclose(points(trace(drawn, "training loss, each point")), np.c_[STEPS, noisy], rtol=1e-6)
    smooth = np.array(points(trace(drawn, "training loss")))[:, 1]
    assert np.abs(np.diff(smooth)).mean() < np.abs(np.diff(noisy)).mean() / 2


def test_a_loss_that_is_readable_as_it_is_is_not_smoothed() -> None:
    np.testing.assert_allclose(points(trace(chart(run()), "training loss")), np.c_[STEPS, descent()], rtol=1e-6)


def test_every_validation_loss_has_a_colour_and_the_best_point_of_the_first_a_star() -> None:
    evaluated = STEPS[::20]
    value = 2 + (evaluated - 2000.0) ** 2 / 1e6
    drawn = chart(
        run(
            series("val/loss", value, evaluated), *(series(f"val/s{i}/loss", value + i, evaluated) for i in range(1, 8))
        )
    )
    suites = ["validation loss", *(f"validation loss s{i}" for i in range(1, 8))]
    lines = [trace(drawn, name).line for name in suites]
    assert len({(line.color, line.dash) for line in lines}) == len(suites)
    assert points(trace(drawn, "best: 2 at step 2,000")) == [(2000.0, 2.0)]


def test_the_learning_rate_stands_in_a_row_of_its_own_over_the_same_steps() -> None:
    drawn = chart(run(series("lr", np.linspace(1e-3, 0, len(STEPS)))))
    rate = trace(drawn, "learning rate")
    assert rate.yaxis == "y2"
    assert rate.xaxis is None
    assert drawn.figure.layout.yaxis2.domain[1] < drawn.figure.layout.yaxis.domain[0]


def test_a_finding_is_a_bar_with_its_name_its_severity_in_words_and_a_softer_beginning() -> None:
    drawn = chart(run(), finding(begins_by=1200))
    assert spans(drawn) == [(1000, 1200), (1200, 3000)]
    soft, sure = (each for each in drawn.figure.data if each.type == "bar")
    assert soft.opacity < sure.opacity
    assert "▲ warning: plateau began between steps 1,000 and 1,200" in notes(drawn)
    assert bands(drawn) == [(1000, 1200), (1200, 3000)]


def test_severities_differ_in_pattern_and_symbol_too() -> None:
    drawn = chart(run(), *(finding(severity=severity) for severity in Severity))
    bars = [each for each in drawn.figure.data if each.type == "bar"]
    assert len({bar.marker.pattern.shape for bar in bars}) == len(Severity)
    assert len({each.marker.symbol for each in drawn.figure.data if each.text is not None}) == len(Severity)


def test_the_finding_in_focus_has_the_band_even_among_many() -> None:
    many = [finding(f"rule-{i}", first_step=100 * i) for i in range(1, 9)]
    drawn = chart(run(), *many, focus=many[-1])
    assert bands(drawn)[-1] == (800, 3000)
    assert any("rule-8" in text for text in notes(drawn))


def test_an_open_end_reaches_to_the_last_step_and_an_accepted_finding_is_not_marked() -> None:
    drawn = chart(run(), finding(last_step=None), finding("accepted-one", state="accepted"))
    assert spans(drawn) == [(1000, 3990)]
    assert not any("accepted-one" in text for text in notes(drawn))


def test_a_finding_outside_of_the_window_is_named_at_the_side_on_which_it_lies() -> None:
    drawn = chart(
        run(), finding(first_step=0, last_step=100), finding("late", first_step=3500), window=(1000.0, 2000.0)
    )
    assert spans(drawn) == []
    assert "◂ ▲ warning: plateau since step 0" in notes(drawn)
    assert "▲ warning: late since step 3,500 ▸" in notes(drawn)


def test_a_window_shows_all_points_in_it_although_the_run_is_long() -> None:
    steps = np.arange(100_000)
    long = Run("r", "r", "r", "test", {"train/loss": series("train/loss", descent(steps, noise=0.1), steps)})
    whole = chart(long)
    assert len(trace(whole, "training loss, each point").x) <= MOST_POINTS
    near = chart(long, window=(50_000.0, 50_100.0))
    assert {x for x, _ in points(trace(near, "training loss, each point"))} >= set(range(50_000, 50_101))
    assert list(near.figure.layout.xaxis.range) == [50_000.0, 50_100.0]


def test_nan_interrupts_the_line_and_is_marked_and_counted() -> None:
    loss = descent()
    loss[100:120] = math.nan
    loss[130] = math.inf
    drawn = chart(run(loss=loss))
    line = trace(drawn, "training loss")
    between = [y for x, y in zip(line.x, line.y, strict=True) if STEPS[99] < x < STEPS[120]]
    assert not np.isfinite(between).any()
    assert sum(trace(drawn, "training loss: 20 NaN").customdata) == 20
    assert points(trace(drawn, "training loss: 1 infinite"))[0][0] == STEPS[130]
    assert "21 not finite" in drawn.alt


def test_values_that_a_logarithmic_axis_cannot_show_are_counted_and_named() -> None:
    loss = descent()
    loss[[5, 9]] = 0.0, -1.0
    drawn = chart(run(loss=loss), log_y=True)
    assert drawn.figure.layout.yaxis.type == "log"
    assert sum(trace(drawn, "training loss: 2 zero or negative").customdata) == 2
    assert min(y for _, y in points(trace(drawn, "training loss"))) > 0


def test_first_values_far_off_do_not_flatten_the_rest_and_are_told() -> None:
    loss = descent()
    loss[0] = 9e5
    drawn = chart(run(loss=loss))
    assert drawn.figure.layout.yaxis.range[1] < 10
    assert "▲ 1 higher, up to 900,000" in notes(drawn)


def test_what_a_restart_replaced_is_dotted_and_not_joined() -> None:
    step = np.concatenate((np.arange(0, 1500), np.arange(1000, 2000)))
    value = np.concatenate((np.full(1500, 5.0), np.full(1000, 1.0)))
    restarted = run(restarts=(Restart(1000, 1499, "step-back"),))
    restarted = replace(restarted, series={"train/loss": series("train/loss", value, step)})
    drawn = chart(restarted)
    old = trace(drawn, "training loss, replaced by a restart")
    assert {x for x, _ in points(old)} == set(range(1001, 1500))
    assert old.line.dash == "dot"
    line = trace(drawn, "training loss")
    gaps = [x for x, y in zip(line.x, line.y, strict=True) if math.isnan(y)]
    assert gaps == [1000]
    assert points(trace(drawn, "restart (1)"))[0][0] == 1000


def test_checkpoints_and_changes_are_marked_with_what_was_told_of_them() -> None:
    marked = run(
        markers=(
            Marker(500, "checkpoint", {"path": "<b>a</b>.pt"}),
            Marker(900, "checkpoint"),
            Marker(1000, "intervention", {"lr": 0.1}),
        )
    )
    drawn = chart(marked)
    assert list(trace(drawn, "checkpoint (2)").text) == ["at step 500 path=&lt;b&gt;a&lt;/b&gt;.pt", "at step 900"]
    assert list(trace(drawn, "change (1)").text) == ["at step 1,000 lr=0.1"]
    assert [shape.x0 for shape in drawn.figure.layout.shapes if shape.line.dash == "dash"] == [1000]


def test_a_spike_beyond_the_axis_does_not_lift_the_average_after_it() -> None:
    value = descent(noise=0.1)
    value[200] = 500.0
    average = dict(points(trace(chart(run(loss=value)), "training loss")))
    assert average[STEPS[200]] == 500.0
    assert max(average[step] for step in STEPS[201:] if step in average) < 2.0


def test_that_the_first_steps_are_not_judged_is_no_turn() -> None:
    few = read_run(sample_logs() / "too-short")
    diagnosis = diagnose(few)
    assert diagnosis.progress.since_step != few.first_step
    assert not any("since step" in text for text in notes(loss_chart(few, understand(few), diagnosis)))


def test_the_star_stands_where_a_finding_says_that_validation_was_best() -> None:
    overfitted = read_run(sample_logs() / "overfitting")
    diagnosis = diagnose(overfitted)
    found = next(each for each in diagnosis.open_findings if each.name == "overfitting")
    drawn = loss_chart(overfitted, understand(overfitted), diagnosis)
    assert [at for each in drawn.figure.data if (each.name or "").startswith("best:") for at in each.x] == [
        found.first_step
    ]


def test_where_the_loss_turned_is_marked_unless_a_finding_says_so() -> None:
    flat = run(loss=np.where(STEPS < 1500, 3 - STEPS / 1000, 1.5) + 1e-3 * np.sin(STEPS))
    diagnosis = diagnose(flat)
    since = diagnosis.progress.turned_step
    assert since is not None
    signals = understand(flat)
    alone = loss_chart(flat, signals, replace(diagnosis, findings=()))
    assert any(f"since step {since:,}" in text for text in notes(alone))
    told = loss_chart(flat, signals, replace(diagnosis, findings=(finding(first_step=since),)))
    assert len([text for text in notes(told) if f"since step {since:,}" in text]) == 1


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_few_points_are_drawn_as_points(count: int) -> None:
    few = Run("r", "r", "r", "test", {"loss": series("loss", descent()[:count], STEPS[:count])})
    drawn = chart(few)
    assert len(points(trace(drawn, "training loss"))) == count
    assert "markers" in trace(drawn, "training loss").mode


def test_a_run_without_a_loss_says_so() -> None:
    bare = Run("r", "r", "r", "test", {"foo": series("foo", descent())})
    drawn = loss_chart(bare, understand(bare), None)
    assert notes(drawn) == [drawn.alt]
    assert "No loss" in drawn.alt


def test_names_from_the_log_are_text() -> None:
    drawn = chart(run(series("val/<b>x</b>/loss", descent())), finding("<i>rule</i>", summary="<img>"))
    written = [
        *(name for name in names(drawn) if name),
        *notes(drawn),
        *(t for each in drawn.figure.data for t in each.text or ()),
    ]
    assert not any("<" in text.replace("<br>", "") for text in written)


def test_the_words_say_what_is_drawn_and_marked() -> None:
    said = chart(run(series("val/loss", descent() + 1)), finding()).alt
    assert "steps 0 to 3,990" in said
    assert "training loss from 4.5 to 1.5" in said
    assert "warning: plateau since step 1,000" in said


def test_the_window_of_a_finding_has_some_room_around_it() -> None:
    assert focus_window(run(), finding()) == (500.0, 3500.0)
    assert focus_window(run(), finding(first_step=None)) is None
    low, high = focus_window(run(), finding(first_step=3990, last_step=3990)) or (0, 0)
    assert low < 3990 < high


def test_the_chart_of_many_suites_is_no_larger_than_that_of_a_few() -> None:
    step = np.arange(20_000)
    suites = [series(f"val/suite{place}/loss", descent(step, 0.1) + place, step) for place in range(12)]
    figure = chart(run(*suites, loss=descent(noise=0.1))).figure
    assert sum(len(line.x) for line in figure.data) < 25_000
    assert len(figure.to_json()) < 300_000
