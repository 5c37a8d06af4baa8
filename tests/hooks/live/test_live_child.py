"""The life of the child process: when it is started, and again, what it may take, how it ends with the training."""

from __future__ import annotations

import math
import os
from dataclasses import replace

import pytest
import torch
from tests.hooks.live.child import OPENED, PLATEAU, SPIKES, STANDING, Child
from tests.hooks.training import network, plain_steps, recorded, watching

from trainvitals.model import Severity
from trainvitals.reporters.live_json import Told
from trainvitals_hooks import live, watcher
from trainvitals_hooks.recording.schedule import Schedule

pytestmark = pytest.mark.torch


def test_a_child_follows_the_run_from_its_first_record_on(vitals, children, model, optimizer, tmp_path):
    assert children == []
    plain_steps(model, optimizer, vitals, 3)
    (child,) = children
    assert child.folder == tmp_path
    assert child.settings["ignore"] == ()


@pytest.mark.parametrize("settings", [{"live": False}, {"live": False, "ignore": ["plateau"]}])
def test_without_live_there_is_no_child(tmp_path, children, model, optimizer, settings, capsys):
    with watching(model, optimizer, tmp_path, **settings) as vitals:
        plain_steps(model, optimizer, vitals, 5)
    assert children == []
    assert "diagnosis" not in capsys.readouterr().err


