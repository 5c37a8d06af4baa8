"""The training's side of the process that follows it: it never waits, and nothing outlives anything."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.monitor.live.processes import PATIENCE_S, ended, is_alive, writing

from trainvitals.errors import UnknownRuleError
from trainvitals.live.companion import NICENESS, Companion, check_ignored
from trainvitals.reporters.live_json import Final, Line, Standing, Told

LEAST_SHARE = 0.0001


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
    monkeypatch.setenv("PYTHONPATH", str(root / "monitor"))


@contextmanager
def companion(folder: Path, **settings: object) -> Iterator[Companion]:
    child = Companion(folder, **settings)  # type: ignore[arg-type]
    try:
        yield child
    finally:
        child.kill()


def heard(child: Companion, *, wanted: Callable[[Line], bool]) -> list[Line]:
    """What it says up to the first line that is wanted."""
    lines: list[Line] = []
    until_s = time.monotonic() + PATIENCE_S
    while not any(wanted(line) for line in lines):
        assert time.monotonic() < until_s, "not heard"
        assert child.end is None, child.end
        lines += child.lines()
        time.sleep(0.02)
    return lines


def gone(process_id: int) -> bool:
    """Whether a process ends before long."""
    until_s = time.monotonic() + PATIENCE_S
    while is_alive(process_id) and time.monotonic() < until_s:
        time.sleep(0.1)
    return not is_alive(process_id)


@pytest.mark.slow
def test_a_nan_is_told_to_whoever_asks_for_a_look_whatever_the_share(tmp_path: Path) -> None:
    with companion(tmp_path / "run", share=LEAST_SHARE) as child:
        with ended(writing(tmp_path / "run", steps=100_000, healthy=1000)) as writer:
            assert writer.stdout is not None
            became_nan_at = float(writer.stdout.readline())
            child.look()
            lines = heard(child, wanted=lambda line: isinstance(line, Standing))
            told_at = time.time()
        # Paid for by waiting, at the least share a look would be due only after minutes.
        assert told_at - became_nan_at < PATIENCE_S
        told, standing = lines
        assert isinstance(told, Told)
        assert isinstance(standing, Standing)
        assert (told.kind, told.finding.name) == ("opened", "non-finite-loss")
        assert [finding.name for finding in standing.findings] == ["non-finite-loss"]
        last: list[Line] = []
        assert child.finish(PATIENCE_S, last.append) is None
        assert isinstance(last[-1], Final)


@pytest.mark.slow
def test_it_has_low_priority_and_follows_no_run_in_a_folder_below(tmp_path: Path) -> None:
    with companion(tmp_path / "run", share=1.0) as child:
        own = os.getpriority(os.PRIO_PROCESS, 0)
        assert os.getpriority(os.PRIO_PROCESS, child.process_id) == max(own, NICENESS)
        with ended(writing(tmp_path / "run" / "of-another", steps=100_000, healthy=100)) as other:
            assert other.stdout is not None
            other.stdout.readline()
            time.sleep(2)
            assert child.lines() == []
            last: list[Line] = []
            assert child.finish(PATIENCE_S, last.append) is None
    assert [line.kind for line in last] == ["final"]


@pytest.mark.slow
def test_one_that_was_killed_or_refuses_says_why(tmp_path: Path) -> None:
    with companion(tmp_path) as child:
        assert child.end is None
        os.kill(child.process_id, signal.SIGKILL)
        assert gone(child.process_id)
        assert (child.end, child.refused) == ("SIGKILL", False)
        child.look()
        child.take_share(0.5)
        assert child.finish(PATIENCE_S, lambda line: None) == "SIGKILL"
    with companion(tmp_path, ignore=["platau"]) as child:
        assert gone(child.process_id)
        assert child.refused
        assert child.end == "no rule 'platau' (did you mean plateau?)"


@pytest.mark.slow
def test_one_that_does_not_answer_is_not_waited_for(tmp_path: Path) -> None:
    with companion(tmp_path) as child:
        os.kill(child.process_id, signal.SIGSTOP)
        before_s = time.monotonic()
        assert child.finish(0.3, lambda line: None) == "the last diagnosis did not come within 0 s"
        assert 0.3 <= time.monotonic() - before_s < PATIENCE_S
        assert gone(child.process_id)


PARENT = """
import os, signal, sys, time
from trainvitals.live.companion import Companion
child = Companion(sys.argv[1])
print(child.process_id, flush=True)
if sys.argv[2] == "fork" and os.fork() == 0:
    time.sleep(60)
if sys.argv[2] == "sigpipe":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    child.kill()
    child = Companion(sys.argv[1])
    os.kill(child.process_id, signal.SIGKILL)
    while child.end is None:
        time.sleep(0.01)
    child.look()
    print("survived", flush=True)
    child.kill()
else:
    time.sleep(60)
"""


def parent(folder: Path, how: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", PARENT, str(folder), how], stdout=subprocess.PIPE)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["alone", "fork"])
def test_it_ends_with_a_parent_that_is_killed_even_if_a_fork_holds_the_line(tmp_path: Path, how: str) -> None:
    with ended(parent(tmp_path, how)) as process:
        assert process.stdout is not None
        process_id = int(process.stdout.readline())
        assert is_alive(process_id)
    assert gone(process_id)


@pytest.mark.slow
def test_a_dead_reader_raises_no_signal(tmp_path: Path) -> None:
    with ended(parent(tmp_path, "sigpipe")) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert process.stdout.readline() == b"survived\n"
        assert process.wait(PATIENCE_S) == 0


@pytest.mark.slow
def test_it_finds_the_package_where_the_parent_found_it(tmp_path: Path, root: Path) -> None:
    script = (
        "import os, sys\n"
        "from trainvitals.live.companion import Companion\n"
        "os.chdir(sys.argv[1])\n"
        "child = Companion(sys.argv[1])\n"
        "lines = []\n"
        "print(child.finish(60, lines.append))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)],
        cwd=root,
        env={**os.environ, "PYTHONPATH": "monitor", "PYTHONWARNINGS": "error"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "None\n"


def test_the_parent_loads_nothing_of_what_a_diagnosis_needs() -> None:
    heavy = ["numpy", "scipy", "pandas", "rich", "click", "trainvitals.engine", "trainvitals.model"]
    script = f"import sys, trainvitals.live.companion\nprint([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_names_of_findings_are_checked_without_scipy() -> None:
    check_ignored(["plateau", "LOS001", "loss", "GRD"])
    with pytest.raises(UnknownRuleError, match="platau"):
        check_ignored(["platau"])
    script = (
        "import sys\nfrom trainvitals.live.companion import check_ignored\ncheck_ignored(['plateau'])\n"
        "print([name for name in ('scipy', 'pandas') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_where_no_interpreter_can_be_started_that_is_an_oserror(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    with pytest.raises(OSError, match="interpreter"):
        Companion(tmp_path)
