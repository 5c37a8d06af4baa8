"""What watching a training costs: CPU time inside the hooks over the CPU time of the rest of the same steps.

    python benchmarks/hooks.py [--quick]

Comparing step times with and without the hooks cannot resolve one percent on a shared machine. Instead every entry into
the hooks is timed in a real training, with every sixth step recorded and then with every step: CPU time of the thread,
less what the timer reports of hooks that do nothing in the same training, more the slower way through a module that has
a hook added. A record is prepared in the step before, measured in its own and written in the next one; its cost is what
these three have beyond the others. Cost at every N: (record / N + idle) / step. Exit status 1 if a bar is missed.
"""

from __future__ import annotations

import argparse
import functools
import io
import math
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import redirect_stderr
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

import torch
from torch import nn

from hooks_models import MODELS, Training
from trainvitals_hooks import Vitals, watch
from trainvitals_hooks.looking.forward import ModuleHook
from trainvitals_hooks.probes import attention, kept_gradients
from trainvitals_hooks.step_hooks import StepHooks

EVERY = (1, 10, 100)
BARS_PERCENT = {"light": {1: 10.0, 10: 1.0, 100: 0.2}, "standard": {1: 10.0, 10: 1.0, 100: 0.2}, "full": {10: 3.0}}
"""Of each set of signals, by steps from one record to the next."""
IDLE_BAR_PERCENT = 0.1
SPARSE = 6
WARM_UP_STEPS = 2 * SPARSE
ENTRIES: tuple[tuple[type, str], ...] = (
    (StepHooks, "before_update"),
    (StepHooks, "after_update"),
    (Vitals, "log"),
    (kept_gradients._Sentinel, "__call__"),
    *((hook, "__call__") for hook in ModuleHook.__subclasses__()),
    (attention.Attention, "_hear"),
)


@dataclass
class SelfTime:
    """CPU seconds inside the entries since the last ``take``."""

    total_s: float = 0.0
    depth: int = 0
    timer_s: float = 0.0
    module_hook_s: float = 0.0
    module_hooks: int = field(default=0)

    def wrap(self, function: Callable[..., Any], *, on_module: bool) -> Callable[..., Any]:
        @functools.wraps(function)
        def timed(*args: Any, **kwargs: Any) -> Any:
            if self.depth:
                return function(*args, **kwargs)
            self.depth = 1
            self.module_hooks += on_module
            before = time.thread_time()
            try:
                return function(*args, **kwargs)
            finally:
                self.total_s += time.thread_time() - before - self.timer_s
                self.depth = 0

        return timed

    def calibrate(self) -> None:
        """What the timer reports of nothing, and what a hook that does nothing costs its module."""
        nothing = self.wrap(lambda: None, on_module=False)
        samples = []
        for _ in range(5000):
            self.total_s = 0.0
            nothing()
            samples.append(self.total_s)
        self.timer_s = statistics.median(samples)
        module, x = nn.Identity(), torch.zeros(1)
        bare_s = min(_calls_s(module, x) for _ in range(3))
        module.register_forward_hook(lambda *_: None)
        self.module_hook_s = max(min(_calls_s(module, x) for _ in range(3)) - bare_s, 0.0)

    def take(self) -> float:
        taken = self.total_s + self.module_hooks * self.module_hook_s
        self.total_s, self.module_hooks = 0.0, 0
        return taken


def _calls_s(module: nn.Module, x: torch.Tensor, count: int = 20_000) -> float:
    before = time.thread_time()
    for _ in range(count):
        module(x)
    return (time.thread_time() - before) / count


@dataclass(frozen=True)
class Cost:
    """Median seconds: in the hooks for one record, in the hooks in any step, and outside of them in a step."""

    record_s: float
    idle_s: float
    step_s: float
    spread_s: float

    def percent(self, every: int) -> float:
        return 100 * (self.record_s / every + self.idle_s) / self.step_s


