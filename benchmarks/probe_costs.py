"""What each probe costs at a record, as ``docs/recording.md`` shows it: CPU time inside the probe, in a real training.

    python benchmarks/probe_costs.py

Every method of every probe of ``full``, and every hook that it hangs on modules, is timed (CPU time of the thread)
while the models of ``hooks_models.py`` train with every fourth step recorded. What writing a record takes beside the
probes is in ``hooks.py``. Writes ``probe_costs.json``, from which ``scripts/recording.py`` makes the page.
"""

from __future__ import annotations

import functools
import io
import json
import math
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import redirect_stderr
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

import torch

from hooks_models import MODELS
from trainvitals_hooks import watch
from trainvitals_hooks.probes import activations, registry
from trainvitals_hooks.probes.probe import Probe
from trainvitals_hooks.probes.registry import FULL
from trainvitals_hooks.recording.own_time import OwnTime

COSTS = Path(__file__).with_name("probe_costs.json")
EVERY, RECORDS, WARM_UP_RECORDS = 4, 40, 5
AT_A_RECORD = ("arm", "before_update", "after_update", "disarm")
US_PER_S = 1e6


class Clock(OwnTime):
    """CPU time of one probe; what happens inside of what is timed already counts once."""

    def __init__(self) -> None:
        super().__init__()
        self._cpu_s = 0.0
        self._inside = 0
        self._entered_cpu_s = 0.0

    def enter(self) -> None:
        super().enter()
        if self._inside == 0:
            self._entered_cpu_s = time.thread_time()
        self._inside += 1

    def leave(self) -> None:
        self._inside -= 1
        if self._inside == 0:
            self._cpu_s += time.thread_time() - self._entered_cpu_s
        super().leave()

    def take_us(self) -> float:
        taken, self._cpu_s = self._cpu_s, 0.0
        return US_PER_S * taken


CLOCKS: dict[str, Clock] = defaultdict(Clock)


def timed(function: Callable[..., Any], clock: Clock) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        clock.enter()
        try:
            return function(*args, **kwargs)
        finally:
            clock.leave()

    return call


def wrap(kind: type[Probe]) -> type[Probe]:
    """A probe that does the same and is timed."""
    clock = CLOCKS[kind.name]
    methods = {name: timed(getattr(kind, name), clock) for name in AT_A_RECORD}

    def of(cls: type[Probe], context: Any) -> Probe:
        return kind.of.__func__(cls, replace(context, own=clock))  # type: ignore[attr-defined]

    return type(kind.__name__, (kind,), {**methods, "of": classmethod(of)})


def measure(make: Callable[[], Any]) -> dict[str, float]:
    """Microseconds of each probe at a record, the median over the records."""
    training = make()
    taken: dict[str, list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder, redirect_stderr(io.StringIO()) as told:
        vitals = watch(
            *(training.model, training.optimizer, folder), every=EVERY, signals="full", budget=math.inf, live=False
        )
        with vitals:
            for _ in range(WARM_UP_RECORDS + RECORDS):
                for _ in range(EVERY):
                    training.step(lambda loss: vitals.log(loss=loss))
                for name, clock in CLOCKS.items():
                    taken[name].append(clock.take_us())
    if "no longer recorded" in told.getvalue():
        raise RuntimeError(told.getvalue())
    return {name: round(statistics.median(values[WARM_UP_RECORDS:])) for name, values in taken.items()}


def main() -> None:
    """Measure on every model, and write."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    # It adds to the own time by itself, without entering it.
    listener: Any = activations._Listener
    listener.__call__ = timed(listener.__call__, CLOCKS[activations.Activations.name])
    registry.SETS["full"] = tuple(wrap(kind) for kind in FULL)
    costs = {model: measure(make) for model, make in MODELS.items()}
    here = [kind.name for kind in FULL if kind.runs_on != "several"]
    table = {name: {model: costs[model][name] for model in MODELS} for name in here}
    COSTS.write_text(json.dumps({"torch": torch.__version__, "us_per_record": table}, indent=1) + "\n")
    print(COSTS.read_text())


if __name__ == "__main__":
    main()
