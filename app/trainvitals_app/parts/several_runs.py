"""Which runs are looked at side by side, and what they are at this moment."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import streamlit as st

from trainvitals.errors import LogError
from trainvitals.figures.look import MOST_RUNS
from trainvitals.reporters.visible import visible
from trainvitals_app import address, live, shared, text
from trainvitals_app.parts import no_runs
from trainvitals_app.runs.open_runs import Snapshot

LONGEST_NAME = 120
# For runs to choose, while there are none.
LOOK_EVERY_S = 1.0
_HELD = "held-snapshots"
_OFFERED = "offered-runs"


@dataclass(frozen=True, slots=True)
class Opened:
    """The runs that could be opened, in the order in which they were chosen, and a line for each that could not."""

    snapshots: tuple[Snapshot, ...]
    troubles: tuple[str, ...]

    @property
    def versions(self) -> tuple[tuple[str, int], ...]:
        """Another one when anything of them has changed."""
        return tuple((snapshot.run.id, snapshot.version) for snapshot in self.snapshots)


def choose_runs(*, default: Sequence[str] = ()) -> tuple[str, ...]:
    """Draw the chooser of up to eight runs; the ids of those that the URL names.

    Args:
        default: which to show where the URL names none.
    """
    ids = st.session_state[_OFFERED] = _ids()
    if default and not address.RUNS.get():
        address.RUNS.set(tuple(default))
    chosen = address.RUNS.get()
    # A run that the URL names may not have been found yet.
    options = [*ids, *(run_id for run_id in chosen if run_id not in ids)]
    st.multiselect(
        f"Runs, up to {MOST_RUNS}",
        options,
        format_func=lambda run_id: visible(run_id, longest=LONGEST_NAME),
        max_selections=MOST_RUNS,
        placeholder="Choose runs; type to search",
        **address.bound(address.RUNS),
    )
    return chosen


def follow_new_runs() -> None:
    """For a part that is refreshed: draw the page again when there are other runs to choose from."""
    if _ids() != st.session_state[_OFFERED]:
        st.rerun()


def _ids() -> list[str]:
    return [row.id for row in shared.catalogue().rows()]


def open_runs(run_ids: Sequence[str], **patience: float) -> Opened:
    """These runs as they are now; while paused, as they were when they were looked at first."""
    held: dict[str, Snapshot] = st.session_state.setdefault(_HELD, {})
    if not live.PAUSED.get():
        held.clear()
    snapshots, troubles = [], []
    for run_id in run_ids:
        try:
            snapshot = held.get(run_id) or shared.open_runs().snapshot(run_id, **patience)
        except LogError as error:
            troubles.append(error.message())
            continue
        if live.PAUSED.get():
            held[run_id] = snapshot
        snapshots.append(snapshot)
        if snapshot.trouble is not None:
            troubles.append(f"{snapshot.trouble} What was read before is shown.")
    return Opened(tuple(snapshots), tuple(troubles))


def newest(snapshots: Sequence[Snapshot]) -> Callable[[], tuple[Snapshot, ...]]:
    """What these runs are at the moment of a click, which is answered outside of any page; as shown while paused."""
    if live.PAUSED.get():
        shown = tuple(snapshots)
        return lambda: shown
    # Not the snapshots themselves, which would be held for as long as the page is open.
    runs, run_ids = shared.open_runs(), [each.run.id for each in snapshots]
    return lambda: tuple(map(runs.snapshot, run_ids))


def tell_troubles(opened: Opened) -> None:
    """A line for each run that cannot be read."""
    for trouble in opened.troubles:
        st.warning(text.markdown(trouble), icon=":material/warning:")


def invite(words: str) -> None:
    """What stands where nothing is chosen yet: what to do, or that there is nothing to choose yet."""
    st.fragment(_invite, run_every=LOOK_EVERY_S)(words)


def _invite(words: str) -> None:
    follow_new_runs()
    if st.session_state[_OFFERED]:
        st.info(words, icon=":material/touch_app:")
    else:
        no_runs.show()


def short_names(run_ids: Sequence[str]) -> list[str]:
    """The ids without the folders that they have in common, and only as far as it takes to tell them apart."""
    if len(run_ids) < 2:
        return list(run_ids)
    parts = [run_id.split("/") for run_id in run_ids]
    levels = zip(*parts, strict=False)
    common = len(list(itertools.takewhile(lambda level: len(set(level)) == 1, levels)))
    for longest in range(1, max(map(len, parts)) + 1):
        names = ["/".join(each[common : common + longest]) or each[-1] for each in parts]
        if len(set(names)) == len(set(run_ids)):
            return names
    return list(run_ids)
