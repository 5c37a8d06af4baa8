"""All runs at a glance: which are sick, why, and since when."""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from trainvitals_app import address, badges, live, shared, text
from trainvitals_app.parts import no_runs, run_list
from trainvitals_app.runs.listing import Listing, RunRow

WORDS = address.text("find")
STATES = address.choices("status", run_list.STATES)

# So many problems have a line of their own above the list.
PROBLEMS_SHOWN = 4
# As many as `address.RUNS` holds.
MOST_RUNS = 8
# While verdicts still come in.
IMPATIENT_S = 0.5
ROWS_SHOWN = 18
ROW_PX, HEADER_PX = 35, 38
TROUBLES_SHOWN = 20
PROBLEM_HELP = f"The worst that was found, and how many more. {run_list.NOTE} is only worth knowing."
BEST_HELP = "The validation loss at its best level. A single lucky value elsewhere does not count."

_ORDER = "overview-order"
_WAS_WAITING = "overview-was-waiting"
_HELD = "overview-held"


def page() -> None:
    """Draw the page."""
    listing = _listing()
    st.session_state[_ORDER] = [row.id for row in run_list.worst_first(listing.rows)]
    st.session_state[_WAS_WAITING] = _is_waiting(listing)
    seconds = live.refresh_s()
    st.fragment(_body, run_every=IMPATIENT_S if seconds and _is_waiting(listing) else seconds)()


def _is_waiting(listing: Listing) -> bool:
    return listing.waiting > 0 or math.isnan(listing.looked_at_s)


def _listing() -> Listing:
    """The list as it is now; while paused, as it was before."""
    held: Listing | None = st.session_state.get(_HELD) if live.PAUSED.get() else None
    st.session_state[_HELD] = held or shared.catalogue().listing()
    kept: Listing = st.session_state[_HELD]
    return kept


def _body() -> None:
    listing = _listing()
    if st.session_state[_WAS_WAITING] and not _is_waiting(listing):
        # All verdicts are there: put them in order, and refresh at leisure from now on.
        st.rerun()
    if not listing.rows:
        no_runs.show()
        return
    _filters(listing)
    rows = run_list.matching(_in_order(listing.rows), WORDS.get(), STATES.get())
    if not rows:
        _no_match()
        return
    names = run_list.short_names(listing.rows)
    groups = run_list.by_problem(rows)
    _sick_lines(groups[:PROBLEMS_SHOWN], names)
    _table(rows, names, more_sick=sum(map(len, groups[PROBLEMS_SHOWN:])))
    _troubles(listing.troubles)


def _in_order(rows: Sequence[RunRow]) -> list[RunRow]:
    """As they stood when the page was opened, so that nothing moves under the pointer; new ones on top."""
    place = {run_id: number for number, run_id in enumerate(st.session_state[_ORDER])}
    return sorted(rows, key=lambda row: place.get(row.id, -1))


def _filters(listing: Listing) -> None:
    counts = run_list.counts(listing.rows)
    with st.container(key="filters", horizontal=True, vertical_alignment="center"):
        st.text_input(
            "Find",
            label_visibility="collapsed",
            placeholder="run, problem or cause",
            icon=":material/search:",
            width=260,
            live=True,
            **address.bound(WORDS),
        )
        st.pills(
            "Status",
            label_visibility="collapsed",
            options=list(counts),
            selection_mode="multi",
            format_func=lambda state: f"{_ICONS[state]} {counts.get(state, 0)} {state}",
            **address.bound(STATES),
        )
        with st.container(horizontal_alignment="right", key="freshness"):
            runs = f"{len(listing.rows):,} run{'' if len(listing.rows) == 1 else 's'}"
            judged = f", {listing.waiting:,} still to be judged" if listing.waiting else ""
            st.caption(f"{runs}{judged} · updated {live.ago(listing.looked_at_s)}", width="content")


_ICONS = {
    run_list.SICK: ":material/error:",
    run_list.HEALTHY: ":material/check_circle:",
    run_list.UNKNOWN: ":material/help:",
    run_list.WAITING: ":material/hourglass_empty:",
    run_list.UNREADABLE: ":material/block:",
}


def _sick_lines(groups: list[list[RunRow]], names: Mapping[str, str]) -> None:
    """The worst problems in a line each: in which run, since when, why, and what to try first."""
    if not groups:
        return
    with st.container(key="sickest", gap="small"):
        for row, *others in groups:
            assert row.summary is not None
            diagnosis = row.summary.diagnosis
            which, what = st.columns([2, 7], vertical_alignment="top")
            which.page_link(
                address.page("run"),
                label=f"**{text.markdown(names[row.id], longest=32)}**",
                icon=badges.STATUS_ICONS[diagnosis.status],
                query_params={address.RUN.name: row.id},
            )
            headline, sentence = run_list.headline(row)
            colour = "red" if run_list.is_error(row) else "orange"
            to_try = run_list.suggestion(diagnosis)
            below = [f"**Try** {text.markdown(to_try)}"] if to_try else []
            below += [f":gray[in {len(others):,} other run{'s' if len(others) > 1 else ''}, too]"] if others else []
            lines = [f":{colour}[**{text.markdown(headline)}**]  {text.markdown(sentence)}"]
            lines += [f":small[{' · '.join(below)}]"] if below else []
            what.markdown("  \n".join(lines))


