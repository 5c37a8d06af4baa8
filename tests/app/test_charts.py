"""A box that is drawn in a chart is its zoom."""

import pytest
from streamlit.testing.v1 import AppTest

from trainvitals_app.charts import _range


def one_chart():
    import plotly.graph_objects as go

    from trainvitals.figures.chart import Chart
    from trainvitals_app import charts

    charts.show(Chart(go.Figure(go.Scatter(y=[1, 2])), "two points, rising"), "loss")


def test_a_chart_tells_in_words_what_it_shows_and_offers_reset_only_when_zoomed():
    at = AppTest.from_function(one_chart)
    at.run()
    assert not at.exception
    assert at.get("plotly_chart")[0].proto.alt == "two points, rising"
    assert not at.button
    at.query_params["steps"] = "1:2"
    at.run()
    assert at.button[0].label == "Reset range"
    at.button[0].click().run()
    assert "steps" not in at.query_params
    assert not at.button


def test_ends_of_a_box_come_as_numbers_and_dates_as_seconds_since_the_epoch():
    assert _range([7, 3.5]) == (3.5, 7.0)
    assert _range(["7", "3.5"]) == (3.5, 7.0)
    assert _range(["1970-01-01 00:00:10.5", "1970-01-01 00:01"]) == pytest.approx((10.5, 60.0))


def both():
    import plotly.graph_objects as go

    from trainvitals.figures.chart import Chart
    from trainvitals_app import charts

    charts.show(Chart(go.Figure(), "nothing"), "loss", on_points=print)


def test_a_chart_is_either_zoomed_or_clicked():
    at = AppTest.from_function(both)
    at.run()
    assert "either zoomed by a box or clicked" in at.exception[0].message
