"""The progress section says what the verdict says, and what any other number of steps would bring."""

import pytest
from streamlit.testing.v1 import AppTest
from tests.app.sections.snapshots import chart_texts, sample, words

from trainvitals.progress.picture import progress_picture
from trainvitals_app.sections import progress


def page():
    import streamlit as st
    from tests.app.sections.snapshots import sample

    from trainvitals_app.sections import progress

    progress.section(sample(st.query_params["sample"]))


def opened(name, **query):
    at = AppTest.from_function(page)
    at.query_params.update({"sample": name, **query})
    at.run()
    assert not at.exception
    return at


@pytest.fixture(autouse=True)
def nothing_kept():
    progress._picture.clear()


def test_it_opens_with_the_verdict_and_its_own_horizon():
    at = opened("healthy")
    assert "next 500 steps should gain 0\\.038" in words(at)
    assert at.select_slider[0].value == 500
    assert "better by 0.038 ± 0.004" in words(at)
    assert "surely more than the 0.0026 that counts as progress" in words(at)
    assert "better by 0.038" in chart_texts(at)[0]


def test_the_slider_changes_the_words_the_chart_and_the_address():
    at = opened("healthy")
    at.select_slider[0].set_value(1_500).run()
    assert at.query_params["continue"] == "1500"
    gain = progress_picture(sample("healthy").run).gain_after(1_500)
    assert f"{gain.gain:.2f}" in words(at)
    assert "until step 3,499" in words(at)
    assert "Farther than the 500 steps that the verdict looks ahead" in words(at)
    assert "after 1,500 steps more" in chart_texts(at)[0]


def test_at_the_horizon_of_the_verdict_the_slider_follows_it():
    at = opened("healthy", **{"continue": "1000"})
    at.select_slider[0].set_value(500).run()
    assert "continue" not in at.query_params


def test_a_link_shows_the_same_number_of_steps():
    at = opened("healthy", **{"continue": "1000"})
    assert at.select_slider[0].value == 1_000


def test_a_number_in_the_address_that_the_slider_lacks_is_moved_to_the_next():
    assert opened("healthy", **{"continue": "999999999"}).select_slider[0].value == 2_000
    assert opened("healthy", **{"continue": "-3"}).select_slider[0].value == 20


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("overfitting", "surely worse by more than"),
        ("not-learning", "surely less than"),
        ("vanishing-gradients", "perhaps more, perhaps less"),
        ("frozen-midway", "stays at 1.531"),
    ],
)
def test_whether_it_counts_is_said_in_words(name, says):
    assert says in words(opened(name))


def test_it_appears_only_for_a_loss_that_was_judged():
    assert progress.has_signals(sample("healthy"))
    assert progress.has_signals(sample("too-short"))


def test_of_a_loss_that_is_lost_nothing_is_forecast():
    at = opened("diverging")
    assert "not finite any more" in words(at)
    assert not at.select_slider
    assert not chart_texts(at)
