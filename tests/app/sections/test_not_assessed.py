"""What was not judged, and how it would be."""

from streamlit.testing.v1 import AppTest
from tests.app.sections.snapshots import sample, words

from trainvitals_app.sections import not_assessed


def page():
    import streamlit as st
    from tests.app.sections.snapshots import sample

    from trainvitals_app.sections import not_assessed

    not_assessed.section(sample(st.query_params["run"]))


def test_every_rule_is_named_and_every_line_shown_once():
    at = AppTest.from_function(page)
    at.query_params["run"] = "overfitting"
    at.run()
    assert not at.exception
    rules = sample("overfitting").diagnosis.not_assessed
    said = words(at).replace("\\", "")
    assert f"{len(rules)} rules could not be judged" in said
    assert all(rule.name in said for rule in rules)
    lines = [block.value for block in at.code]
    assert len(lines) == len(set(lines)) == len({rule.how for rule in rules}) < len(rules)


def test_it_appears_only_where_something_was_not_judged():
    assert not_assessed.has_signals(sample("overfitting"))
