"""Train the runs in ``sample_logs/`` again: ``python scripts/make_samples.py [--output FOLDER] [NAME ...]``.

Each run is a real training of a small model with a fixed seed and takes a few seconds: those that end as event files
are of torch and watched by our own hooks, the others are of numpy and come in the formats of others. On the machine
that made the logs in the repository the bytes are the same again; on another, sums may round differently in the last
digits.
"""

from __future__ import annotations

import argparse
import os
import time
import tomllib
from collections.abc import Callable
from pathlib import Path

# Before numpy is loaded: for matrices as small as these, threads cost several times what they save.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from samples.clock import CLOCK

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    """Train the scenarios that are named, or all."""
    real_clock = time.perf_counter
    CLOCK.install()
    # Only now: the hooks take the clock by its name when they are loaded.
    from samples.scenarios import SCENARIOS

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of: {', '.join(SCENARIOS)}; default all")
    parser.add_argument("--output", type=Path, default=ROOT / "sample_logs", help="where the folders go")
    arguments = parser.parse_args()
    unknown = set(arguments.names) - set(SCENARIOS)
    if unknown:
        parser.error(f"no scenario {', '.join(sorted(unknown))}; there are: {', '.join(SCENARIOS)}")
    for name in arguments.names or SCENARIOS:
        began_s = real_clock()
        make(name, arguments.output / name, SCENARIOS[name])
        print(f"{name}: {real_clock() - began_s:.1f} s")


def make(name: str, folder: Path, train: Callable[[Path, np.random.Generator], None]) -> None:
    """Train one scenario with the seed of its ``scenario.toml`` and put its log in place of the one in ``folder``."""
    description = tomllib.loads((ROOT / "sample_logs" / name / "scenario.toml").read_text(encoding="utf-8"))
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        if old.name != "scenario.toml":
            old.unlink()
    import torch

    CLOCK.start_again()
    torch.set_num_threads(1)
    torch.manual_seed(description["seed"])
    # A run that diverges overflows: that is what it is here for.
    with np.errstate(all="ignore"):
        train(folder, np.random.default_rng(description["seed"]))


if __name__ == "__main__":
    main()
