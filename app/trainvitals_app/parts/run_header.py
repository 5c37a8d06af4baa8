"""Which run is looked at, and how it stands in two lines."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from trainvitals.model import Diagnosis, Status
from trainvitals.reporters import wording
from trainvitals_app import live, text
from trainvitals_app.badges import status_badge
from trainvitals_app.runs.open_runs import Snapshot


def show(shown: Snapshot) -> None:
    """The verdict in one line, and below it how much it rests on."""
    diagnosis = shown.diagnosis
    with st.container(key="run-header", gap="xxsmall"):
        st.markdown(f"#### {status_badge(diagnosis.status)} {text.markdown(wording.headline(diagnosis))}")
        st.markdown(f":gray[{' · '.join(_facts(shown))}]")


def nothing_to_change(diagnosis: Diagnosis) -> str:
    """What stands where the cards would be."""
    if diagnosis.status is Status.HEALTHY:
        return ":green[:material/check_circle:] **Nothing was found that should be changed.**"
    if diagnosis.progress.signal is None and (diagnosis.signals.train_loss or diagnosis.signals.val_loss):
        return ":gray[:material/help:] **Its losses are not of a kind that can be judged.** *Worth knowing* says why."
    if diagnosis.progress.signal is None:
        return (
            ":gray[:material/help:] **No loss was found to judge it by.** If the log has one, tell its name: "
            '`train-loss = "TAG"` in `trainvitals.toml`, or `--train-loss TAG` on the command line. '
            "`trainvitals signals PATH` lists how each tag was understood."
        )
    return (
        ":gray[:material/help:] **Too little was logged so far to call it sick or healthy.** "
        "It is judged again as it grows. *Not judged*, below, says what each rule waits for."
    )


def _facts(shown: Snapshot) -> list[str]:
    diagnosis = shown.diagnosis
    progress = wording.progress_sentence(diagnosis)
    # The headline of a run with nothing to change is this very sentence.
    as_read = replace(diagnosis, last_step=shown.run.last_step)
    facts = [wording.extent(as_read), "" if progress == wording.headline(diagnosis) else progress]
    return [*(text.markdown(fact) for fact in facts if fact), f"written {live.ago(shown.updated_at_s)}"]