def _table(rows: list[RunRow], names: Mapping[str, str], *, more_sick: int) -> None:
    ids = [row.id for row in rows]
    chosen = [number for number, run_id in enumerate(ids) if run_id in address.RUNS.get()]
    _actions(more_sick)
    # The browser knows rows by their place, so that another order is another table.
    key = f"runs-{zlib.crc32(chr(0).join(ids).encode('utf-8', 'surrogatepass'))}"
    picked = st.dataframe(
        run_list.table(rows, names),
        key=key,
        hide_index=True,
        height=HEADER_PX + ROW_PX * min(len(rows), ROWS_SHOWN),
        row_height=ROW_PX,
        placeholder="",
        column_config=_columns(),
        on_select="rerun",
        selection_mode=["multi-row", "single-cell"],
        selection_default={"selection": {"rows": chosen}},
        alt=f"{len(rows)} runs: status, problem, root cause, since when, progress, losses and the shape of the curve",
    )
    if picked.selection.cells:
        address.RUN.set(ids[picked.selection.cells[0][0]])
        address.go("run")
    shown = {ids[number] for number in picked.selection.rows}
    kept = [run_id for run_id in address.RUNS.get() if run_id not in ids or run_id in shown]
    ticked = tuple(dict.fromkeys([*kept, *(ids[number] for number in picked.selection.rows)]))
    now = ticked[:MOST_RUNS]
    if len(ticked) > MOST_RUNS:
        st.caption(f"{len(ticked):,} runs are ticked; only the first {MOST_RUNS} are taken along.")
    if now != address.RUNS.get():
        address.RUNS.set(now)
        st.rerun(scope="fragment")


def _actions(more_sick: int) -> None:
    """What can be done with the runs that are picked; how many sick ones have no line above the list."""
    picked = address.RUNS.get()
    with st.container(key="actions", horizontal=True, vertical_alignment="center"):
        if not picked:
            also = f"{more_sick:,} more sick run{'' if more_sick == 1 else 's'} in the list. " if more_sick else ""
            st.caption(f"{also}Click a run to see what is wrong with it; tick up to eight to compare them.")
            return
        query = {address.RUNS.name: list(picked)}
        st.page_link(
            address.page("curves"), label=f"Curves of {len(picked)}", icon=":material/show_chart:", query_params=query
        )
        if len(picked) > 1:
            st.page_link(
                address.page("compare"),
                label=f"Compare {len(picked)}",
                icon=":material/compare_arrows:",
                query_params=query,
            )
        else:
            st.caption("Tick another to compare them.")


def _columns() -> dict[str, Any]:
    """Their widths fill 1280 pixels, where nobody should have to scroll sideways; with more room they grow."""
    column = st.column_config
    cells, colours = list(run_list.CELLS), list(run_list.CELLS.values())
    return {
        "status": column.MultiselectColumn("Status", options=cells, color=colours, width=116),
        "run": column.TextColumn("Run", width=157),
        "problem": column.TextColumn("Problem", width=166, help=PROBLEM_HELP),
        "cause": column.TextColumn(
            "Root cause", width=140, help="What most likely is behind the problem, where that is something else."
        ),
        "since": column.NumberColumn(
            "Since", format="localized", width=66, help="The step at which the problem began."
        ),
        "progress": column.TextColumn(
            "Progress", width=155, help="Whether the loss still gets better, and what holds it up."
        ),
        "loss": column.NumberColumn(
            "Last loss", format="%.4g", width=78, help="The newest training loss; without one, of validation."
        ),
        "best": column.NumberColumn("Best val", format="%.4g", width=74, help=BEST_HELP),
        "curve": column.LineChartColumn("Loss", width=68, color="blue"),
        "steps": column.NumberColumn("Steps", format="localized", width=78),
        "grew": column.DatetimeColumn("Written", format="distance", width=112),
    }


def _no_match() -> None:
    with st.container(horizontal=True, vertical_alignment="center", key="no-match"):
        st.info("No run matches this filter.", icon=":material/filter_alt_off:")
        st.button("Show all runs", on_click=_show_all)


def _show_all() -> None:
    WORDS.set("")
    STATES.set(())


def _troubles(troubles: Sequence[str]) -> None:
    """What could not be looked into."""
    if not troubles:
        return
    with st.expander(f"Not everything could be read ({len(troubles):,})", icon=":material/report:"):
        for line in troubles[:TROUBLES_SHOWN]:
            st.text(line)
        if len(troubles) > TROUBLES_SHOWN:
            st.caption(f"and {len(troubles) - TROUBLES_SHOWN:,} more")
