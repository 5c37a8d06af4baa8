"""The exam is what it claims to be: enough runs, odd onsets, and marks as an obvious count has them."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="the exam trains networks")

from benchmarks.exam import bars, bases, controls, reasons, report, results
from benchmarks.exam.cases import cases
from benchmarks.exam.faults import FAULTS
from benchmarks.exam.marks import Marked, clustered, f_scores
from benchmarks.exam.training import schedule_factor
from benchmarks.intervals import wilson

ALL = list(cases(FAULTS, quick=False))
EMPTY = {"alarms": [], "notes": [], "causes": [], "sure": {}, "causes_sure": [], "status": "healthy"}


def marked(case, *alarms):
    look = EMPTY | {"alarms": list(alarms)}
    return Marked(
        case, "watched", "watched", 0, 100, dict.fromkeys(("0.25", "0.5", "0.75"), EMPTY) | {"1.0": look}, None
    )


def test_it_has_as_many_faults_seeds_and_healthy_runs_as_a_rate_needs():
    assert len(FAULTS) >= 30
    assert sum(case.fault is None for case in ALL) >= 150
    assert len(controls.CONTROLS) >= 20
    for name in FAULTS:
        assert len([case for case in ALL if case.fault and case.fault.name == name]) >= 3, name
    assert 3 * sum(fault.held_out for fault in FAULTS.values()) >= len(FAULTS)


def test_every_faulty_run_has_its_clean_twin():
    twins = {(case.task, case.seed) for case in ALL if case.kind == "twin"}
    assert {(case.task, case.seed) for case in ALL if case.fault} <= twins


def test_no_two_runs_share_a_name():
    names = [case.name for case in ALL]
    assert len(set(names)) == len(names)


def test_faults_set_in_at_odd_steps_inside_the_training_off_the_recording_grid():
    for case in ALL:
        if case.fault and case.fault.sets_in is not None:
            onset = case.fault.onset_step(case.settings.steps, case.seed)
            assert onset % 2 == 1
            assert 0 < onset < case.settings.steps


def test_what_is_declared_knowable_has_a_reason_and_a_cause_shows_as_a_symptom_too():
    for fault in FAULTS.values():
        for known in (fault.watched, fault.plain):
            assert known.why
            assert known.symptom or not known.cause
        assert fault.watched.symptom or not fault.plain.symptom, f"{fault.name}: the hooks record more than the log"


@pytest.mark.parametrize("settings", [*bases.BASES.values(), *controls.CONTROLS.values()])
def test_schedules_stay_between_zero_and_one(settings):
    factors = [schedule_factor(settings, step) for step in range(settings.steps)]
    assert min(factors) >= 0
    assert max(factors) <= 1


def test_a_rate_whose_runs_are_alike_inside_each_task_has_a_wider_interval():
    hits = [True] * 10 + [False] * 10
    alike = clustered(hits, ["a"] * 10 + ["b"] * 10)
    mixed = clustered(hits, ["a", "b"] * 10)
    low, high = wilson(10, 20)
    assert mixed == f"10 of 20 (50 %, {100 * low:.0f}-{100 * high:.0f} %)"
    assert alike.startswith("10 of 20 (50 %, ")
    assert _width(alike) > 2 * _width(mixed)


def test_precision_and_recall_count_found_runs_and_false_claims():
    dead = [case for case in ALL if case.fault and case.fault.name == "units_die"]
    twin = next(case for case in ALL if case.kind == "twin")
    control = next(case for case in ALL if case.kind == "control")
    marks = [marked(dead[0], "dead-units"), marked(dead[1], "plateau"), marked(dead[2])]
    marks += [marked(twin, "dead-units"), marked(control)]
    precision, recall, f1 = f_scores(marks)["units_die"]
    assert (precision, recall) == (2 / 3, 2 / 3)
    assert f1 == pytest.approx(2 / 3)


def _width(text):
    low, high = text.rpartition(", ")[2].removesuffix(" %)").split("-")
    return int(high) - int(low)


def test_what_is_kept_of_the_verdicts_gives_the_same_tables(tmp_path):
    fault = next(case for case in ALL if case.fault and case.fault.name == "units_die")
    whole = EMPTY | {"alarms": ["dead-units"], "causes": ["dead-units"], "sure": {"dead-units": 0.9}}
    looks = {"0.25": EMPTY, "0.5": EMPTY | {"alarms": ["plateau"]}, "0.75": EMPTY, "1.0": whole}
    marks = [Marked(fault, log, log, 40, 100, looks, 50) for log in ("watched", "plain")]
    marks += [Marked(fault, "another", "plain", 40, 100, {"1.0": EMPTY}, None)]
    results.save(marks, tmp_path / "kept.json")
    again = results.load(tmp_path / "kept.json")
    for made in (bars.table, report.summary, report.by_fault, report.apart):
        assert list(made(again)) == list(made(marks))
    assert again[0].vanished() == ["plateau"]
    assert again[0].looks["1.0"]["sure"] == {"dead-units": 0.9}


def test_a_bar_is_held_or_missed_by_what_was_counted():
    healthy = [case for case in ALL if case.fault is None]
    quiet = [marked(case) for case in healthy[:50]]
    (line,) = [line for line in bars.table(quiet) if line.startswith("| healthy logs with an alarm |")]
    assert line.startswith("| healthy logs with an alarm | 0 of 50 ")
    assert line.endswith("| at most 2 | held |")
    loud = [marked(case, "plateau") for case in healthy[:3]]
    (line,) = [line for line in bars.table(quiet + loud) if line.startswith("| healthy logs with an alarm |")]
    assert line.startswith("| healthy logs with an alarm | 3 of 53 ")
    assert line.endswith("| at most 2 | **missed** |")


def test_false_alarms_are_told_by_name_and_by_when():
    control = next(case for case in ALL if case.kind == "control")
    looks = {"0.25": EMPTY | {"alarms": ["overfitting"]}, "0.5": EMPTY, "0.75": EMPTY, "1.0": EMPTY}
    told = list(report.false_alarms([Marked(control, "plain", "plain", 0, 100, looks, None)]))
    assert told == [f"- {control.name} (plain): overfitting at 25 % of the run"]


def test_every_miss_that_was_kept_has_its_reason_and_no_reason_is_stale():
    missed = {(mark.case.fault.name, mark.judge) for mark in report.misses(_ours(results.load()))}
    assert missed == set(reasons.REASONS)


def _ours(marks):
    return [mark for mark in marks if mark.judge == mark.sees]


def test_the_quick_exam_has_every_fault_once_every_training_and_half_of_the_controls():
    quick = list(cases(FAULTS, quick=True))
    assert [case.fault.name for case in quick if case.fault] == list(FAULTS)
    assert {case.task for case in quick if case.kind == "twin"} == set(bases.BASES)
    assert len({case.task for case in quick if case.fault}) >= 10
    assert sum(case.kind == "control" for case in quick) == len(controls.CONTROLS) / 2
    assert {case.name for case in quick} < {case.name for case in ALL}
