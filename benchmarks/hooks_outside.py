"""What watching costs by a clock that knows nothing of the hooks, and what ``wandb.watch`` costs in the same training.

    python benchmarks/hooks_outside.py [--model MLP] [--rounds N]

Whole processes train alternately: bare, bare again, and watched with live diagnosis on. Compared is their CPU time a
step in the loop; two bare ones tell the noise. What the run says of itself, ``monitor/overhead_pct``, stands beside it.
A last process hangs ``wandb.watch(log="all")`` on the same training, offline; without wandb that is left out.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import torch

from hooks_models import MODELS, Training
from trainvitals import read_run, tags
from trainvitals_hooks import watch

EVERY = 10
STEPS, WARM_UP_STEPS = 15 * EVERY, 2 * EVERY
KINDS = ("bare", "bare again", "watched")
WANDB_BAR = 15.0
"""How many times cheaper a logged event must be than one of ``wandb.watch(log="all")``."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=MODELS, default="MLP")
    parser.add_argument("--rounds", type=int, default=7)
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
    print(f"{arguments.model}, every {EVERY}, {STEPS} steps, {arguments.rounds} rounds, load average {load:.1f}:")
    print(
        f"a bare step {1e3 * statistics.median(bare):.2f} ms; watched, live on: {_shown(cost)}; noise: {_shown(noise)}"
    )
    print(f"monitor/overhead_pct: {told:.2f} %")
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
            return {"step_s": statistics.fmean(_steps_s(training, lambda _: None))}
        vitals = watch(training.model, training.optimizer, folder, every=EVERY, budget=math.inf)
        taken_s = _steps_s(training, lambda loss: vitals.log(loss=loss))
        vitals.close()
        run = read_run(vitals.folder)
        told = statistics.median(run.series[tags.OVERHEAD_PERCENT].value.tolist())
        return {"step_s": statistics.fmean(taken_s), "told_percent": told, "event_s": _event_s(taken_s)}


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


def _steps_s(training: Training, log: object) -> list[float]:
    """CPU seconds of each step after the warm-up, of all threads of this process."""
    taken_s = []
    for _ in range(WARM_UP_STEPS + STEPS):
        before_s = time.process_time()
        training.step(log)  # type: ignore[arg-type]
        taken_s.append(time.process_time() - before_s)
    return taken_s[WARM_UP_STEPS:]


if __name__ == "__main__":
    sys.exit(main())
