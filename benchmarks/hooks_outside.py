"""What watching costs by a clock that knows nothing of the hooks, and what ``wandb.watch`` costs in the same training.

    python benchmarks/hooks_outside.py [--model MLP] [--rounds N]

Whole processes train alternately: bare, bare again, and watched with live diagnosis on. The first seconds, in which
torch warms up and the child loads, are left out. Compared is the CPU time of the training process for ten steps, one of
which is recorded: the median of many tens. Two bare processes tell the noise. The CPU time of the child stands apart,
and so does what the run says of itself, ``monitor/overhead_pct``, which is the training process alone.
A last process hangs ``wandb.watch(log="all")`` on the same training, offline; without wandb that is left out.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

import torch

from hooks_models import MODELS, Training
from trainvitals import read_run, tags
from trainvitals_hooks import watch

EVERY = 10
PERIODS, WARM_UP_S = 24, 10.0
KINDS = ("bare", "bare again", "watched")
WANDB_BAR = 15.0
"""How many times cheaper a logged event must be than one of ``wandb.watch(log="all")``."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=MODELS, default="MLP")
    parser.add_argument("--rounds", type=int, default=7, help="of all three, 20 s each when quiet")
    parser.add_argument("--worker", choices=(*KINDS, "wandb"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        print(json.dumps(_train(arguments.model, arguments.worker)))
        return 0
    load = os.getloadavg()[0]
    found: dict[str, list[dict[str, float]]] = {kind: [] for kind in KINDS}
    for round_number in range(arguments.rounds):
        # Whoever comes first in a round is another one each time.
        for place in range(len(KINDS)):
            kind = KINDS[(place + round_number) % len(KINDS)]
            found[kind].append(_in_process(arguments.model, kind))
    bare, again, watched = ([run["step_s"] for run in found[kind]] for kind in KINDS)
    cost, noise = _percent_more(watched, bare), _percent_more(again, bare)
    told = statistics.median(run["told_percent"] for run in found["watched"])
    child = statistics.median(run["child_percent"] for run in found["watched"])
    print(
        f"{arguments.model}, every {EVERY}, {PERIODS} periods after {WARM_UP_S:g} s, {arguments.rounds} rounds,",
        end=" ",
    )
    print(f"load average {load:.1f} before, {os.getloadavg()[0]:.1f} after:")
    print(f"a bare step {1e3 * statistics.median(bare):.2f} ms; the training process when watched: {_shown(cost)};")
    print(f"noise, one bare process beside another: {_shown(noise)}; the child besides: {child:.2f} %")
    # Two medians of as many rounds are uncertain by the width of what they are the middle of.
    apart, doubt = abs(statistics.median(cost) - told), max(_width(cost), _width(noise))
    answer = "agrees" if apart <= doubt else "DISAGREES"
    if doubt >= told:
        answer = "cannot be held against that on so busy a machine, or in so few rounds"
    print(f"monitor/overhead_pct: {told:.2f} %, which {answer} ({apart:.2f} points apart, {doubt:.2f} in doubt)")
    event_s = statistics.median(run["event_s"] for run in found["watched"])
    peer = _in_process(arguments.model, "wandb")
    if not peer:
        print("wandb is not installed: not compared")
        return 0
    times = peer["event_s"] / event_s
    print(
        f'a record {1e3 * event_s:.2f} ms, an event of wandb.watch(log="all") {1e3 * peer["event_s"]:.1f} ms', end=": "
    )
    print(f"{times:.0f} times, {'held' if times >= WANDB_BAR else 'MISSED'} (bar {WANDB_BAR:g})")
    return int(times < WANDB_BAR)


def _percent_more(some: list[float], others: list[float]) -> list[float]:
    return [100 * (one / other - 1) for one, other in zip(some, others, strict=True)]


def _shown(percents: list[float]) -> str:
    low, middle, high = statistics.quantiles(percents, n=4)
    return f"{middle:+.2f} % (quartiles {low:+.2f} to {high:+.2f})"


def _width(percents: list[float]) -> float:
    low, _, high = statistics.quantiles(percents, n=4)
    return high - low


def _in_process(model: str, kind: str) -> dict[str, float]:
    command = [sys.executable, __file__, "--model", model, "--worker", kind]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=600)
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def _train(model: str, kind: str) -> dict[str, float]:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    training = MODELS[model]()
    with tempfile.TemporaryDirectory() as folder:
        if kind == "wandb":
            return _with_wandb(training, folder)
        if kind != "watched":
            return {"step_s": _step_s(_steps_s(training, lambda _: None))}
        vitals = watch(training.model, training.optimizer, folder, every=EVERY, budget=math.inf)
        child_s: list[float] = []
        taken_s = _steps_s(training, lambda loss: vitals.log(loss=loss), lambda: child_s.append(_children_s()))
        vitals.close()
        overhead = read_run(vitals.folder).series[tags.OVERHEAD_PERCENT].value[-PERIODS:]
        return {
            "step_s": _step_s(taken_s),
            "told_percent": statistics.median(overhead.tolist()),
            "child_percent": 100 * (child_s[1] - child_s[0]) / sum(taken_s),
            "event_s": _event_s(taken_s),
        }


def _with_wandb(training: Training, folder: str) -> dict[str, float]:
    """The cost of a step with an event beyond one without."""
    try:
        import wandb
    except ImportError:
        return {}
    run = wandb.init(mode="offline", dir=folder, settings=wandb.Settings(silent=True))
    run.watch(training.model, log="all", log_freq=EVERY)
    taken_s = _steps_s(training, lambda loss: run.log({"loss": loss.item()}))
    run.finish()
    return {"event_s": _event_s(taken_s)}


def _event_s(taken_s: list[float]) -> float:
    """What the dearest steps of each period have beyond the others: an event is spread over up to three of them."""
    periods = [sorted(taken_s[first : first + EVERY]) for first in range(0, len(taken_s), EVERY)]
    return statistics.median(sum(period[-3:]) - 3 * statistics.median(period) for period in periods)


def _step_s(taken_s: list[float]) -> float:
    """A step of the period in the middle: of each ten steps one is recorded."""
    return statistics.median(sum(taken_s[first : first + EVERY]) for first in range(0, len(taken_s), EVERY)) / EVERY


def _steps_s(training: Training, log: Any, at_bounds: Callable[[], object] = lambda: None) -> list[float]:
    """CPU seconds of each step after the warm-up, of all threads of this process.

    Args:
        at_bounds: called before the first of these steps and after the last.
    """
    until_s, made = time.monotonic() + WARM_UP_S, 0
    while time.monotonic() < until_s or made % EVERY:
        training.step(log)
        made += 1
    at_bounds()
    taken_s = []
    for _ in range(PERIODS * EVERY):
        before_s = time.process_time()
        training.step(log)
        taken_s.append(time.process_time() - before_s)
    at_bounds()
    return taken_s


def _children_s() -> float:
    """CPU seconds of the processes that this one has started and that still run."""
    ticks = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # Behind the name, which may hold anything: state, parent; user and system time are the 12th and 13th.
            fields = path.read_text().rpartition(")")[2].split()
            ticks += (int(fields[11]) + int(fields[12])) * (int(fields[1]) == os.getpid())
    return ticks / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    sys.exit(main())