def measure_nothing(training: Training, timer: SelfTime, steps: int = 60) -> float:
    """Seconds that the timer reports of a step whose hooks do nothing: it is slower when no cache is warm."""
    nothing = timer.wrap(lambda *_: None, on_module=False)
    training.optimizer.register_step_pre_hook(nothing)
    training.optimizer.register_step_post_hook(nothing)
    taken = []
    for _ in range(WARM_UP_STEPS + steps):
        timer.take()
        training.step(nothing)
        taken.append(timer.take())
    return statistics.median(taken[WARM_UP_STEPS:])


def measure(training: Training, signals: Any, every: int, steps: int, timer: SelfTime, nothing_s: float) -> Cost:
    """Train and watch with every ``every``-th step recorded; live diagnosis, which spaces itself, is off."""
    own, rest = [], []
    with tempfile.TemporaryDirectory() as folder, redirect_stderr(io.StringIO()):
        vitals = watch(
            training.model, training.optimizer, folder, every=every, signals=signals, budget=math.inf, live=False
        )
        with vitals:
            for step in range(WARM_UP_STEPS + steps):
                timer.take()
                before = time.thread_time()
                training.step(lambda loss: vitals.log(loss=loss))
                whole_s = time.thread_time() - before
                own_s = timer.take() - nothing_s
                if step >= WARM_UP_STEPS:
                    own.append(own_s)
                    rest.append(whole_s - own_s)
    periods = [own[first : first + every] for first in range(0, len(own), every)]
    idle_s = statistics.median(each for period in periods for each in period[2:-1]) if every > 3 else 0.0
    records = [sum(period) - every * idle_s for period in periods]
    quartiles = statistics.quantiles(records, n=4)
    return Cost(statistics.median(records), idle_s, statistics.median(rest), (quartiles[2] - quartiles[0]) / 2)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a third of the steps")
    steps = 15 * SPARSE if parser.parse_args().quick else 40 * SPARSE
    torch.set_num_threads(1)
    torch.manual_seed(0)
    timer = SelfTime()
    timer.calibrate()
    for owner, name in ENTRIES:
        setattr(owner, name, timer.wrap(getattr(owner, name), on_module=name == "__call__"))
    before = os.getloadavg()
    print("| model | signals | step ms | record ms | idle us | every 1 | every 10 | every 100 | idle | |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    missed = 0
    for name, make in MODELS.items():
        nothing_s = measure_nothing(make(), timer)
        for signals, bars in BARS_PERCENT.items():
            sparse = measure(make(), signals, SPARSE, steps, timer, nothing_s)
            dense = measure(make(), signals, 1, steps // 6, timer, nothing_s)
            percent = {every: (dense if every == 1 else sparse).percent(every) for every in EVERY}
            idle_percent = 100 * sparse.idle_s / sparse.step_s
            broken = [f"every {every}" for every, bar in bars.items() if percent[every] > bar]
            broken += ["idle"] * (idle_percent > IDLE_BAR_PERCENT)
            missed += bool(broken)
            columns = " | ".join(f"{percent[every]:.2f} %" for every in EVERY)
            print(
                f"| {name} | {signals} | {1e3 * sparse.step_s:.1f} | {1e3 * sparse.record_s:.2f} ± "
                f"{1e3 * sparse.spread_s:.2f} | {1e6 * sparse.idle_s:.0f} | {columns} | {idle_percent:.3f} % | "
                f"{'MISSED: ' + ', '.join(broken) if broken else 'held'} |",
                flush=True,
            )
    print(f"\nBars: {BARS_PERCENT}, {IDLE_BAR_PERCENT:g} % idle. torch {torch.__version__}, one thread;", end=" ")
    print(f"timer {1e6 * timer.timer_s:.2f} us, a hook on a module {1e6 * timer.module_hook_s:.2f} us.", end=" ")
    print(f"Load average before {before[0]:.1f}, after {os.getloadavg()[0]:.1f}.")
    return bool(missed)


if __name__ == "__main__":
    sys.exit(main())
