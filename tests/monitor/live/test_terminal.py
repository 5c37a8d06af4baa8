"""What a person sees while a run is followed: lines in a pipe, a current line as well in a terminal."""

from __future__ import annotations

import io
import signal
from pathlib import Path

import pytest
from rich.console import Console
from tests.monitor.live.growing import Time, Training, following

from trainvitals.live.changes import Change
from trainvitals.live.follower import Follower
from trainvitals.live.terminal import follow_in_terminal


@pytest.fixture
def time() -> Time:
    return Time()


def followed(path: Path, time: Time, *, terminal: bool = False, until_idle_s: float | None = 20, pause=None) -> str:
    out = io.StringIO()
    console = Console(file=out, width=100, force_terminal=terminal, markup=False, highlight=False)

    def wait(seconds: float) -> None:
        time.now_s += seconds

    follow_in_terminal(following(path, time), console, interval_s=1, until_idle_s=until_idle_s, pause=pause or wait)
    return out.getvalue()


def sick_run(folder: Path, time: Time) -> Training:
    training = Training(folder, time)
    training.healthy(300)
    training.log(float("nan"), times=30)
    return training


def test_a_pipe_gets_plain_lines_with_time_step_what_since_when_and_how_sure(tmp_path: Path, time: Time) -> None:
    sick_run(tmp_path / "run", time)
    following_line, change = followed(tmp_path / "run", time).splitlines()
    assert following_line == "following run"
    assert "step 329  opened    error    non-finite-loss since step 300 (certain): train/loss is NaN" in change
    assert "\x1b" not in change


def test_a_terminal_gets_a_current_line_too(tmp_path: Path, time: Time) -> None:
    sick_run(tmp_path / "run", time)
    shown = followed(tmp_path / "run", time, terminal=True)
    assert "● sick" in shown
    assert "last grew" in shown
    assert "\x1b" in shown


def test_several_runs_are_named_in_front(tmp_path: Path, time: Time) -> None:
    for name in ("a", "b"):
        sick_run(tmp_path / name, time)
    starts = {line.split("  ")[0] for line in followed(tmp_path, time).splitlines() if "opened" in line}
    assert {start.split("/")[-1] for start in starts} == {"a", "b"}


def test_waiting_is_said_in_one_line(tmp_path: Path, time: Time) -> None:
    assert followed(tmp_path / "nowhere", time).splitlines() == [f"waiting for a run at {tmp_path / 'nowhere'}"]


def test_control_c_ends_with_everything_read(tmp_path: Path, time: Time) -> None:
    training = Training(tmp_path / "run", time)
    training.healthy(300)

    def interrupt(_seconds: float) -> None:
        training.log(float("nan"), times=5)
        raise KeyboardInterrupt

    assert "opened    error    non-finite-loss" in followed(tmp_path / "run", time, until_idle_s=None, pause=interrupt)


def test_control_c_while_reading_waits_until_it_is_read_and_the_second_one_does_not(
    tmp_path: Path, time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = sick_run(tmp_path / "run", time)
    poll = Follower.poll

    def interrupted(follower: Follower) -> list[Change]:
        signal.raise_signal(signal.SIGINT)
        changes = poll(follower)
        training.log(float("nan"), times=5)
        return changes

    def wait(_seconds: float) -> None:
        pytest.fail("waited although it was asked to stop")

    monkeypatch.setattr(Follower, "poll", interrupted)
    shown = followed(tmp_path / "run", time, until_idle_s=None, pause=wait)
    assert "step 329  opened    error    non-finite-loss" in shown
    monkeypatch.setattr(Follower, "finish", lambda follower: signal.raise_signal(signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        followed(tmp_path / "run", time, until_idle_s=None)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_what_could_steer_a_terminal_is_shown_and_not_obeyed(tmp_path: Path, time: Time) -> None:
    sick_run(tmp_path / "a\x1b[31m", time)
    sick_run(tmp_path / "b", time)
    shown = followed(tmp_path, time)
    assert "\x1b" not in shown
    assert "\\x1b[31m" in shown
