"""Whether the loss still improves, what that rests on, and what going on would bring."""

from __future__ import annotations

from dataclasses import replace
from math import floor, log10

import streamlit as st

from trainvitals.figures.progress_figure import gain_in_words, progress_chart
from trainvitals.model import Cause, likelihood_in_words
from trainvitals.progress.picture import ProgressPicture, progress_picture
from trainvitals.reporters import wording
from trainvitals_app import address, charts, text
from trainvitals_app.sections.shown import Shown

TITLE = "Progress"

CONTINUE = address.whole("continue")
"""How many steps more; None is as far as the verdict looks."""

# Four times as far as the verdict looks is as long as the whole run took so far: nobody should believe more.
FARTHEST_HORIZONS = 4
SLIDER_STOPS = 100
CAUSES_SHOWN = 2
# Of pictures, which a refresh without news needs again; each holds on to the points of its loss, and a run that grows
# leaves one behind at each refresh.
KEPT = 1


def has_signals(shown: Shown) -> bool:
    """Whether there is a loss whose progress was judged."""
    return shown.diagnosis is not None and shown.diagnosis.progress.signal is not None


def section(shown: Shown) -> None:
    """Draw the section."""
    diagnosis = shown.diagnosis
    picture = _picture((shown.run.id, shown.version, shown.run.points), shown)
    if diagnosis is None or picture is None:
        return
    sentence = wording.progress_sentence(replace(diagnosis, progress=picture.progress))
    st.markdown(f"{text.code(picture.loss.tag, longest=60)} **{text.markdown(sentence)}**")
    for cause in [each for each in diagnosis.progress.causes if not each.is_ruled_out][:CAUSES_SHOWN]:
        st.markdown(_why(cause))
    if wording.loss_is_lost(diagnosis):
        # What was forecast from the points before it was lost is of no use to anyone.
        return
    left, right = st.columns([2, 3], gap="medium", vertical_alignment="center")
    with left:
        steps = _steps_to_continue(picture)
    if steps is not None:
        right.markdown(_what_it_brings(picture, steps))
    charts.show(progress_chart(picture, steps=steps, window=address.STEPS.get()), "progress")
    if steps is not None:
        st.caption(
            "Both forecasts assume that nothing changes: the same data, the same schedule. The verdict asks both, and "
            "is sure only where they agree. Bands hold the 90 % interval."
        )


@st.cache_resource(max_entries=KEPT, show_spinner=False)
def _picture(key: object, _shown: Shown) -> ProgressPicture | None:  # noqa: ARG001 - it is kept by the key
    """The picture of a run as it is now, for every session."""
    return progress_picture(_shown.run, signals=_shown.signals)


def _why(cause: Cause) -> str:
    because = text.markdown("; ".join(cause.evidence_for))
    return f"{text.markdown(cause.name)} ({likelihood_in_words(cause.confidence)}): {because}"


def _steps_to_continue(picture: ProgressPicture) -> int | None:
    """What the slider says; None where nothing was forecast."""
    horizon = picture.progress.horizon_steps
    if not picture.forecasts or horizon is None:
        return None
    farthest = FARTHEST_HORIZONS * horizon
    stop = _round_stop(farthest / SLIDER_STOPS)
    # The horizon of the verdict is a stop of its own: there the slider says what the verdict says.
    stops = sorted({*range(stop, farthest, stop), horizon, farthest})
    slider = address.bound(CONTINUE, shown=lambda steps: min(stops, key=lambda each: abs(each - (steps or horizon))))

    def changed() -> None:
        """At the horizon of the verdict the slider stays there while it grows, which browsers tell of as a change."""
        steps = st.session_state[slider["key"]]
        CONTINUE.set(None if steps == horizon else steps)

    return int(
        st.select_slider(
            "If you continue … steps",
            options=stops,
            format_func=wording.step,
            help=f"The verdict looks {wording.step(horizon)} steps ahead.",
            key=slider["key"],
            on_change=changed,
        )
    )


def _round_stop(least: float) -> int:
    """The next larger of 1, 2, 5, 10, 20, 50, …"""
    if least <= 1:
        return 1
    power = 10 ** floor(log10(least))
    return int(next(power * digit for digit in (1, 2, 5, 10) if power * digit >= least))


def _what_it_brings(picture: ProgressPicture, steps: int) -> str:
    """In words and numbers: where the loss will be, and whether that counts."""
    progress = picture.progress
    gain, delta = picture.gain_after(steps), progress.delta or 0.0
    assert gain is not None
    counts = wording.number(delta)
    if gain.low > delta:
        says = f"surely more than the {counts} that counts as progress"
    elif gain.high < -delta:
        says = f"surely worse by more than the {counts} that counts as a change"
    elif -delta <= gain.low and gain.high <= delta:
        says = f"surely less than the {counts} that counts as a change"
    else:
        says = f"perhaps more, perhaps less than the {counts} that counts as a change"
    until = wording.step(picture.stretches[-1].last_step + steps)
    brings = f"{wording.step(steps)} steps more, until step {until}: **{gain_in_words(picture, steps)}** · {says}."
    if progress.horizon_steps is not None and steps > progress.horizon_steps:
        brings += (
            f" :gray[Farther than the {wording.step(progress.horizon_steps)} steps that the verdict looks ahead, this"
            " rests on the form of the forecast more than on the data.]"
        )
    return brings
