"""What a training hears of its diagnosis, from a child process that says what the test wants."""

from __future__ import annotations

import io
import math
import sys
from dataclasses import replace

import pytest
from tests.hooks.live.child import OPENED, PLATEAU, SPIKES, STANDING
from tests.hooks.training import plain_steps, recorded, watching

import trainvitals
from trainvitals.errors import ConfigError
from trainvitals.reporters.live_json import Final, Told
from trainvitals_hooks.console import is_terminal

pytestmark = pytest.mark.torch


def texts(folder):
    return trainvitals.read_run(folder).texts


def test_a_change_is_one_line_and_the_diagnosis_is_in_the_event_file(vitals, child, model, optimizer, tmp_path, capsys):
    capsys.readouterr()
    child.says = [OPENED, STANDING]
    plain_steps(model, optimizer, vitals, 1)
    assert capsys.readouterr().err == f"trainvitals: {OPENED.text}\n"
    assert vitals.findings == (PLATEAU,)
    assert texts(tmp_path) == {"trainvitals/diagnosis": "**sick: plateau**"}


def test_the_diagnosis_in_the_event_file_changes_no_diagnosis(vitals, child, model, optimizer, tmp_path):
    before = trainvitals.diagnose(trainvitals.read_run(tmp_path))
    child.says = [OPENED, STANDING]
    vitals._live.look(2)
    assert texts(tmp_path)
    assert trainvitals.diagnose(trainvitals.read_run(tmp_path)) == before