def test_where_nothing_is_recorded_there_is_no_child(tmp_path, children, monkeypatch, model, optimizer):
    (tmp_path / "file").write_text("in the way")
    with watching(model, optimizer, tmp_path / "file" / "run", live=True) as vitals:
        plain_steps(model, optimizer, vitals, 3)

    def write(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", write)
        with watching(model, optimizer, tmp_path / "full", live=True) as vitals:
            plain_steps(model, optimizer, vitals, 3)
    assert children == []


def test_a_child_that_dies_is_started_again_once(vitals, child, children, model, optimizer, tmp_path, capsys):
    child.says, child.end = [OPENED, STANDING], "SIGKILL"
    plain_steps(model, optimizer, vitals, 2)
    assert len(children) == 2
    assert child.is_killed
    assert vitals.findings == (PLATEAU,)
    children[1].end = "SIGKILL"
    plain_steps(model, optimizer, vitals, 5)
    assert len(children) == 2
    assert vitals.findings == (PLATEAU,)
    told = capsys.readouterr().err
    assert told.count("ended (SIGKILL) and is started again") == 1
    assert told.count("ended again (SIGKILL) and stays off; `trainvitals follow ") == 1


def test_what_the_first_child_told_the_second_does_not_repeat(vitals, child, children, model, optimizer, capsys):
    resolved = replace(SPIKES, state="resolved")
    child.says, child.end = [OPENED, replace(STANDING, findings=(PLATEAU, resolved))], "SIGKILL"
    plain_steps(model, optimizer, vitals, 1)
    capsys.readouterr()
    worse = replace(PLATEAU, severity=Severity.ERROR)
    children[1].says = [
        replace(OPENED, finding=replace(PLATEAU, first_step=4), text="again"),
        replace(OPENED, finding=worse, text="worse"),
        Told("opened", SPIKES, "back"),
        Told("resolved", replace(PLATEAU, state="resolved"), "over"),
    ]
    plain_steps(model, optimizer, vitals, 1)
    assert capsys.readouterr().err.splitlines() == ["trainvitals: worse", "trainvitals: back", "trainvitals: over"]


def test_a_child_that_refuses_is_not_started_again(vitals, child, children, model, optimizer, capsys):
    child.end, child.refused = "pyproject.toml: unknown setting 'colour'", True
    plain_steps(model, optimizer, vitals, 3)
    assert len(children) == 1
    assert "no live diagnosis: pyproject.toml: unknown setting 'colour'" in capsys.readouterr().err


def test_a_child_that_cannot_be_started_is_told_once(tmp_path, monkeypatch, model, optimizer, capsys):
    def start(folder, **settings):
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(live, "Companion", start)
    with watching(model, optimizer, tmp_path, live=True) as vitals:
        losses = plain_steps(model, optimizer, vitals, 5)
    assert len(recorded(tmp_path)["train/loss"]) == len(losses)
    assert capsys.readouterr().err.count("no live diagnosis: ") == 1


def test_a_loss_that_is_not_finite_makes_the_child_look_at_once(vitals, child, model, optimizer):
    assert child.looks == 0
    vitals.log(loss=math.nan)
    plain_steps(model, optimizer, vitals, 2)
    assert child.looks == 1


def test_the_child_takes_what_recording_leaves_of_the_budget(tmp_path, children, model, optimizer):
    with watching(model, optimizer, tmp_path, live=True, budget=0.02) as vitals:
        plain_steps(model, optimizer, vitals, 3)
        assert children[0].settings["share"] == 0.02
        told = []
        for own_share in (0.014, 0.0141, 0.5):
            children[0].shares.clear()
            vitals._pace.own_share = own_share
            for _ in range(100):
                vitals._live.look(3)
            told.append([*children[0].shares])
        assert told[0][-1] == pytest.approx(0.006, rel=0.25)
        assert len(told[0]) < 10
        assert told[1] == []  # not worth a message
        assert told[2][-1] == pytest.approx(0.002)


def test_without_a_limit_the_child_takes_what_follow_takes(vitals, child):
    assert child.settings["share"] == live.SHARE


@pytest.mark.parametrize("every", [1, 4])
def test_live_never_makes_recording_rarer(tmp_path, children, monkeypatch, model, optimizer, every):
    from time import sleep

    costs_s = []
    monkeypatch.setattr(Child, "lines", lambda self: sleep(0.05) or [])
    monkeypatch.setattr(Schedule, "spend", lambda self, record_s, training_s: bool(costs_s.append(record_s)))
    with watching(model, optimizer, tmp_path, live=True, every=every) as vitals:
        plain_steps(model, optimizer, vitals, 13)
        assert vitals._work.own.total_s > 0.5
    assert len(costs_s) >= 3
    # The first ones load what all need.
    assert 0 < sorted(costs_s)[len(costs_s) // 2] < 0.03


def test_waiting_for_the_end_is_no_cost_of_recording(vitals, child, monkeypatch, capsys):
    from time import sleep

    slow = child.finish
    monkeypatch.setattr(child, "finish", lambda *arguments: sleep(0.5) or slow(*arguments))
    share = vitals._work.own.share()
    vitals.close()
    cost = float(capsys.readouterr().err.partition("at a cost of ")[2].split()[0])
    assert cost < 100 * share + 5


def test_control_c_cuts_the_waiting_short_and_the_rest_is_done(vitals, child, optimizer, capsys):
    child.last = [KeyboardInterrupt]
    with pytest.raises(KeyboardInterrupt):
        vitals.close()
    assert "next: trainvitals diagnose" in capsys.readouterr().err
    assert not optimizer._optimizer_step_post_hooks
    vitals.close()


def test_at_exit_control_c_cuts_short_the_waiting_for_all(tmp_path, children, model, optimizer, capsys):
    other = network()
    second = torch.optim.SGD(other.parameters(), 0.1)
    both = [
        watching(model, optimizer, tmp_path / "a", live=True),
        watching(other, second, tmp_path / "b", live=True),
    ]
    plain_steps(model, optimizer, both[0], 3)
    plain_steps(other, second, both[1], 3)
    for child in children:
        child.last = [KeyboardInterrupt]
    watcher._close_all()
    assert not any(vitals.is_open for vitals in both)
    assert capsys.readouterr().err.count("next: trainvitals diagnose") == 2
    assert [child.is_killed for child in children].count(True) == 1


def test_a_forked_process_leaves_the_child_alone(vitals, child, model, optimizer):
    watcher._leave_to_parent()
    vitals.close()
    assert (child.is_let_go, child.is_killed) == (True, False)


def test_a_run_that_goes_on_elsewhere_is_followed_there(tmp_path, children, model, optimizer):
    with watching(model, optimizer, tmp_path / "run", live=True) as vitals:
        plain_steps(model, optimizer, vitals, 3)
        state = vitals.state_dict()
    with watching(model, optimizer, tmp_path / "other", live=True) as vitals:
        plain_steps(model, optimizer, vitals, 3)
        children[1].says = [OPENED, STANDING]
        plain_steps(model, optimizer, vitals, 1)
        vitals.load_state_dict(state)
        assert children[1].is_killed
        assert vitals.findings == ()
        plain_steps(model, optimizer, vitals, 3)
    assert [child.folder for child in children] == [tmp_path / "run", tmp_path / "other", tmp_path / "run"]


def test_one_that_is_forgotten_is_not_waited_for(tmp_path, children):
    import gc

    def forget():
        model = network()
        optimizer = torch.optim.SGD(model.parameters(), 0.1)
        plain_steps(model, optimizer, watching(model, optimizer, tmp_path, live=True), 3)

    forget()
    gc.collect()
    assert children[0].is_killed
