"""Charts of the machine: where time went, what was held, and which process is unlike the others."""

import numpy as np
import pytest

from trainvitals import Run, tags
from trainvitals.figures.points import MOST_POINTS
from trainvitals.figures.rank_figures import communication_chart, ranks_chart, weights_apart_chart
from trainvitals.figures.rank_records import apart, of_ranks, over_median
from trainvitals.figures.system_figures import memory_chart, overhead_chart, step_time_chart, throughput_chart
from trainvitals.model import Finding, LayerSeries, Severity
from trainvitals.signals import understand

STEP = np.arange(40) * 10
PARTS = {
    tags.DATA_TIME_S: 0.06,
    tags.FORWARD_TIME_S: 0.01,
    tags.BACKWARD_TIME_S: 0.02,
    tags.OPTIMIZER_TIME_S: 0.01,
}


def run_of(columns, step=STEP):
    filled = {tag: np.broadcast_to(np.asarray(value, dtype=np.float64), step.shape) for tag, value in columns.items()}
    return Run.from_columns({"step": step, "train/loss": np.ones(len(step)), **filled})


def named(chart, word):
    return next(trace for trace in chart.figure.data if trace.name and word in trace.name)


def finding(tag, name="input-bound", first=100):
    from trainvitals.model import Evidence

    return Finding(
        "SYS001", name, Severity.WARNING, 0.9, "waits", first, None, evidence=(Evidence("waits", signal=tag),)
    )


class TestStepTime:
    def test_the_parts_are_stacked_and_their_shares_told(self):
        run = run_of({**PARTS, tags.STEP_TIME_S: 0.12})
        chart = step_time_chart(run, understand(run))
        stacked = [trace for trace in chart.figure.data if trace.stackgroup]
        assert [trace.name for trace in stacked] == ["waiting for data", "forward", "backward", "optimizer"]
        assert sum(float(trace.y[7]) for trace in stacked) == pytest.approx(0.1)
        assert "A step takes 120 ms" in chart.alt
        assert "60% waiting for data, 10% forward, 20% backward, 10% optimizer" in chart.alt

    def test_communication_is_a_part_of_the_backward_pass_and_not_stacked_on_it(self):
        run = run_of({**PARTS, tags.COMMUNICATION_TIME_S: 0.005})
        line = named(step_time_chart(run, understand(run)), "communication")
        assert not line.stackgroup
        assert line.y[0] == pytest.approx(0.005)

    def test_the_time_of_another_logger_is_a_line(self):
        run = run_of({"perf/step_time": 0.3})
        chart = step_time_chart(run, understand(run))
        assert named(chart, "perf/step_time").y[0] == pytest.approx(0.3)

    def test_without_any_time_there_is_no_chart(self):
        run = run_of({})
        signals = understand(run)
        assert step_time_chart(run, signals) is None
        assert memory_chart(run, signals) is None
        assert throughput_chart(run, signals) is None
        assert overhead_chart(run) is None

    def test_a_long_log_is_drawn_with_few_points_and_its_outliers(self):
        step = np.arange(50_000)
        data = np.full(len(step), 0.01)
        data[31_234] = 5.0
        run = run_of({**PARTS, tags.DATA_TIME_S: data}, step)
        stacked = named(step_time_chart(run, understand(run)), "waiting")
        assert len(stacked.x) <= MOST_POINTS
        assert 31_234 in stacked.x

    def test_a_finding_about_it_is_a_band_and_one_about_memory_is_not(self):
        run = run_of({**PARTS, tags.STEP_TIME_S: 0.12, tags.MEMORY_BYTES: 1e9})
        about = [finding(tags.DATA_TIME_S), finding(tags.MEMORY_BYTES, "memory-growth", 200)]
        signals = understand(run)
        step_time = step_time_chart(run, signals, findings=about)
        memory = memory_chart(run, signals, findings=about)
        assert [shape.x0 for shape in step_time.figure.layout.shapes] == [100]
        assert [shape.x0 for shape in memory.figure.layout.shapes] == [200]


