"""What stands in the URL is what is shown, and is kept while pages are switched."""

from streamlit.testing.v1 import AppTest


def every_kind():
    import streamlit as st

    from trainvitals_app import address

    fields = {
        "q": address.text("q"),
        "runs": address.RUNS,
        "x": address.choice("x", ("step", "epoch"), "step"),
        "status": address.choices("status", ("sick", "healthy")),
        "raw": address.flag("raw"),
        "smooth": address.number("smooth", 0.6, least=0.0, most=0.99),
        "layer": address.whole("layer"),
        "steps": address.STEPS,
    }
    st.session_state["got"] = {name: field.get() for name, field in fields.items()}


def got(**query):
    at = AppTest.from_function(every_kind)
    for name, value in query.items():
        at.query_params[name] = value
    at.run()
    assert not at.exception
    return at.session_state["got"]


def test_defaults_count_where_the_url_says_nothing():
    assert got() == {
        "q": "",
        "runs": (),
        "x": "step",
        "status": (),
        "raw": False,
        "smooth": 0.6,
        "layer": None,
        "steps": None,
    }


def test_every_kind_is_read_from_the_url():
    read = got(
        q="lr",
        runs=["a", "b", "a"],
        x="epoch",
        status=["healthy"],
        raw="yes",
        smooth="0.9",
        layer="3",
        steps="10:2500.5",
    )
    assert read == {
        "q": "lr",
        "runs": ("a", "b"),
        "x": "epoch",
        "status": ("healthy",),
        "raw": True,
        "smooth": 0.9,
        "layer": 3,
        "steps": (10.0, 2500.5),
    }


def test_what_cannot_be_read_counts_as_its_default():
    broken = got(x="<b>", status="what", raw="perhaps", smooth="inf", layer="1e999", steps="5:nan")
    assert broken == got()
    assert got(steps="7:7")["steps"] is None
    assert got(steps="9:2")["steps"] == (2.0, 9.0)
    assert got(smooth="7")["smooth"] == 0.99


def filter_on_two_pages():
    import streamlit as st

    from trainvitals_app import address

    FILTER = address.text("q")
    if st.session_state.get("page") == "other":
        st.session_state["seen"] = FILTER.get()
    else:
        st.text_input("Filter", **address.bound(FILTER))
        st.button("All", on_click=FILTER.set, args=("",))


def test_a_bound_widget_and_the_url_say_the_same():
    at = AppTest.from_function(filter_on_two_pages)
    at.query_params["q"] = "lr"
    at.run()
    assert at.text_input[0].value == "lr"
    at.text_input[0].set_value("batch").run()
    assert at.query_params["q"] == "batch"
    at.button[0].click().run()
    assert at.text_input[0].value == ""
    assert "q" not in at.query_params


def test_another_page_finds_what_was_set_although_switching_empties_the_url():
    at = AppTest.from_function(filter_on_two_pages)
    at.run()
    at.text_input[0].set_value("lr").run()
    at.query_params.clear()
    at.session_state["page"] = "other"
    at.run()
    assert at.session_state["seen"] == "lr"
    assert at.query_params["q"] == "lr"


def test_a_url_from_before_the_last_change_does_not_undo_it():
    at = AppTest.from_function(filter_on_two_pages)
    at.query_params["q"] = "o"
    at.run()
    at.text_input[0].set_value("ov").run()
    # A refresh that the browser asked for before it had heard of the change.
    at.query_params["q"] = "o"
    at.run()
    assert at.text_input[0].value == "ov"
    assert at.query_params["q"] == "ov"


def test_a_url_that_is_changed_by_hand_counts():
    at = AppTest.from_function(filter_on_two_pages)
    at.query_params["q"] = "o"
    at.run()
    at.text_input[0].set_value("ov").run()
    at.query_params["q"] = "lr"
    at.run()
    assert at.text_input[0].value == "lr"
