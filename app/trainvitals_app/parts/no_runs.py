"""What stands on every page as long as no run was found: where was looked, and what to do."""

from __future__ import annotations

import streamlit as st

from trainvitals.errors import TrainvitalsError
from trainvitals_app import shared, text

ROOTS_NAMED = 3
TROUBLES_SHOWN = 20
RECORDING = "import trainvitals\n\nvitals = trainvitals.watch(model, optimizer)  # records to runs/"


def show() -> None:
    """Draw it; while nobody has looked yet, only that."""
    try:
        catalogue = shared.catalogue()
    except TrainvitalsError:
        # The settings cannot be understood, which is told above.
        return
    if not catalogue.has_looked:
        st.info("Looking for runs …", icon=":material/hourglass_empty:")
        return
    paths = ", ".join(text.code(str(path), longest=80) for path in shared.roots().paths[:ROOTS_NAMED])
    st.info(f"**No runs yet** in {paths}. They appear here as soon as something is logged.", icon=":material/inbox:")
    for line in catalogue.listing().troubles[:TROUBLES_SHOWN]:
        st.caption(text.markdown(line))
    st.markdown("To record a PyTorch training:")
    st.code(RECORDING, language="python")
    st.caption(
        "Read are TensorBoard event files, `trainer_state.json` of Hugging Face, Lightning's `metrics.csv`, other "
        "tables with a loss, and JSON lines."
    )
