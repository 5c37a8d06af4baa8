"""Trainings with their live diagnosis as they really run, and all the ways in which they end."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time

import pytest
from tests.hooks.training import recorded, watching
from tests.hooks.two_processes import in_processes
from tests.monitor.live.processes import PATIENCE_S, is_alive

pytestmark = [pytest.mark.torch, pytest.mark.slow]

# A machine that is busy with other things gives a process of low priority little time to load.
LONG_S = 3 * PATIENCE_S

SCRIPT = """
import os, resource, signal, sys, threading, time
import torch, trainvitals
from trainvitals_hooks import live

torch.set_num_threads(1)
torch.manual_seed(0)
how, folder, patience_s = sys.argv[1], sys.argv[2], float(sys.argv[3])
live.PATIENCE_S = patience_s


def train():
    model = torch.nn.Linear(4, 1)
    optimizer = torch.optim.SGD(model.parameters(), 0.01)

    def tell(finding, change):
        print("called:", change, finding.name, flush=True)

    settings = {"budget": float("inf"), "every": 100, "on_finding": tell}
    with trainvitals.watch(model, optimizer, folder, **settings) as vitals:
        begun_s, bad_at_s, step, is_bad, is_ready = time.monotonic(), None, 0, False, False
        while time.monotonic() - begun_s < patience_s:
            loss = (model(torch.randn(8, 4)) - torch.randn(8, 1)).square().mean()
            optimizer.zero_grad()
            # Inside the step: between steps it would be waiting for data, which is a finding.
            time.sleep(0.002)
            loss.backward()
            optimizer.step()
            if how == "accepted":
                is_bad = step >= 100
            elif how in ("nan", "thread") and not is_bad and step % 1000 == 999:
                is_bad, bad_at_s = is_ready, time.monotonic()
                is_ready = has_loaded(vitals._live._companion.process_id)
            vitals.log(loss=float("nan") if is_bad else loss)
            step += 1
            if step == 300:
                if how in ("kill", "fork"):
                    print("child:", vitals._live._companion.process_id, flush=True)
                end_like(how)
            if step == 3000 and how in ("full", "healthy", "accepted", "workers"):
                break
            if is_bad and any(finding.name == "non-finite-loss" for finding in vitals.findings):
                print(f"after: {time.monotonic() - bad_at_s:.1f}", flush=True)
                break


def follows(process_id):
    try:
        with open(f"/proc/{process_id}/cmdline") as file:
            line = file.read()
    except OSError:
        return False
    return "trainvitals.live" in line and folder in line


def has_loaded(process_id):
    with open(f"/proc/{process_id}/maps") as maps:
        return "scipy" in maps.read()


def end_like(how):
    if how == "interrupt":
        os.kill(os.getpid(), signal.SIGINT)
    elif how == "exit":
        sys.exit(3)
    elif how == "error":
        raise RuntimeError("out of memory")
    elif how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif how == "fork":
        if os.fork() == 0:
            time.sleep(60)
        os.kill(os.getpid(), signal.SIGKILL)
    elif how == "workers":
        loader = torch.utils.data.DataLoader(range(8), num_workers=2, persistent_workers=True)
        workers = iter(loader)
        next(workers)
        print("following:", sum(map(follows, filter(str.isdigit, os.listdir("/proc")))), flush=True)
    elif how == "full":
        resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))


if how == "thread":
    thread = threading.Thread(target=train)
    thread.start()
    thread.join()
else:
    train()
