"""Heatmaps of layers: few cells that hide no extreme, empty where nothing was recorded, framed where something is."""

import numpy as np
import pytest

from trainvitals import Run
from trainvitals.figures.colour_scale import colour_scale
from trainvitals.figures.layer_cells import (
    MOST_CELLS,
    MOST_COLUMNS,
    MOST_ROWS,
    cells,
    non_finite_records,
    rows_of,
    spans_decades,
)
from trainvitals.figures.layer_figures import MOST_TARGETS, heatmap_chart
from trainvitals.figures.layer_lines import histogram_chart, layer_history_chart
from trainvitals.figures.layer_profile import depth_profile_chart
from trainvitals.model import Finding, HistogramSeries, LayerSeries, Severity
from trainvitals.signals import understand


def signal(value, *, step=None, kind="grad_norm", names=None):
    value = np.asarray(value, dtype=np.float64)
    names = names or tuple(f"{index}.weight" for index in range(value.shape[1]))
    return LayerSeries(kind, tuple(names), np.arange(len(value)) * 10 if step is None else step, value)


def decades(steps=50, layers=6):
    """From 1e-6 in the first layer to 1 in the last."""
    return np.tile(np.logspace(-6, 0, layers), (steps, 1))


def finding(*layers, first=100, last=None, severity=Severity.WARNING):
    return Finding("GRD001", "vanishing-gradients", severity, 0.9, "the gradient vanishes", first, last, layers=layers)


def traces(chart, kind):
    return [trace for trace in chart.figure.data if trace.type == kind]


def named(chart, word):
    return next(trace for trace in chart.figure.data if trace.name and word in trace.name)


