"""A finding as a card: the problem, since when, how sure, why, and what to try; the rest where it is asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import streamlit as st

from trainvitals.errors import UnknownRuleError
from trainvitals.model import Finding, Suggestion
from trainvitals.reporters.rule_page import page_of
from trainvitals_app import text
from trainvitals_app.findings import card_texts

# A longer piece of code scrolls.
CODE_LINES_SHOWN = 9
LINE_PX = 22
RULE_PAGE_PX = 420
_TITLES = {
    "evidence": "All evidence",
    "causes": "Causes",
    "try": "More to try",
    "rule": "The rule",
    "accept": "Accept",
}


@dataclass(frozen=True, slots=True)
class Actions:
    """What the buttons of a card do.

    Args:
        show: move the charts to the finding.
        accept: draws the form that accepts the finding.
    """

    show: Callable[[], None]
    accept: Callable[[], None]


def show(finding: Finding, key: str, actions: Actions, *, in_focus: bool, is_worst: bool) -> None:
    """Draw a finding that should be acted upon.

    Args:
        finding: what was found.
        key: unique on the page, the same as long as it is the same finding.
        actions: what its buttons do.
        in_focus: whether the charts show it.
        is_worst: whether it is the one to begin with; of others, what to try is only named.
    """
    with st.container(border=True, key=f"card-{key}", gap="small"):
        _head(finding, key, actions, in_focus=in_focus)
        st.markdown(text.markdown(finding.summary))
        st.markdown(card_texts.small(card_texts.why(finding)))
        best = finding.interventions[:1]
        for suggestion in best if is_worst else ():
            _suggestion(suggestion)
        if best and not is_worst:
            st.markdown(f"**Try** {text.markdown(best[0].summary)}")
        _more(finding, key, actions, every_suggestion=not is_worst)


def note(finding: Finding, key: str, actions: Actions, *, in_focus: bool) -> None:
    """Draw a finding that is only worth knowing, in as little space as it needs."""
    with st.container(key=f"card-{key}", gap="xsmall"):
        _head(finding, key, actions, in_focus=in_focus)
        st.markdown(text.markdown(finding.summary))
        _more(finding, key, actions, every_suggestion=True)


def _head(finding: Finding, key: str, actions: Actions, *, in_focus: bool) -> None:
    with st.container(horizontal=True, wrap=False, vertical_alignment="top", gap="small"):
        st.markdown(card_texts.heading(finding), width="stretch")
        if finding.first_step is not None:
            st.button(
                "In charts" if in_focus else "Show in charts",
                key=f"show-{key}",
                icon=":material/my_location:" if in_focus else ":material/location_searching:",
                type="tertiary",
                help="Move the charts to the steps of this finding.",
                on_click=actions.show,
            )


def _suggestion(suggestion: Suggestion) -> None:
    st.markdown(
        f"**Try** {text.markdown(suggestion.summary)}  \n{card_texts.small(card_texts.expectation(suggestion))}"
    )
    code = card_texts.code(suggestion)
    is_long = len(code.splitlines()) > CODE_LINES_SHOWN
    st.code(code, "python", height=LINE_PX * CODE_LINES_SHOWN if is_long else "content")
    st.markdown(card_texts.small(card_texts.caution(suggestion)))


def _more(finding: Finding, key: str, actions: Actions, *, every_suggestion: bool) -> None:
    """Everything else, one kind at a time: what is not looked at is not sent."""
    suggestions = finding.interventions if every_suggestion else finding.interventions[1:]
    kinds = {"evidence": finding.evidence, "causes": finding.causes, "try": suggestions, "rule": True, "accept": True}
    chosen = st.pills(
        "More about this finding",
        [kind for kind, content in kinds.items() if content],
        format_func=lambda kind: "To try" if kind == "try" and every_suggestion else _TITLES[kind],
        key=f"more-{key}",
        label_visibility="collapsed",
    )
    if chosen == "evidence":
        st.markdown(card_texts.evidence_table(finding.evidence))
        if len(finding.layers) > card_texts.LAYERS_SHOWN:
            st.markdown(f":gray[in] {card_texts.layers(finding.layers, every=True)}")
    elif chosen == "causes":
        st.markdown(card_texts.causes(finding))
    elif chosen == "try":
        for suggestion in suggestions:
            _suggestion(suggestion)
    elif chosen == "rule":
        _rule(finding.name, key)
    elif chosen == "accept":
        actions.accept()


def _rule(name: str, key: str) -> None:
    """The page that ``trainvitals explain`` prints."""
    try:
        page = page_of(name)
    except UnknownRuleError as error:
        st.markdown(text.markdown(error.message()))
        return
    with st.container(height=RULE_PAGE_PX, key=f"rule-{key}"):
        st.markdown(f"**{text.markdown(page.title)}**  \n{text.markdown(page.lead)}")
        for section in page.sections:
            st.markdown(f"**{section.heading}**")
            st.text(section.text)
