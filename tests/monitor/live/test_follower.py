"""Following growing runs: what is read when, what is told, and what is survived."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from tests.monitor.live.growing import Time, Training, following, names, polled

import trainvitals
from trainvitals.config import Acceptance, Config
from trainvitals.errors import UnknownRuleError
from trainvitals.live import follower as follower_module
from trainvitals.live.allowance import MOST_SAVED_S
from trainvitals.live.companion import SHARE
from trainvitals.live.follower import DIAGNOSING_PART
from trainvitals.model import Severity
from trainvitals.signals import SignalOverrides


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def training(tmp_path: Path, time: Time) -> Training:
    return Training(tmp_path / "run", time)


def test_a_healthy_run_has_no_changes(training: Training, time: Time) -> None:
    follower = following(training.folder, time)
    changes = []
    for _ in range(30):
        training.healthy(20)
        changes += polled(follower, time, 1)
    assert changes == []
    assert follower.diagnoses[0].status == "healthy"
    assert follower.diagnoses[0].last_step == 599


def test_a_loss_that_becomes_nan_is_told_at_the_next_poll(training: Training, time: Time) -> None:
    follower = following(training.folder, time)
    training.healthy(300)
    polled(follower, time, 1)
    training.log(float("nan"))
    (change,) = polled(follower, time, 1)
    assert (change.kind, change.finding.name, change.step) == ("opened", "non-finite-loss", 300)
    assert change.wall_time == time.now_s


def test_a_loss_that_becomes_nan_does_not_wait_for_the_budget(training: Training, time: Time) -> None:
    follower = following(training.folder, time)
    for points in (300, 100):
        training.healthy(points)
        time.cpu_s += 1
        polled(follower, time, 1)
    follower._diagnosing._due_at_s = time.now_s + 60
    training.log(float("nan"))
    assert names(polled(follower, time, 1)) == [("opened", "non-finite-loss")]


def test_anything_else_waits_for_a_second_look_at_more_data(training: Training, time: Time) -> None:
    follower = following(training.folder, time)
    training.healthy(300)
    polled(follower, time, 1)
    looks = []
    while not looks or not looks[-1]:
        training.log(9.0, times=10)
        looks.append(polled(follower, time, 1))
    found = trainvitals.diagnose(trainvitals.read_run(training.folder)).findings
    assert len(looks) >= 2
    assert looks[-1][0].kind == "opened"
    assert looks[-1][0].finding.name in {finding.name for finding in found}


def test_what_a_finished_log_says_is_told_once_it_rests(tmp_path: Path, time: Time, root: Path) -> None:
    shutil.copytree(root / "sample_logs" / "overfitting", tmp_path / "run")
    follower = following(tmp_path / "run", time)
    assert polled(follower, time, 5) == []
    told = [change for change in polled(follower, time, 600) if change.finding.severity is not Severity.INFO]
    assert names(told) == [("opened", "overfitting")]


def test_a_log_that_rests_costs_no_diagnosis(training: Training, time: Time, monkeypatch: pytest.MonkeyPatch) -> None:
    follower = following(training.folder, time)
    training.healthy(100)
    polled(follower, time, 1)
    monkeypatch.setattr("trainvitals.live.followed_run.diagnose", lambda run, config: pytest.fail("diagnosed again"))
    polled(follower, time, 700)


def test_diagnosing_keeps_to_its_share(training: Training, time: Time, monkeypatch: pytest.MonkeyPatch) -> None:
    cost_s, looks = 2.0, []

    def costly(run, config):
        looks.append(time.now_s)
        time.cpu_s += cost_s
        return trainvitals.diagnose(run, config)

    monkeypatch.setattr("trainvitals.live.followed_run.diagnose", costly)
    follower = following(training.folder, time)
    begin_s = time.now_s
    for _ in range(100):
        training.healthy(20)
        polled(follower, time, 1)
    spent_s = cost_s * (len(looks) - 1)  # the first one loads what all need
    assert 0 < spent_s <= SHARE * DIAGNOSING_PART * (time.now_s - begin_s) + cost_s + MOST_SAVED_S


def test_a_smaller_share_has_fewer_looks(training: Training, time: Time, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = []

    def costly(run, config):
        looks.append(time.now_s)
        time.cpu_s += 0.25
        return trainvitals.diagnose(run, config)

    monkeypatch.setattr("trainvitals.live.followed_run.diagnose", costly)
    follower = following(training.folder, time, share=0.02)
    for _ in range(60):
        training.healthy(20)
        polled(follower, time, 1)
    # One that loads, what was saved up, and then one each 25 s of the 1260.
    assert 48 <= len(looks) <= 56
    follower.take_share(0.002)
    looks.clear()
    for _ in range(60):
        training.healthy(20)
        polled(follower, time, 1)
    assert 4 <= len(looks) <= 6


def test_in_a_hurry_a_log_is_read_although_it_is_not_due(training: Training, time: Time) -> None:
    follower = following(training.folder, time)
    training.healthy(300)
    polled(follower, time, 1)
    follower._reading._due_at_s = follower._diagnosing._due_at_s = time.now_s + 20
    training.log(float("nan"))
    assert follower.poll() == []
    assert names(follower.poll(in_a_hurry=True)) == [("opened", "non-finite-loss")]


def test_alone_the_runs_in_folders_below_are_others(training: Training, time: Time) -> None:
    follower = following(training.folder, time, alone=True)
    other = Training(training.folder / "of-another", time)
    other.healthy(100)
    polled(follower, time, 3)
    assert follower.runs == ()
    training.healthy(100)
    polled(follower, time, 3)
    assert [run.id for run in follower.runs] == ["run"]
    assert [diagnosis.points for diagnosis in follower.diagnoses] == [100]


def test_a_path_without_a_run_is_waited_for(training: Training, time: Time) -> None:
    follower = following(training.folder, time)
    assert polled(follower, time, 3) == []
    assert follower.missing is not None
    training.healthy(100)
    polled(follower, time, 1)
    assert follower.missing is None
    assert [run.id for run in follower.runs] == ["run"]


def test_runs_that_appear_later_are_followed_under_their_names(tmp_path: Path, time: Time) -> None:
    follower = following(tmp_path, time)
    for name in ("a", "b"):
        training = Training(tmp_path / name, time)
        training.healthy(100)
        training.log(float("nan"), times=3)
    assert {change.run.split("/")[-1] for change in polled(follower, time, 30)} == {"a", "b"}


def test_of_too_many_runs_those_written_last_are_followed(
    tmp_path: Path, time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follower_module, "MOST_RUNS", 2)
    for age, name in enumerate("cab"):
        training = Training(tmp_path / name, time)
        training.healthy(5)
        assert training.writer is not None
        os.utime(training.writer.path, (1000 - age, 1000 - age))
    follower = following(tmp_path, time)
    polled(follower, time, 1)
    assert [run.id.split("/")[-1] for run in follower.runs] == ["a", "c"]
    assert follower.left_out == 1
    (left_out,) = (tmp_path / "b").iterdir()
    for written_at, expected in ((1010, ["a", "c"]), (2000, ["b", "c"])):
        os.utime(left_out, (written_at, written_at))
        polled(follower, time, 1)
        assert [run.id.split("/")[-1] for run in follower.runs] == expected


def test_accepted_findings_are_counted_and_not_announced(training: Training, time: Time) -> None:
    follower = following(training.folder, time, Config(accepted=(Acceptance("non-finite-loss", "a drill", run="run"),)))
    training.healthy(100)
    training.log(float("nan"), times=50)
    assert polled(follower, time, 60) == []
    assert [finding.state for finding in follower.diagnoses[0].findings] == ["accepted"]


def test_a_nan_that_heals_is_resolved(training: Training, time: Time) -> None:
    follower = following(training.folder, time)
    training.healthy(300)
    polled(follower, time, 1)
    training.log(float("nan"))
    changes = polled(follower, time, 1)
    for _ in range(4):
        training.healthy(20)
        changes += polled(follower, time, 1)
    assert names(changes) == [("opened", "non-finite-loss"), ("resolved", "non-finite-loss")]
    training.log(float("nan"), times=10)
    assert names(polled(follower, time, 1)) == [("opened", "non-finite-loss")]


def test_a_lasting_nan_after_a_healed_one_is_told_within_ten_steps(training: Training, time: Time) -> None:
    follower = following(training.folder, time)
    training.healthy(300)
    training.log(float("nan"))
    training.healthy(3000)
    polled(follower, time, 1)
    changes = []
    for _ in range(9):
        training.log(float("nan"))
        changes += polled(follower, time, 1)
    assert (changes[-1].finding.name, changes[-1].finding.severity) == ("non-finite-loss", "error")


def test_a_restart_that_leaves_a_nan_behind_resolves_it(training: Training, time: Time) -> None:
    follower = following(training.folder, time)
    training.healthy(300)
    training.log(float("nan"), times=20)
    changes = polled(follower, time, 1)
    training.restart(250)
    for _ in range(5):
        training.healthy(40)
        changes += polled(follower, time, 1)
    assert ("opened", "non-finite-loss") in names(changes)
    assert ("resolved", "non-finite-loss") in names(changes)


def test_a_replaced_run_is_told_anew(training: Training, time: Time) -> None:
    follower = following(training.folder, time)
    training.healthy(300)
    training.log(float("nan"), times=20)
    changes = polled(follower, time, 1)
    shutil.rmtree(training.folder)
    changes += polled(follower, time, 2)
    second = Training(training.folder, time)
    second.healthy(60)
    changes += polled(follower, time, 3)
    second.healthy(60)
    changes += polled(follower, time, 3)
    assert names(changes) == [("opened", "non-finite-loss"), ("resolved", "non-finite-loss")]
    second.log(float("nan"), times=3)
    assert names(polled(follower, time, 2)) == [("opened", "non-finite-loss")]


def test_a_deleted_run_keeps_its_diagnosis(training: Training, time: Time) -> None:
    follower = following(training.folder, time)
    training.healthy(200)
    polled(follower, time, 1)
    shutil.rmtree(training.folder)
    polled(follower, time, 3)
    assert follower.finish() == []
    assert [diagnosis.last_step for diagnosis in follower.diagnoses] == [199]


@pytest.mark.parametrize("size", [0, 1, 100, 5000])
def test_a_truncated_event_file_is_survived(training: Training, time: Time, size: int) -> None:
    follower = following(training.folder, time)
    training.healthy(300)
    polled(follower, time, 1)
    assert training.writer is not None
    os.truncate(training.writer.path, size)
    polled(follower, time, 30)
    training.healthy(50)
    polled(follower, time, 30)
    follower.finish()
    assert len(follower.diagnoses) == 1


def test_a_torn_record_is_read_when_it_is_whole(training: Training, time: Time) -> None:
    training.healthy(300)
    assert training.writer is not None
    data = training.writer.path.read_bytes()
    training.writer.path.write_bytes(data[:-7])
    follower = following(training.folder, time)
    polled(follower, time, 1)
    assert follower.diagnoses[0].last_step == 298
    training.writer.path.write_bytes(data)
    polled(follower, time, 30)
    assert follower.diagnoses[0].last_step == 299


def test_a_table_is_read_again_when_it_has_changed(tmp_path: Path, time: Time) -> None:
    path = tmp_path / "metrics.csv"
    follower = following(path, time)
    rows = [f"{step},{2 + 8 / (step + 1)}" for step in range(200)]
    path.write_text("\n".join(["step,train_loss", *rows[:100]]) + "\n")
    polled(follower, time, 1)
    assert follower.diagnoses[0].last_step == 99
    path.write_text("\n".join(["step,train_loss", *rows]) + "\n199,nan\n200,nan\n")
    assert names(polled(follower, time, 1)) == [("opened", "non-finite-loss")]


def test_a_half_written_file_is_read_again_when_it_is_whole(tmp_path: Path, time: Time) -> None:
    path = tmp_path / "trainer_state.json"
    state = json.dumps({"log_history": [{"step": step, "loss": 2 + 8 / step} for step in range(1, 101)]})
    path.write_text(state)
    follower = following(path, time)
    for written in (len(state), 1000, 1, 0, len(state)):
        path.write_text(state[:written])
        assert polled(follower, time, 1) == []
    polled(follower, time, 60)
    assert follower.troubles == []
    assert follower.diagnoses[0].last_step == 100


def test_a_told_tag_that_is_not_there_yet_is_waited_for(training: Training, time: Time) -> None:
    follower = following(training.folder, time, Config(signals=SignalOverrides(val_loss=("val/loss",))))
    training.healthy(100)
    polled(follower, time, 1)
    assert "val/loss" in str(follower.troubles[0])
    assert training.writer is not None
    training.writer.write_scalars(100, {"val/loss": 1.0})
    training.healthy(10)
    polled(follower, time, 2)
    assert follower.troubles == []
    assert follower.diagnoses[0].signals.val_loss == {"": "val/loss"}


def test_settings_are_checked_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(UnknownRuleError):
        follower_module.Follower(tmp_path, Config(select=("platau",)))


def test_the_end_is_what_diagnose_says(tmp_path: Path, time: Time, root: Path) -> None:
    for sample in sorted((root / "sample_logs").iterdir()):
        if sample.is_dir():
            follower = following(sample, time)
            follower.finish()
            (followed,) = follower.diagnoses
            diagnosed = trainvitals.diagnose(trainvitals.read_run(sample))
            # As text: a NaN in the evidence is not equal to itself.
            assert repr((followed.status, followed.findings)) == repr((diagnosed.status, diagnosed.findings))


def test_a_text_is_no_growth(training: Training, time: Time) -> None:
    """A watched training writes its own diagnosis there; the follower must not go on looking at that."""
    follower = following(training.folder, time)
    training.healthy(100)
    polled(follower, time, 1)
    (run,) = follower.runs
    assert training.writer is not None
    training.writer.write_text(99, "trainvitals/diagnosis", "**healthy**", time.now_s)
    run.read()
    assert not run.is_worth_a_look