def test_tensorboard_shows_the_diagnosis_as_text(vitals, child, model, optimizer, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for number in range(2):
        child.says = [replace(STANDING, summary=f"**{number}**")]
        plain_steps(model, optimizer, vitals, 1)
    accumulator = EventAccumulator(str(tmp_path), size_guidance={"tensors": 0})
    accumulator.Reload()
    assert accumulator.SummaryMetadata("trainvitals/diagnosis").plugin_data.plugin_name == "text"
    shown = accumulator.Tensors("trainvitals/diagnosis")
    assert [(each.step, each.tensor_proto.string_val[0]) for each in shown] == [(3, b"**0**"), (4, b"**1**")]


def test_on_finding_is_called_at_the_next_log(tmp_path, children, model, optimizer):
    called = []
    settings = {"live": True, "on_finding": lambda *news: called.append(news)}
    with watching(model, optimizer, tmp_path, **settings) as vitals:
        plain_steps(model, optimizer, vitals, 3)
        children[0].says = [OPENED, Told("resolved", replace(PLATEAU, state="resolved"), "resolved"), STANDING]
        optimizer.step()
        assert called == []
        vitals.log(loss=1.0)
        assert called == [(PLATEAU, "opened"), (replace(PLATEAU, state="resolved"), "resolved")]
        vitals.log(loss=1.0)
        children[0].last = [Told("opened", SPIKES, "opened loss-spikes"), STANDING, Final(1.0)]
    assert called[2:] == [(SPIKES, "opened")]


def test_on_finding_may_fail_without_harm_and_is_told_once(tmp_path, children, model, optimizer, capsys):
    def broken(finding, change):
        raise RuntimeError("no such channel")

    with watching(model, optimizer, tmp_path, live=True, on_finding=broken) as vitals:
        for _ in range(3):
            losses = plain_steps(model, optimizer, vitals, 2)
            children[0].says = [OPENED]
        assert all(map(math.isfinite, losses))
    assert capsys.readouterr().err.count("no such channel") == 1


def test_on_finding_may_stop_the_training_by_what_is_no_error(tmp_path, children, model, optimizer):
    def stop(finding, change):
        raise SystemExit(3)

    vitals = watching(model, optimizer, tmp_path, live=True, on_finding=stop)
    plain_steps(model, optimizer, vitals, 3)
    children[0].says = [OPENED]
    with pytest.raises(SystemExit):
        plain_steps(model, optimizer, vitals, 1)


def test_on_finding_may_log_and_close(tmp_path, children, model, optimizer):
    def end(finding, change):
        vitals.log(note=1.0)
        vitals.close()

    vitals = watching(model, optimizer, tmp_path, live=True, on_finding=end)
    plain_steps(model, optimizer, vitals, 3)
    children[0].says = [OPENED]
    plain_steps(model, optimizer, vitals, 3)
    assert recorded(tmp_path)["train/note"] == {3: 1.0}


def test_the_end_is_the_verdict_the_cost_and_the_next_command(vitals, child, tmp_path, capsys):
    capsys.readouterr()
    child.last = [OPENED, STANDING, Final(1.5)]
    vitals.close()
    told = capsys.readouterr().err.splitlines()
    assert [line.removeprefix("trainvitals: ")[:20] for line in told] == [
        "sick: plateau since ",
        "3 steps recorded at ",
        "next: trainvitals di",
    ]
    assert told[1].endswith("; the live diagnosis took 1.5 s in a process of its own")
    assert texts(tmp_path) == {"trainvitals/diagnosis": "**sick: plateau**"}
    assert vitals.findings == (PLATEAU,)


@pytest.mark.parametrize("last", [[], [OPENED, STANDING]])
def test_an_end_without_an_answer_says_so(vitals, child, capsys, last):
    child.last = last
    vitals.close()
    assert capsys.readouterr().err.splitlines()[-3:][0] == "trainvitals: no verdict: not within 10 s"


def test_what_was_found_before_the_run_goes_back_is_void_and_told_nobody(tmp_path, children, model, optimizer):
    called = []
    settings = {"live": True, "on_finding": lambda *news: called.append(news)}
    with watching(model, optimizer, tmp_path, **settings) as vitals:
        plain_steps(model, optimizer, vitals, 3)
        state = vitals.state_dict()
        children[0].says = [OPENED, STANDING]
        optimizer.step()
        vitals.load_state_dict(state)
        assert vitals.findings == ()
        vitals.log(loss=1.0)
        assert called == []
        plain_steps(model, optimizer, vitals, 1)
        children[1].last = [Final(1.0)]
    assert called == []


@pytest.mark.parametrize("ends", [True, False])
def test_findings_are_void_too_where_the_diagnosis_is_off(tmp_path, children, model, optimizer, capsys, ends):
    with watching(model, optimizer, tmp_path, live=True) as vitals:
        plain_steps(model, optimizer, vitals, 3)
        state = vitals.state_dict()
        children[0].says = [OPENED, STANDING]
        children[0].end, children[0].refused = ("refused", True) if ends else (None, False)
        plain_steps(model, optimizer, vitals, 1)
        assert vitals.findings == (PLATEAU,)
        vitals.load_state_dict(state)
        assert vitals.findings == ()
        plain_steps(model, optimizer, vitals, 2)
    assert len(children) == (1 if ends else 2)


def test_ignored_findings_reach_the_child(tmp_path, children, model, optimizer):
    for names, expected in (("plateau", ("plateau",)), (["LOS003", "generalisation"], ("LOS003", "generalisation"))):
        with watching(model, optimizer, tmp_path, live=True, ignore=names) as vitals:
            plain_steps(model, optimizer, vitals, 3)
        assert children[-1].settings["ignore"] == expected


def test_an_unknown_name_is_refused_before_anything_is_attached(tmp_path, children, model, optimizer):
    with pytest.raises(ConfigError, match=r"^ignore: no rule 'platau' \(did you mean plateau\?\)$"):
        watching(model, optimizer, tmp_path, live=True, ignore=["platau"])
    assert not optimizer._optimizer_step_post_hooks
    assert list(tmp_path.iterdir()) == []


def test_colours_are_for_terminals(tmp_path, children, monkeypatch, model, optimizer):
    class Screen(io.StringIO):
        def isatty(self):
            return True

    closed = io.StringIO()
    closed.close()
    for stream in (Screen(), io.StringIO(), closed, None, object()):
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stderr", stream)
            assert is_terminal() == isinstance(stream, Screen)
    monkeypatch.setattr(sys, "stderr", Screen())
    with watching(model, optimizer, tmp_path, live=True) as vitals:
        plain_steps(model, optimizer, vitals, 3)
    assert children[0].settings["colour"]
