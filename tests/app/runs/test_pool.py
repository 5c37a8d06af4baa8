"""The processes that read and judge: answers come from them, and they go when they should."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.app.logs import PATIENCE_S, healthy, until, write

from trainvitals.config import Config
from trainvitals.formats.discovery import find_runs
from trainvitals.kept import KeptDiagnoses
from trainvitals_app.runs import pool as pool_module
from trainvitals_app.runs.judging import NICENESS, Answer, Job
from trainvitals_app.runs.pool import Pool

pytestmark = pytest.mark.slow


@pytest.fixture
def pool():
    made = Pool(KeptDiagnoses(Config(), None), processes=1)
    yield made
    made.close()


def asked(pool: Pool, path: Path, *, judge: bool = True) -> Answer:
    answers: queue.Queue[Answer] = queue.Queue()
    (files,) = find_runs(path)
    pool.submit(Job("a", files, judge), 0.0, answers.put)
    return answers.get(timeout=PATIENCE_S)


def is_there(process_id: int) -> bool:
    """Whether a process runs; one that ended and that nobody has asked after is gone as well."""
    try:
        return Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_run_is_read_or_judged_in_another_process(tmp_path, pool):
    run = write(tmp_path / "a", healthy(300))
    read = asked(pool, run, judge=False)
    assert (read.judged, read.trouble) == (False, None)
    assert read.summary.last_loss == pytest.approx(healthy(300)[-1])
    judged = asked(pool, run)
    assert judged.judged
    assert judged.summary.diagnosis.status == "healthy"
    assert os.getpid() not in pool.process_ids


def test_only_judging_gives_way_to_others(tmp_path, pool):
    run = write(tmp_path / "a", healthy(300))
    own = os.getpriority(os.PRIO_PROCESS, 0)
    asked(pool, run, judge=False)
    assert os.getpriority(os.PRIO_PROCESS, pool.process_ids[0]) == own
    asked(pool, run)
    assert os.getpriority(os.PRIO_PROCESS, pool.process_ids[0]) == max(own, NICENESS)


def test_after_a_process_was_killed_the_next_job_has_another(tmp_path, pool):
    run = write(tmp_path / "a", healthy(300))
    asked(pool, run)
    (first,) = pool.process_ids
    os.kill(first, signal.SIGKILL)
    until(lambda: not is_there(first))
    assert "process that read it ended" in asked(pool, run).trouble
    assert asked(pool, run).judged
    assert pool.process_ids != [first]


def test_what_waits_beside_a_job_that_ends_its_process_goes_to_another(tmp_path, pool):
    answers: queue.Queue[Answer] = queue.Queue()
    asked(pool, write(tmp_path / "first", healthy(300)), judge=False)
    to_end = pool.process_ids

    def killing(answer: Answer) -> None:
        if to_end:
            os.kill(to_end.pop(), signal.SIGKILL)
        answers.put(answer)

    for name in "abcdef":
        (files,) = find_runs(write(tmp_path / name, healthy(300)))
        pool.submit(Job(name, files, judge=False), 0.0, killing)
    told = [answers.get(timeout=PATIENCE_S) for _ in range(6)]
    # Those that it had answered already may still come.
    assert sum(answer.trouble is not None for answer in told) <= 1
    assert {answer.summary.diagnosis.id for answer in told if answer.summary} <= set("abcdef")
    assert len({answer.summary.diagnosis.id for answer in told if answer.summary}) >= 5
    assert asked(pool, tmp_path / "first").judged


def test_a_process_without_work_goes(tmp_path, pool, monkeypatch):
    monkeypatch.setattr(pool_module, "IDLE_S", 0.01)
    asked(pool, write(tmp_path / "a", healthy(300)))
    until(lambda: pool.process_ids == [])


def test_files_of_the_working_folder_are_not_imported(tmp_path, pool, monkeypatch):
    for name in ("random", "numpy", "trainvitals"):
        (tmp_path / f"{name}.py").write_text("raise RuntimeError('imported')")
    monkeypatch.chdir(tmp_path)
    assert asked(pool, write(tmp_path / "a", healthy(300))).judged


def test_the_processes_end_with_the_server_however_it_ends(tmp_path, root):
    run = write(tmp_path / "a", healthy(300))
    program = f"""
import os, time, sys
from tests.app.runs.test_pool import asked
from trainvitals_app.runs.pool import Pool
from trainvitals.config import Config
from trainvitals.kept import KeptDiagnoses
from pathlib import Path
pool = Pool(KeptDiagnoses(Config(), None), processes=1)
asked(pool, Path({str(run)!r}))
print(pool.process_ids[0], flush=True)
os.kill(os.getpid(), 9)
"""
    paths = [str(root), *(str(root / name) for name in ("monitor", "app"))]
    ended = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S * 2,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
    )
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    process_id = int(ended.stdout)
    until(lambda: not is_there(process_id))