def test_memory_of_our_own_is_bytes_from_zero_on():
    run = run_of({tags.MEMORY_BYTES: np.linspace(1e9, 2e9, 40)})
    chart = memory_chart(run, understand(run))
    assert chart.figure.layout.yaxis.range[0] == 0
    assert "GB" in chart.alt
    assert not chart.figure.layout.annotations


def test_times_that_no_machine_takes_are_drawn_all_the_same():
    run = run_of({**PARTS, tags.STEP_TIME_S: 1e300, tags.DATA_TIME_S: 1e300})
    assert "A step takes" in step_time_chart(run, understand(run)).alt


def test_the_cost_of_recording_is_told():
    assert "1.5 %" in overhead_chart(run_of({tags.OVERHEAD_PERCENT: 1.5})).alt


def of_each(tag, values):
    return {tags.of_rank(tag, rank): value for rank, value in enumerate(values)}


class TestRanks:
    def test_each_rank_is_held_against_the_median_one(self):
        run = run_of(of_each(tags.STEP_TIME_S, [0.10, 0.10, 0.15]))
        chart = ranks_chart(run)
        assert named(chart, "rank 2").y == pytest.approx(50.0, abs=1e-4)
        assert named(chart, "rank 0").y == pytest.approx(0.0, abs=1e-4)
        assert "rank 2 takes longest: +50.0 %" in chart.alt

    def test_more_ranks_than_lines_are_a_heatmap(self):
        chart = ranks_chart(run_of(of_each(tags.STEP_TIME_S, np.linspace(0.1, 0.2, 32))))
        assert chart.figure.data[0].type == "heatmap"
        assert np.shape(chart.figure.data[0].z) == (32, 40)

    def test_who_communicates_least_is_who_others_wait_for(self):
        chart = communication_chart(run_of(of_each(tags.COMMUNICATION_TIME_S, [0.02, 0.001, 0.02])))
        assert "rank 1 communicates least: 1 ms, the median 20 ms" in chart.alt

    def test_one_process_has_nobody_beside_it(self):
        run = run_of(of_each(tags.STEP_TIME_S, [0.1]))
        assert ranks_chart(run) is communication_chart(run) is weights_apart_chart(run) is None

    def test_ranks_recorded_at_different_steps_are_all_drawn(self):
        one, other = np.full(40, 1.0), np.full(40, 2.0)
        one[::2] = np.nan
        ranks = LayerSeries("t", ("rank 0", "rank 1"), STEP, np.stack([one, other], axis=1))
        assert over_median(ranks).step.tolist() == STEP[1::2].tolist()


class TestWeights:
    def test_the_rank_that_differs_from_most_is_marked_from_where_it_does(self):
        right, wrong = np.arange(40.0), np.arange(40.0)
        wrong = np.where(STEP >= 250, wrong + 1, wrong)
        chart = weights_apart_chart(run_of(of_each(tags.PARAMETER_CHECKSUM, [right, wrong, right])))
        marks = chart.figure.data[0]
        assert set(marks.y) == {1}
        assert (min(marks.x), max(marks.x)) == (250, 390)
        assert chart.alt == "From step 250 on, other weights than most ranks: rank 1."

    def test_ranks_that_agree_are_said_to(self):
        chart = weights_apart_chart(run_of(of_each(tags.PARAMETER_CHECKSUM, [np.arange(40.0)] * 3)))
        assert "All 3 ranks held the same weights" in chart.alt

    def test_of_two_that_differ_the_lower_rank_counts_as_right(self):
        ranks = of_ranks(run_of(of_each(tags.PARAMETER_CHECKSUM, [1.0, 2.0])), tags.PARAMETER_CHECKSUM)
        assert apart(ranks).any(axis=0).tolist() == [False, True]
