"""What other linters say of the plain logs, at their defaults, in our names.

They are separate programs (runmedic, trainproof, losslint), called where they are installed:

    python -m venv peers && peers/bin/pip install runmedic==0.1.1 trainproof==0.22.0 losslint==0.4.1
    python -m benchmarks.exam --peers peers/bin

A finding counts from their ``warning``, ``WARN`` or worse; what they call information does not, as with ours.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TIME_LIMIT_S = 60

NOT_LEARNING = ("not-learning", "plateau")
OURS = {
    "runmedic": {
        "non_finite": ("non-finite-loss",),
        "divergence": ("diverging-loss",),
        "loss_spikes": ("loss-spikes",),
        "no_learning": NOT_LEARNING,
        "overfitting": ("overfitting",),
        "grad_spikes": ("exploding-gradients",),
        "constant_lr_plateau": ("plateau",),
        "input_bound": ("input-bound",),
        "slow_steps": ("step-time-outliers",),
        "slowdown": ("throughput-drop",),
        "memory_growth": ("memory-growth",),
    },
    "trainproof": {
        "TP-NAN": ("non-finite-loss",),
        "TP-NAN-GRAD": ("non-finite-gradients",),
        "TP-FLAT": NOT_LEARNING,
        "TP-DEAD-RUN": NOT_LEARNING,
        "TP-DIVERGE": ("diverging-loss",),
        "TP-ZERO-GRAD": ("vanishing-gradients",),
        "TP-GRAD-SPIKE": ("exploding-gradients",),
        "TP-ZERO-LR": ("learning-rate-exhausted",),
        "TP-ZERO-LR-PARTIAL": ("learning-rate-exhausted",),
        "TP-OVERFIT": ("overfitting",),
        "TP-STEP-CLIFF": ("throughput-drop",),
        "TP-LOADER-BOUND": ("input-bound",),
    },
    "losslint": {
        "nan_inf": ("non-finite-loss",),
        "loss_spike": ("loss-spikes",),
        "divergence": ("diverging-loss",),
        "overfit_onset": ("overfitting",),
        "stagnation": NOT_LEARNING,
    },
}
"""Their name to all of ours that it may mean; what is not listed keeps its own name and counts as said besides."""


@dataclass(frozen=True)
class Peer:
    """One program.

    Args:
        arguments: before the log. findings: name and whether it is a warning, from what it printed.
    """

    name: str
    arguments: tuple[str, ...]
    options: tuple[str, ...]
    findings: Callable[[Any], Iterator[tuple[str, bool]]]

    def alarms(self, folder: Path, log: Path) -> list[str]:
        """Its warnings on a log, in our names.

        Args:
            folder: where the program lies.
        """
        command = [str(folder / self.name), *self.arguments, str(log), *self.options]
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIME_LIMIT_S, check=False)
        try:
            report = json.loads(done.stdout)
        except json.JSONDecodeError:
            # Its exit status says whether it found something or could not read the log at all.
            return ["unreadable"] if done.returncode else []
        names: Mapping[str, tuple[str, ...]] = OURS[self.name]
        said = [name for name, is_warning in self.findings(report) if is_warning]
        return sorted({ours for name in said for ours in names.get(name, (name,))})


def _runmedic(report: Any) -> Iterator[tuple[str, bool]]:
    for run in report:
        for finding in run["findings"]:
            yield finding["check"], finding["severity"] != "info"


def _trainproof(report: Any) -> Iterator[tuple[str, bool]]:
    for run in report["reports"]:
        for finding in run["findings"]:
            yield finding["id"], finding["level"] in ("WARN", "FAIL")


def _losslint(report: Any) -> Iterator[tuple[str, bool]]:
    for finding in report["findings"]:
        yield finding["check"], finding["severity"] != "info"


PEERS = (
    Peer("runmedic", ("diagnose",), ("--json",), _runmedic),
    Peer("trainproof", ("epoch",), ("--json",), _trainproof),
    Peer("losslint", ("check",), ("--format", "json"), _losslint),
)
