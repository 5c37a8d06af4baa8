"""What torchmortem 0.1.1 says, hooked into the trainings of the exam at its defaults, in our names.

    pip install torchmortem==0.1.1
    python -m benchmarks.exam.torchmortem_hooked FOLDER [--jobs N]

It reads no logs, so trainings are made again with it in place of our hooks: one seed of each fault, in the first of its
trainings, and of each clean twin, because it takes two to five times the time of the training alone. What it says is
kept beside our logs in FOLDER, and ``python -m benchmarks.exam --peers`` reports what lies there.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import warnings
from collections.abc import Iterator
from pathlib import Path

from benchmarks.exam.cases import Case, cases
from benchmarks.exam.faults import FAULTS

ALARMS_FILE = "torchmortem.json"

OURS = {
    "Vanishing gradients": ("vanishing-gradients",),
    "Exploding gradients": ("exploding-gradients",),
    "Gradient stalling": ("vanishing-gradients", "parameters-not-updated"),
    "High gradient noise": ("gradient-noise-dominates",),
    "Training divergence": ("diverging-loss",),
    "Loss plateau": ("not-learning", "plateau"),
    "Rank collapse": ("representation-collapse",),
    "Dead units": ("dead-units",),
    "Activation saturation": ("saturated-activations",),
    "Update ratio too low": ("updates-too-small",),
    "Update ratio too high": ("updates-too-large",),
    "Weight norm explosion": ("updates-too-large", "activation-growth"),
    "Stagnant weight norms": ("updates-too-small", "parameters-not-updated"),
    "Inter-layer weight norm imbalance": ("poor-initialisation",),
}
"""What its titles begin with, to all of our names that they may mean."""


def alarms(case: Case) -> list[str]:
    """Its warnings on one training, in our names."""
    import torch
    from benchmarks.exam.training import Training, make_step
    from torchmortem import Autopsy

    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    training = Training(case.settings, case.fault, case.seed)
    with Autopsy(training.network, optimizer=training.optimizer) as autopsy:
        for step in range(training.settings.steps):
            training.step = step
            loss = make_step(training, case.fault, torch.nn.utils.clip_grad_norm_)
            autopsy.step(loss=loss.item())
    report = autopsy.get_report()
    assert report is not None
    said = [finding for finding in report.findings if finding.severity.name in ("WARNING", "CRITICAL")]
    return sorted({ours for finding in said for ours in _ours(finding.title)})


def _ours(title: str) -> tuple[str, ...]:
    return next((names for beginning, names in OURS.items() if title.startswith(beginning)), (title,))


def _chosen() -> Iterator[Case]:
    for case in cases(FAULTS, quick=True):
        if case.kind == "twin" or (case.fault and case.task == case.fault.bases[0]):
            yield case


def _keep(job: tuple[str, Path]) -> str:
    name, root = job
    try:
        said = alarms(next(case for case in _chosen() if case.name == name))
    except Exception as error:
        # That it breaks on a training is an answer too, and not a warning of it.
        print(f"{name}: {type(error).__name__}: {error}", flush=True)
        said = []
    (root / name / ALARMS_FILE).write_text(json.dumps(said))
    return f"{name}: {', '.join(said) or 'nothing'}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    jobs = [
        (case.name, options.folder)
        for case in _chosen()
        if case.folder(options.folder).is_dir() and not (case.folder(options.folder) / ALARMS_FILE).exists()
    ]
    with multiprocessing.get_context("spawn").Pool(options.jobs, maxtasksperchild=4) as pool:
        for number, line in enumerate(pool.imap_unordered(_keep, jobs), 1):
            print(f"{number}/{len(jobs)} {line}", flush=True)


if __name__ == "__main__":
    main()
