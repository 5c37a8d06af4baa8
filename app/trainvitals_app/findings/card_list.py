"""The findings of a run as cards, the worst first: what should be changed, what is worth knowing, what was accepted."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import ceil, floor

import streamlit as st

from trainvitals.figures.loss_figure import focus_window
from trainvitals.model import Finding, MarkedChange, Run, Severity
from trainvitals.reporters.full_report import change_head
from trainvitals.reporters.wording import worst_open_finding
from trainvitals_app import address, text
from trainvitals_app.findings import acceptance_form, card_texts, cards
from trainvitals_app.findings.outcome_texts import outcome_details, outcome_line
from trainvitals_app.parts import run_header
from trainvitals_app.runs.open_runs import Snapshot

# Of its steps: a range that is hardly smaller than the whole run is the whole run.
NEARLY_ALL = 0.9
# Of the changes that were marked in a run, the newest.
MOST_CHANGES = 6
LONGEST_CHANGE = 120


def show(shown: Snapshot, *, accepted: Callable[[], None]) -> None:
    """Draw all cards.

    Args:
        shown: the run.
        accepted: called once a finding was accepted.
    """
    findings = card_texts.keyed(shown.diagnosis.findings)
    opened = {key: finding for key, finding in findings.items() if finding.state == "open"}
    notes = {key: finding for key, finding in opened.items() if finding.severity is Severity.INFO}
    settled = [finding for finding in findings.values() if finding.state == "accepted"]
    to_change = {key: finding for key, finding in opened.items() if key not in notes}
    worst = worst_open_finding(shown.diagnosis)
    # The headline's own comes first, also where the finding that is its cause is surer.
    for key, finding in sorted(to_change.items(), key=lambda item: item[1] is not worst):
        in_focus = key == address.FINDING.get()
        cards.show(finding, key, _actions(shown, finding, key, accepted), in_focus=in_focus, is_worst=finding is worst)
    if not to_change:
        st.markdown(run_header.nothing_to_change(shown.diagnosis))
    for place, change in enumerate(shown.diagnosis.changes[-MOST_CHANGES:]):
        _change(change, f"change-{place}")
    if notes:
        _notes(shown, notes, accepted, expanded=not to_change)
    if settled:
        with st.expander("Accepted", key="accepted", icon=":material/task_alt:", expanded=not to_change):
            for finding in settled:
                because = text.markdown(finding.accepted_because or "")
                st.markdown(f"{card_texts.heading(finding)}  \n:gray[accepted because] {because}")


def _change(change: MarkedChange, key: str) -> None:
    """What became of the findings since a change that was marked in the run."""
    serious = [each for each in change.findings if each.finding.severity is not Severity.INFO] or change.findings
    lines = [line for each in serious for line in (outcome_line(each), *map(_indented, outcome_details(each)))]
    with st.container(border=True, key=key, gap="xsmall"):
        st.markdown(f"**Changed** {text.markdown(change_head(change), longest=LONGEST_CHANGE)}")
        st.markdown(card_texts.small(lines or ["nothing was found before it, and nothing since"]))


def _indented(line: str) -> str:
    return f"&emsp;{line}"


def _notes(shown: Snapshot, notes: dict[str, Finding], accepted: Callable[[], None], *, expanded: bool) -> None:
    folded = st.expander("Worth knowing", key="notes", icon=":material/info:", on_change="rerun", expanded=expanded)
    with folded:
        for key, finding in notes.items() if folded.open else ():
            cards.note(finding, key, _actions(shown, finding, key, accepted), in_focus=key == address.FINDING.get())


def _actions(shown: Snapshot, finding: Finding, key: str, accepted: Callable[[], None]) -> cards.Actions:
    def show_in_charts() -> None:
        is_shown = address.FINDING.get() == key
        address.FINDING.set("" if is_shown else key)
        address.STEPS.set(None if is_shown else around(shown.run, finding))

    return cards.Actions(
        show=show_in_charts,
        accept=partial(acceptance_form.show, finding, shown.diagnosis, key, accepted=accepted),
    )


def around(run: Run, finding: Finding) -> address.Window | None:
    """The steps to look at to see a finding; None, which is all, where they are nearly all."""
    window, first, last = focus_window(run, finding), run.first_step, run.last_step
    if window is None or first is None or last is None or window[1] - window[0] >= NEARLY_ALL * (last - first):
        return None
    return float(floor(window[0])), float(ceil(window[1]))
