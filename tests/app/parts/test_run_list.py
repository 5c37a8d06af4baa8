"""The list of runs: its order, its filter, its cells."""

from __future__ import annotations

import math
from dataclasses import replace

import pyarrow
import pytest

from trainvitals.kept import RunSummary
from trainvitals.model import Cause, Diagnosis, Finding, Progress, Severity, SignalSummary, Status, Verdict
from trainvitals_app.parts import run_list
from trainvitals_app.runs.listing import RunRow


def diagnosis(run_id, status, *findings):
    return Diagnosis(
        id=run_id,
        path=run_id,
        name=run_id,
        format="csv",
        first_step=0,
        last_step=1200,
        points=1201,
        status=status,
        signals=SignalSummary(),
        progress=Progress("loss", Verdict.PROGRESSING),
        findings=findings,
    )


def finding(name, severity=Severity.WARNING, confidence=0.9, **more):
    return Finding("LOS001", name, severity, confidence, f"the {name}", first_step=355, **more)


def judged(run_id, status, *findings, **values):
    summary = RunSummary(diagnosis(run_id, status, *findings), **values)
    return RunRow(run_id, run_id, run_id, "judged", summary, summary)


ROWS = [
    judged("x/healthy", Status.HEALTHY, finding("limited-diversity", Severity.INFO)),
    RunRow("x/waiting", "waiting", "x/waiting"),
    judged("x/unsure", Status.UNDETERMINED),
    judged("x/warning", Status.WARNING, finding("overfitting", causes=(Cause("capacity-limit", 0.9, ("a",)),))),
    RunRow("x/broken", "broken", "x/broken", "unreadable", trouble="x/broken: it is torn"),
    judged("x/error", Status.ERROR, finding("non-finite-loss", Severity.ERROR), finding("loss-spikes")),
    judged("x/surer", Status.WARNING, finding("overfitting", confidence=0.99)),
]


def ids(rows):
    return [row.id.removeprefix("x/") for row in rows]


def table_of(rows):
    return run_list.table(rows, run_list.short_names(rows))


def test_the_worst_and_surest_come_first_and_what_is_not_known_last():
    order = ["error", "surer", "warning", "unsure", "healthy", "broken", "waiting"]
    assert ids(run_list.worst_first(ROWS)) == order
    assert ids(run_list.sickest(ROWS)) == order[:3]


def test_runs_with_the_same_problem_stand_together():
    assert [ids(group) for group in run_list.by_problem(ROWS)] == [["error"], ["surer", "warning"]]


def test_runs_are_counted_by_the_words_of_the_reports():
    counted = run_list.counts(ROWS)
    assert counted == {"sick": 3, "cannot tell yet": 1, "healthy": 1, "waiting": 1, "unreadable": 1}
    assert list(counted) == [state for state in run_list.STATES if state in counted]
    assert set(run_list.counts(ROWS[:1])) == {"healthy"}


@pytest.mark.parametrize(
    ("words", "states", "expected"),
    [
        ("", (), ids(ROWS)),
        ("OVERFIT", (), ["warning", "surer"]),
        ("capacity over", (), ["warning"]),
        ("torn", (), ["broken"]),
        ("los001", ("sick",), ["warning", "error", "surer"]),
        ("", ("healthy", "waiting"), ["healthy", "waiting"]),
        ("nowhere", (), []),
    ],
)
def test_the_filter_looks_at_names_findings_causes_and_states(words, states, expected):
    assert ids(run_list.matching(ROWS, words, states)) == expected


def test_a_cell_says_what_is_known_and_nothing_where_it_is_not():
    table = table_of(ROWS).set_index("run")
    error = table.loc["error", ["problem", "cause", "since", "steps"]]
    assert list(error) == [
        "non-finite-loss +1",
        "",
        355,
        1200,
    ]
    assert list(table.loc["warning", ["problem", "cause"]]) == ["overfitting", "capacity-limit"]
    assert table.loc["healthy", "problem"] == "● limited-diversity"
    assert table.loc["broken", "problem"] == "it is torn"
    assert table.loc["waiting", ["since", "loss", "best", "steps", "grew"]].isna().all()
    assert table.loc["waiting", "curve"] == []


def test_each_status_is_a_sign_and_a_word_that_the_table_has_a_colour_for():
    cells = [cell for (cell,) in table_of(run_list.worst_first(ROWS))["status"]]
    assert cells[:2] == ["✖ sick", "▲ sick"]
    assert set(cells) == set(run_list.CELLS)


def test_a_last_loss_that_is_not_finite_is_told_to_the_browser_apart_from_one_that_is_not_known():
    rows = [judged(str(place), Status.ERROR, last_loss=loss) for place, loss in enumerate((math.nan, math.inf, 2.0))]
    sent = pyarrow.Table.from_pandas(table_of([*rows, judged("none", Status.ERROR)]))["loss"].to_pylist()
    assert math.isnan(sent[0])
    assert sent[1:] == [math.inf, 2.0, None]


def test_a_sparkline_and_the_best_value_leave_out_what_is_not_finite():
    row = judged("a", Status.ERROR, best_val=math.inf, sparkline=(1.0, math.nan, 2.0, math.inf))
    table = table_of([row])
    assert table["best"].isna().all()
    assert table.loc[0, "curve"] == [1.0, 2.0]


def test_of_a_long_path_the_ends_are_shown_where_they_tell_it_from_the_others():
    same = ("c/lightning_logs/first/version_1", "c/lightning_logs/other/version_1")
    ids = ("a/lightning_logs/version_1", "b/lightning_logs/version_1", *same, "d/short/1")
    names = run_list.short_names([RunRow(run_id, "", "") for run_id in ids])
    assert list(names.values()) == ["a/…/version_1", "b/…/version_1", *same, "d/short/1"]


def test_values_are_shown_before_there_is_a_verdict():
    values = RunSummary(diagnosis("a", Status.UNDETERMINED), last_loss=0.5)
    table = table_of([RunRow("a", "a", "a", values=values)])
    assert table.loc[0, "loss"] == 0.5
    assert table.loc[0, "status"] == ["… waiting"]
    assert table.loc[0, "progress"] == ""


def test_a_folder_that_all_share_is_left_out_of_the_names():
    rows = [RunRow(run_id, "", "") for run_id in ("x/a/1", "x/b/1", "y/a", "z\x1b[2J\u202e")]
    assert run_list.short_names(rows[:2]) == {"x/a/1": "a/1", "x/b/1": "b/1"}
    assert run_list.short_names(rows[:1]) == {"x/a/1": "x/a/1"}
    assert set(run_list.short_names(rows[:3]).values()) == {"x/a/1", "x/b/1", "y/a"}
    assert set(run_list.short_names(rows[3:]).values()) == {r"z\x1b[2J\u202e"}


def test_the_line_of_a_sick_run_says_what_since_when_how_sure_and_why():
    what, sentence = run_list.headline(ROWS[3])
    assert what == "overfitting since step 355 (very likely) ← capacity-limit"
    assert sentence == "the overfitting"
    assert run_list.headline(replace(ROWS[3], summary=RunSummary(diagnosis("a", Status.WARNING))))[1] == ""