print("loaded:", [name for name in ("scipy", "pandas", "rich", "click") if name in sys.modules])
"""


@pytest.fixture
def start(tmp_path, root):
    """Starts a training, from a folder of its own; none outlives the test."""
    begun = []

    def start(how, folder, *, command=()):
        script = tmp_path / "train.py"
        script.write_text(SCRIPT)
        path = os.pathsep.join(str(root / name) for name in ("monitor", "hooks"))
        begun.append(
            subprocess.Popen(
                [*command, sys.executable, str(script), how, str(folder), str(LONG_S)],
                cwd=tmp_path,
                env=os.environ | {"PYTHONPATH": path},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
        return begun[-1]

    yield start
    for process in begun:
        process.kill()
        process.wait(PATIENCE_S)
        process.stdout.close()
        process.stderr.close()


def outcome(process):
    """Exit status, what was printed, and what the monitor told."""
    out, err = process.communicate(timeout=2 * LONG_S)
    told = [line.removeprefix("trainvitals: ") for line in err.splitlines() if line.startswith("trainvitals: ")]
    return process.returncode, out, told


CHANGE = re.compile(r"\d\d:\d\d:\d\d  step ")
# "at" where the look came when a single record with a NaN was there.
NAN_TOLD = "non-finite-loss (since|at) step "


def end_of(told):
    """The lines at the end; all but the first and those that tell a change."""
    return [line for line in told[1:] if not CHANGE.match(line)]


@pytest.mark.parametrize("how", ["nan", "thread"])
def test_a_nan_is_told_while_the_training_goes_on_which_loads_nothing_for_it(tmp_path, start, how):
    status, out, told = outcome(start(how, tmp_path / "run"))
    assert status == 0
    assert "called: opened non-finite-loss" in out
    assert "loaded: []" in out
    # Five seconds where the machine is free; how busy it is must not decide a test.
    assert float(out.partition("after: ")[2].split()[0]) < LONG_S
    changes = [line.split()[3:6] for line in told if CHANGE.match(line)]
    assert [change for change in changes if change[1] != "info"] == [["opened", "error", "non-finite-loss"]]
    assert "\x1b" not in "".join(told)
    verdict, cost, following = end_of(told)
    assert re.match(NAN_TOLD, verdict.removeprefix("sick: "))
    assert "; the live diagnosis took " in cost
    assert following.startswith("next: trainvitals diagnose run")


@pytest.mark.parametrize(("how", "expected"), [("interrupt", -signal.SIGINT), ("exit", 3), ("error", 1)])
def test_however_it_ends_the_verdict_is_told_in_few_lines(tmp_path, start, how, expected):
    status, _, told = outcome(start(how, tmp_path / "run"))
    assert status == expected
    assert len(end_of(told)) == 3
    assert end_of(told)[0].startswith(("healthy: ", "cannot tell yet: ", "sick: "))
    assert len(recorded(tmp_path / "run")["train/loss"]) == 300


@pytest.mark.parametrize("how", ["kill", "fork"])
def test_the_child_ends_with_a_training_that_is_killed(tmp_path, start, how):
    training = start(how, tmp_path / "run")
    child = int(training.stdout.readline().removeprefix("child:"))
    assert training.wait(PATIENCE_S) == -signal.SIGKILL
    until_s = time.monotonic() + LONG_S
    while is_alive(child) and time.monotonic() < until_s:
        time.sleep(0.1)
    assert not is_alive(child)


def test_data_workers_start_no_child_of_their_own(tmp_path, start):
    status, out, told = outcome(start("workers", tmp_path / "run"))
    assert status == 0
    assert "following: 1\n" in out
    assert len(end_of(told)) == 3


def test_a_closed_stderr_and_a_full_disk_stop_nothing(tmp_path, start):
    closed = start("nan", tmp_path / "a", command=["sh", "-c", 'exec "$@" 2>&-', "sh"])
    full = start("full", tmp_path / "b")
    status, out, _ = outcome(closed)
    assert (status, "called: opened non-finite-loss" in out) == (0, True)
    status, _, told = outcome(full)
    assert status == 0
    assert sum("cannot write" in line for line in told) == 1
    assert [line.split()[1:] for line in told if "could not be" in line] == [
        ["records", "could", "not", "be", "written"]
    ]
    assert len(end_of([line for line in told if "cannot write" not in line])) == 4


def test_two_trainings_in_one_folder_are_told_apart(tmp_path, start):
    healthy = start("healthy", tmp_path / "runs")
    while not list(tmp_path.glob("runs/*tfevents*")):
        time.sleep(0.05)
    sick = start("nan", tmp_path / "runs")
    assert "called: opened non-finite-loss" in outcome(sick)[1]
    status, out, told = outcome(healthy)
    assert status == 0
    assert "non-finite-loss" not in out + "".join(told)


def test_the_settings_of_the_project_hold_for_the_live_diagnosis(tmp_path, start):
    settings = tmp_path / "pyproject.toml"
    settings.write_text('[tool.trainvitals]\ncolour = "red"\n')
    status, _, told = outcome(start("full", tmp_path / "a"))
    assert status == 0
    (line,) = [line for line in told if line.startswith("no live diagnosis: ")]
    assert "unknown setting 'colour'" in line
    settings.write_text('[tool.trainvitals]\nignore = ["non-finite-loss"]\n')
    _, out, told = outcome(start("accepted", tmp_path / "b"))
    assert "called" not in out
    assert end_of(told)[0].endswith("; 1 accepted")


def watched_rank(rank, folder):
    """One of two processes that train together; whether it started a child."""
    import torch

    model = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(4, 1))
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with watching(model, optimizer, folder, live=True) as vitals:
        for _ in range(5):
            model(torch.randn(8, 4)).square().mean().backward()
            optimizer.step()
            optimizer.zero_grad()
            vitals.log(loss=1.0)
        return vitals._live._companion is not None


def test_of_several_processes_the_first_alone_has_a_child(tmp_path):
    outcomes = in_processes(watched_rank, tmp_path / "ranks", tmp_path / "run")
    assert [each.value for each in outcomes] == [True, False]
    assert outcomes[1].printed == ""
    assert "next: trainvitals diagnose" in outcomes[0].printed


def test_another_process_can_follow_it_too(tmp_path, start, root):
    folder = tmp_path / "run"
    training = start("nan", folder)
    while not list(folder.glob("*tfevents*")):
        time.sleep(0.05)
    command = [sys.executable, "-m", "trainvitals", "follow", str(folder), "--until-idle", "15"]
    environment = os.environ | {"PYTHONPATH": str(root / "monitor")}
    followed = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=LONG_S)
    assert outcome(training)[0] == 0
    assert re.search(f"  opened    error    {NAN_TOLD}", followed.stdout)
    assert "● sick   non-finite-loss" in followed.stdout