class TestCells:
    def test_a_small_signal_has_a_cell_for_each_record_of_each_layer(self):
        value = np.random.default_rng(0).normal(size=(30, 4))
        found = cells(signal(value))
        assert np.array_equal(found.value, value.T)
        assert np.array_equal(found.at_step, np.tile(np.arange(30) * 10, (4, 1)))
        assert (found.records, found.layers) == (1, 1)

    @pytest.mark.parametrize("extreme", [1e3, 1e-9, 0.0])
    def test_a_single_extreme_among_many_records_of_many_layers_is_kept(self, extreme):
        value = np.full((7_000, 450), 1.0) * np.logspace(-2, 1, 450)
        value[4_321, 123] = extreme
        found = cells(signal(value))
        assert found.value.shape == (MOST_ROWS, MOST_CELLS // MOST_ROWS)
        row = int(np.searchsorted(found.last_layer, 123))
        column = int(np.searchsorted(found.last_step, 43_210))
        assert found.value[row, column] == extreme
        assert found.at_step[row, column] == 43_210
        assert found.first_step[column] <= 43_210 <= found.last_step[column]

    def test_few_layers_have_as_many_columns_as_are_ever_drawn(self):
        assert cells(signal(np.ones((5_000, 3)))).value.shape == (3, MOST_COLUMNS)

    def test_every_layer_and_every_record_is_in_one_cell(self):
        found = cells(signal(np.ones((2_345, 301))))
        assert found.first_layer[0] == 0
        assert found.last_layer[-1] == 300
        assert np.array_equal(found.first_layer[1:], found.last_layer[:-1] + 1)
        assert np.array_equal(found.first_step[1:], found.last_step[:-1] + 10)

    def test_what_was_not_recorded_or_not_finite_is_empty_and_the_latter_is_counted(self):
        value = decades()
        value[3, 2], value[4, 2] = np.nan, np.inf
        found = cells(signal(value))
        assert np.isnan(found.value[2, 3])
        assert np.isnan(found.value[2, 4])
        assert found.non_finite.sum() == found.non_finite[2, 4] == 1

    def test_a_window_takes_its_own_steps_only(self):
        found = cells(signal(decades()), window=(100, 200))
        assert (found.first_step[0], found.last_step[-1]) == (100, 200)

    def test_nothing_in_the_window_is_no_cell(self):
        assert cells(signal(decades()), window=(10_000, 20_000)).value.size == 0
        assert "not recorded" in heatmap_chart(signal(decades()), window=(10_000, 20_000)).alt


def test_a_recorded_nan_is_told_from_a_layer_that_was_not_recorded():
    run = Run.from_columns(
        {"step": np.arange(6), "grad_norm/a": [1, np.nan, 1, 1, 1, 1.0], "grad_norm/b": np.ones(6), "loss": np.ones(6)}
    )
    tags = understand(run).per_layer["grad_norm"]
    layers = tags.load(run)
    bad = non_finite_records(run, tags, layers)
    assert np.argwhere(bad).tolist() == [[1, layers.layers.index("a")]]
    assert "NaN or infinite: 1" in heatmap_chart(layers, non_finite=bad).alt


class TestColours:
    def test_powers_of_ten_are_logarithmic_with_round_ticks(self):
        scale = colour_scale(decades())
        assert scale.log
        assert scale.words == ["1e-6", "1e-5", "1e-4", "1e-3", "1e-2", "1e-1", "1e0"]
        assert scale.position(np.array([1e-6, 1.0])) == pytest.approx([-6, 0])

    def test_a_zero_among_powers_of_ten_has_a_place_of_its_own_below_them(self):
        value = decades()
        value[0, 0] = 0.0
        scale = colour_scale(value)
        assert scale.words[0] == "0"
        assert scale.position(np.array([0.0]))[0] == scale.low < scale.position(np.array([1e-6]))[0]

    def test_two_signs_are_told_apart_around_zero(self):
        scale = colour_scale(np.linspace(-1, 3, 100))
        assert not scale.log
        assert scale.low == -scale.high
        assert scale.colours.startswith("RdBu")

    def test_one_outlier_does_not_take_all_colours_and_the_scale_says_so(self):
        value = np.append(np.linspace(1, 2, 1_000), 1e3)
        scale = colour_scale(value)
        assert scale.high < 2.1
        assert scale.words[-1].startswith("≥")

    @pytest.mark.parametrize("value", [np.empty(0), np.full(5, np.nan), np.zeros(4), np.full(3, 7.0)])
    def test_any_values_have_a_scale(self, value):
        scale = colour_scale(value)
        assert scale.low < scale.high

    @pytest.mark.parametrize(
        "value", [np.array([-1e300, 1e300, 0.0]), np.array([5e-324, 1e300]), np.array([0.0, 5e-324])]
    )
    def test_values_near_the_ends_of_the_number_range_are_drawn(self, value):
        layers = signal(np.tile(value, (20, 1)))
        chart = heatmap_chart(layers)
        assert np.isfinite(np.asarray(chart.figure.data[0].z, dtype=np.float64)).all()
        assert depth_profile_chart(layers, 100).alt
        assert layer_history_chart(layers, "1.weight").alt

    def test_decades_are_those_of_most_values(self):
        assert spans_decades(decades())
        assert not spans_decades(np.linspace(1, 5, 100))
        assert not spans_decades(-decades())


class TestHeatmap:
    def test_the_cells_are_the_logarithms_and_nan_stays_empty(self):
        value = decades()
        value[5, 1] = np.nan
        chart = heatmap_chart(signal(value))
        (heatmap,) = traces(chart, "heatmap")
        expected = np.log10(value.T)
        assert np.allclose(heatmap.z, expected, atol=1e-6, equal_nan=True)
        assert chart.figure.layout.plot_bgcolor not in (None, "rgba(0, 0, 0, 0)")
        assert "logarithmic" in chart.alt

    def test_many_records_are_shared_and_the_axis_says_so(self):
        chart = heatmap_chart(signal(np.ones((3_000, 300)) * np.logspace(-4, 0, 300)))
        (heatmap,) = traces(chart, "heatmap")
        assert np.shape(heatmap.z) == (MOST_ROWS, MOST_CELLS // MOST_ROWS)
        assert "10 records a column, 2 layers a row" in chart.figure.layout.xaxis.title.text
        targets = next(trace for trace in traces(chart, "scatter") if trace.customdata is not None)
        assert len(targets.x) <= max(MOST_TARGETS, MOST_ROWS * 8)

    def test_every_row_answers_a_click_with_its_layer_and_a_recorded_step(self):
        layers = signal(decades())
        targets = next(trace for trace in traces(heatmap_chart(layers), "scatter") if trace.customdata is not None)
        clicked = {(str(layer), int(step)) for layer, step in targets.customdata}
        assert clicked == {(layer, int(step)) for layer in layers.layers for step in layers.step}

    def test_the_layers_of_a_finding_are_framed_while_it_holds(self):
        layers = signal(decades())
        chart = heatmap_chart(layers, findings=[finding("0.weight", "1.weight", "4.weight", first=100, last=300)])
        frames = [(each.x0, each.x1, each.y0, each.y1) for each in chart.figure.layout.shapes if each.type == "rect"]
        assert frames == [(100, 300, -0.5, 1.5), (100, 300, 3.5, 4.5)]
        assert chart.figure.layout.yaxis.ticktext[0].startswith("▲")
        assert "Framed: vanishing-gradients" in chart.alt

    def test_a_finding_outside_of_the_window_is_not_framed(self):
        chart = heatmap_chart(signal(decades()), findings=[finding("0.weight", first=400)], window=(0, 200))
        assert not chart.figure.layout.shapes

    def test_names_stay_text(self):
        chart = heatmap_chart(signal(decades(layers=2), names=("<b>x</b>", "y")))
        assert chart.figure.layout.yaxis.ticktext[0] == "&lt;b&gt;x&lt;/b&gt;"
        targets = next(trace for trace in traces(chart, "scatter") if trace.customdata is not None)
        assert not any("<b>" in text for text in targets.text)


@pytest.mark.parametrize(
    ("of_finding", "layers", "rows"),
    [
        (("0.weight",), ("0.weight", "0.bias"), [0]),
        (("0.weight",), ("0", "2"), [0]),
        (("blocks.0",), ("token", "blocks.0.qkv", "blocks.0.up", "blocks.1.qkv"), [1, 2]),
        (("head",), ("0", "2"), []),
        ((), ("0",), []),
    ],
)
def test_a_finding_names_layers_themselves_their_module_or_what_is_inside(of_finding, layers, rows):
    assert rows_of(finding(*of_finding), layers) == rows


class TestProfile:
    def test_it_has_the_value_of_each_layer_at_the_step(self):
        value = decades() * np.linspace(1, 2, 50)[:, None]
        chart = depth_profile_chart(signal(value), 200)
        assert named(chart, "step 200").x == pytest.approx(value[20])
        assert named(chart, "first record").x == pytest.approx(value[0])
        assert named(chart, "usual").x == pytest.approx(np.median(value, axis=0))
        assert chart.figure.layout.xaxis.type == "log"

    def test_layers_that_take_turns_count_as_when_last_recorded(self):
        value = decades()
        value[20, ::2] = np.nan
        value[19, ::2] = 7.0
        assert named(depth_profile_chart(signal(value), 200), "step 200").x[::2] == pytest.approx([7.0] * 3)

    def test_a_layer_that_is_not_finite_at_the_step_has_no_value_and_is_counted(self):
        value = decades()
        value[20, 2] = np.nan
        bad = np.zeros(value.shape, dtype=bool)
        bad[20, 2] = True
        chart = depth_profile_chart(signal(value), 200, non_finite=bad)
        assert np.isnan(named(chart, "step 200").x[2])
        assert "not finite in 1" in chart.alt

    def test_before_the_first_record_there_is_nothing(self):
        chart = depth_profile_chart(signal(decades(), step=np.arange(50) + 100), 50)
        assert "not recorded" in chart.alt

    def test_flagged_layers_are_marked(self):
        marks = named(depth_profile_chart(signal(decades()), 200, findings=[finding("1.weight")]), "vanishing")
        assert list(marks.y) == [1]


class TestHistory:
    def test_it_is_the_layers_own_curve_with_what_is_not_finite_as_marks(self):
        value = decades()
        value[10, 3], value[11, 3] = np.nan, np.nan
        bad = np.zeros(value.shape, dtype=bool)
        bad[10, 3] = True
        chart = layer_history_chart(signal(value), "3.weight", non_finite=bad)
        line = named(chart, "3.weight")
        assert 110 not in line.x
        assert np.nanmax(line.y) == pytest.approx(value[0, 3])
        assert named(chart, "1 NaN").x.tolist() == [100]
        assert "49 records" in chart.alt
        assert "1 of them not finite" in chart.alt

    def test_where_a_finding_about_it_holds_is_a_band_and_about_others_not(self):
        for layer, bands in (("1.weight", 1), ("2.weight", 0)):
            chart = layer_history_chart(signal(decades()), layer, findings=[finding("1.weight")])
            assert len([each for each in chart.figure.layout.shapes if each.type == "rect"]) == bands


class TestHistogram:
    @staticmethod
    def histogram(count):
        steps = np.arange(count)
        middle = np.sin(steps / 50)
        quantiles = middle[:, None] + np.array([-2.0, -1.0, 0.0, 1.0, 2.0])
        ones = np.ones(count)
        return HistogramSeries("w<1>", steps, 1.0 * steps, ones, middle - 3, middle + 3, middle, ones, ones, quantiles)

    def test_the_bands_are_the_quantiles(self):
        chart = histogram_chart(self.histogram(100))
        assert named(chart, "25 to 75 %").y == pytest.approx(np.sin(np.arange(100) / 50) + 1.0)
        assert named(chart, "median").y == pytest.approx(np.sin(np.arange(100) / 50))
        assert chart.figure.layout.yaxis.title.text == "w&lt;1&gt;"

    def test_of_many_records_the_widest_is_kept(self):
        histogram = self.histogram(30_000)
        histogram.maximum[12_345] = 99.0
        chart = histogram_chart(histogram)
        assert max(named(chart, "greatest").y) == 99.0
        assert all(len(trace.x) <= 1_000 for trace in chart.figure.data)

    def test_an_empty_window_says_so(self):
        assert "not recorded" in histogram_chart(self.histogram(10), window=(100, 200)).alt
