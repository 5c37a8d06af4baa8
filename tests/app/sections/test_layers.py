"""The layers section opens on what the worst finding rests on, and shows what it is asked for."""

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest
from tests.app.sections.snapshots import chart_texts, sample, snapshot, words

from trainvitals import Run
from trainvitals_app.sections import layers

STEP = np.arange(50) * 10


def page():
    import streamlit as st
    from tests.app.sections.snapshots import sample
    from tests.app.sections.test_layers import made

    from trainvitals_app.sections import layers

    name = st.query_params["run"]
    layers.section(made(name) if name.startswith("made") else sample(name))


def made(name):
    columns = {"step": STEP, "train/loss": np.linspace(2, 1, 50)}
    columns |= {f"grad_norm/{layer}": np.full(50, 10.0**-place) for place, layer in enumerate(("a", "b", "c*"))}
    columns |= {f"update_ratio/{layer}": np.full(50, 1e-3) for layer in ("a", "b", "c*")}
    return snapshot(Run.from_columns(columns, name=name))


def opened(name, **query):
    at = AppTest.from_function(page)
    at.query_params.update({"run": name, **query})
    at.run()
    assert not at.exception
    return at


@pytest.fixture(autouse=True)
def nothing_kept():
    layers._records.clear()


def test_it_opens_on_the_signal_and_the_layer_of_the_worst_finding():
    at = opened("vanishing-gradients")
    finding = sample("vanishing-gradients").diagnosis.findings[0]
    assert finding.signals & set(sample("vanishing-gradients").signals.per_layer[at.selectbox[0].value].tags) or (
        at.selectbox[0].value in finding.signals
    )
    assert at.selectbox[1].value in finding.layers
    assert "Framed: vanishing-gradients" in chart_texts(at)[0]
    assert len(chart_texts(at)) == 3


def test_another_signal_layer_and_step_are_shown_and_stand_in_the_address():
    at = opened("made")
    at.selectbox[0].set_value("update_ratio").run()
    assert at.query_params["signal"] == "update_ratio"
    assert chart_texts(at)[0].startswith("update_ratio of 3 layers")
    at.selectbox[1].set_value("b").run()
    assert at.query_params["layer"] == "b"
    assert chart_texts(at)[2].startswith("update_ratio of b")
    at.slider[0].set_value(123).run()
    assert "at step 120" in chart_texts(at)[1]


def test_a_slider_at_its_end_follows_the_run():
    at = opened("made", at="200")
    at.slider[0].set_value(490).run()
    assert "at" not in at.query_params


def test_a_link_shows_the_same_signal_layer_and_step():
    at = opened("made", signal="update_ratio", layer="b", at="200")
    assert (at.selectbox[0].value, at.selectbox[1].value, at.slider[0].value) == ("update_ratio", "b", 200)


def test_what_the_address_names_and_the_run_lacks_is_the_default():
    at = opened("made", signal="nothing", layer="none", at="99999999")
    assert (at.selectbox[0].value, at.selectbox[1].value, at.slider[0].value) == ("grad_norm", "a", 490)


def test_a_range_chosen_elsewhere_holds_here_too():
    assert "over steps 100 to 200" in chart_texts(opened("made", steps="100:200"))[0]


def test_the_signal_is_explained_and_a_click_is_offered():
    assert "norm of the layer's gradient" in words(opened("made")).replace("\\", "")


def test_it_appears_only_where_layers_or_histograms_were_recorded():
    assert layers.has_signals(sample("vanishing-gradients"))
    assert not layers.has_signals(sample("overfitting"))
