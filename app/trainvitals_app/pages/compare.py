"""Two or more runs side by side: what became of what was found, where their curves part, what was set differently."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import pandas as pd
import streamlit as st

from trainvitals.comparison import Comparison, compare
from trainvitals.config import Config
from trainvitals.figures.comparison_figure import comparison_chart
from trainvitals.figures.curves_figure import Curve, legend_chart
from trainvitals.figures.look import SEVERITY_LOOK
from trainvitals.model import Finding, Series, Severity
from trainvitals.reporters import wording
from trainvitals.reporters.comparison_report import ANOTHER_START, loss_sentence, setting_words
from trainvitals.reporters.visible import visible
from trainvitals.side_by_side import differing_settings, findings_by_run
from trainvitals.view import RunView
from trainvitals_app import address, charts, live, shared, text
from trainvitals_app.badges import status_badge
from trainvitals_app.findings import outcome_texts
from trainvitals_app.parts import several_runs
from trainvitals_app.parts.several_runs import Opened, short_names
from trainvitals_app.runs.open_runs import Snapshot

LOG_LOSS = address.flag("log")

# Comparing two runs diagnoses both.
AT_LEAST_EVERY_S = 15.0
WORDS_WIDTH, CHARTS_WIDTH = 5, 6
LONGEST_NAME = 60

Loss = tuple[Literal["train", "val"], str]
"""Which loss: on which data, and the suite of a validation loss; ``""`` for the only one."""


def page() -> None:
    """Draw the page."""
    with st.container(key="compare-choice", horizontal=True, vertical_alignment="bottom"):
        run_ids = several_runs.choose_runs()
        if len(run_ids) == 2:
            swapped = (run_ids[::-1],)
            st.button("Swap", icon=":material/swap_horiz:", on_click=address.RUNS.set, args=swapped)
    if len(run_ids) < 2:
        several_runs.invite("Choose two or more runs: first the one before a change, then the one after it.")
        return
    with st.spinner("Reading the runs", show_time=True):
        opened = several_runs.open_runs(run_ids)
    several_runs.tell_troubles(opened)
    if len(opened.snapshots) < 2:
        st.info("Two runs that can be read are needed.", icon=":material/compare_arrows:")
        return
    every_s = live.refresh_s()
    st.fragment(_body, run_every=None if every_s is None else max(every_s, AT_LEAST_EVERY_S))(run_ids)


def _body(run_ids: tuple[str, ...]) -> None:
    several_runs.follow_new_runs()
    opened = several_runs.open_runs(run_ids, patience_s=0.0)
    if len(opened.snapshots) < 2:
        st.rerun()
    comparison = _compared(*opened.snapshots) if len(opened.snapshots) == 2 else None
    _verdicts(opened)
    if comparison is None:
        _heading("What was found in which")
        _findings(opened)
    words, drawn = st.columns([WORDS_WIDTH, CHARTS_WIDTH], gap="medium")
    with words:
        if comparison is not None:
            _heading("What became of what was found")
            _outcomes(comparison)
        _heading("What was set differently")
        _settings(opened)
    with drawn:
        _losses(opened, comparison)
    st.caption(f"written {live.ago(max(each.updated_at_s for each in opened.snapshots))}")


def _heading(words: str) -> None:
    st.markdown(f"#### {words}")


def _compared(before: Snapshot, after: Snapshot) -> Comparison:
    stamps = tuple((each.run.id, each.version, each.run.points, each.updated_at_s) for each in (before, after))
    config = shared.config()
    return _comparison((stamps, repr(config)), before, after, config)


@st.cache_resource(show_spinner="Comparing", max_entries=8)
def _comparison(of: object, _before: Snapshot, _after: Snapshot, _config: Config) -> Comparison:  # noqa: ARG001
    """Kept by ``of``: the arguments with an underscore are not looked at to know it again."""
    return compare(_before.run, _after.run, _config)


def _verdicts(opened: Opened) -> None:
    """How each run stands, in a line."""
    names = short_names([each.run.id for each in opened.snapshots])
    words = ["before", "after"] if len(names) == 2 else [""] * len(names)
    lines = [_verdict(*each) for each in zip(words, names, opened.snapshots, strict=True)]
    with st.container(key="compare-verdicts"):
        st.markdown("  \n".join(lines))


def _verdict(word: str, name: str, snapshot: Snapshot) -> str:
    badge = status_badge(snapshot.diagnosis.status)
    run = f"**{text.markdown(name, longest=LONGEST_NAME)}**"
    said = text.markdown(wording.headline(snapshot.diagnosis))
    return " ".join(part for part in (badge, f":gray[{word}]" if word else "", run, "·", said) if part)


def _outcomes(comparison: Comparison) -> None:
    with st.container(key="compare-outcomes"):
        for outcome in sorted(comparison.findings, key=lambda each: each.finding.severity is Severity.INFO):
            st.markdown("  \n".join((outcome_texts.outcome_line(outcome), *outcome_texts.outcome_details(outcome))))
        if not comparison.findings:
            st.markdown(":green[:material/check_circle:] Nothing was found in either run.")


def _findings(opened: Opened) -> None:
    rows = findings_by_run([each.diagnosis for each in opened.snapshots])
    if not rows:
        st.markdown(":green[:material/check_circle:] Nothing was found in any of these runs.")
        return
    _table(opened, "finding", [row.name for row in rows], [[_cell(found) for found in row.found] for row in rows])


def _cell(finding: Finding | None) -> str:
    if finding is None:
        return "–"
    shown = SEVERITY_LOOK[finding.severity]
    return " ".join(
        part for part in (shown.icon, shown.word, wording.onset(finding), f"({finding.likelihood})") if part
    )


def _settings(opened: Opened) -> None:
    rows = differing_settings([each.run for each in opened.snapshots])
    if rows:
        cells = [[setting_words(value) for value in row.values] for row in rows]
        _table(opened, "setting", [row.name for row in rows], cells)
    elif any(each.run.hyper_parameters for each in opened.snapshots):
        st.caption("Nothing that the logs tell of.")
    else:
        st.caption("The logs tell of no settings. `trainvitals.watch(model, optimizer)` records them.")


def _table(opened: Opened, what: str, names: Sequence[str], cells: Sequence[Sequence[str]]) -> None:
    """A row for each name, a column for each run."""
    runs = [visible(name) for name in short_names([each.run.id for each in opened.snapshots])]
    index = pd.Index([visible(name, longest=LONGEST_NAME) for name in names], name=what)
    names_column = {"_index": st.column_config.TextColumn(width="medium")}
    st.dataframe(pd.DataFrame(cells, index=index, columns=runs), key=f"compare-{what}s", column_config=names_column)


def _losses(opened: Opened, comparison: Comparison | None) -> None:
    """Each loss of the runs over each other."""
    st.toggle("Logarithmic loss", **address.bound(LOG_LOSS))
    names = short_names([each.run.id for each in opened.snapshots])
    charts.show(legend_chart(list(zip(names, range(len(names)), strict=True))), "compare-legend", zoom=None)
    drawn = [_losses_of(each) for each in opened.snapshots]
    losses = dict.fromkeys(loss for each in drawn for loss in each)
    outcomes = {(loss.split, loss.suite): loss for loss in comparison.losses} if comparison else {}
    same_start = comparison is not None and comparison.same_start
    for place, (split, suite) in enumerate(losses):
        outcome = outcomes.get((split, suite))
        if outcome is not None:
            st.markdown(text.markdown(loss_sentence(outcome, same_start=same_start)))
        chart = comparison_chart(
            f"{'training' if split == 'train' else 'validation'} loss{f' {suite}' if suite else ''}",
            _curves(opened, names, [each.get((split, suite)) for each in drawn]),
            outcome=outcome,
            same_start=same_start,
            window=address.STEPS.get(),
            log_y=LOG_LOSS.get(),
        )
        charts.show(chart, f"compare-loss-{place}", with_reset=place == 0)
    if not losses:
        st.info("These runs have no loss that could be compared.", icon=":material/show_chart:")
    elif comparison is not None and not same_start:
        st.caption(text.markdown(ANOTHER_START))


def _losses_of(snapshot: Snapshot) -> dict[Loss, Series]:
    """Each loss of a run; of a validation loss without a last row that was measured on other data."""
    view = RunView(snapshot.run, snapshot.signals)
    train, validation = view.train_loss, view.val_losses
    losses: dict[Loss, Series] = {("val", suite): loss.recorded for suite, loss in validation.items()}
    return losses if train is None else {("train", ""): snapshot.run.series[train.tag], **losses}


def _curves(opened: Opened, names: Sequence[str], losses: Sequence[Series | None]) -> list[Curve]:
    """The curves of those runs that have this loss, over steps."""
    curves = []
    for place, (name, series, snapshot) in enumerate(zip(names, losses, opened.snapshots, strict=True)):
        if series is not None:
            restarts = tuple(restart.step for restart in snapshot.run.restarts)
            curves.append(Curve(name, place, series, series.step.astype(float), restarts))
    return curves
