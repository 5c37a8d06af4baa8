"""What all rules together cost on a large run: a million scalars, a hundred layers.

    python benchmarks/catalogue.py [--quick] [--rules]

The run has everything that the hooks record with ``signals="full"`` of a network of a hundred layers, and the loss of
every step, healthy throughout, so every rule measures and nothing is cut short. Two shapes: records at every tenth of
thousands of steps, where nearly all scalars are of layers; and at every thousandth of half a million steps, where half
of the scalars are one long loss. CPU time of ``diagnose`` of a run that was never diagnosed, in a process that has
diagnosed a small one, so that imports do not count; the median of three. ``--rules`` prints what each rule takes on its
own, reading included. Exit status 1 if the bar is missed.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY / "monitor"))

import numpy as np  # noqa: E402

from trainvitals import Run, diagnose, tags  # noqa: E402
from trainvitals.config import Config  # noqa: E402
from trainvitals.model import Series  # noqa: E402
from trainvitals.rules.registry import all_rules  # noqa: E402

BAR_S = 3.0
LAYERS = 100
EVERY = (10, 1000)
ROUNDS = 3
LEVELS = {
    tags.GRADIENT_NORM: 1.0,
    tags.GRADIENT_COSINE: 0.05,
    tags.BATCH_MEAN: 0.1,
    tags.BATCH_STD: 1.0,
    tags.BATCH_ABS_MAX: 4.0,
    tags.OUTPUT_LOG_Z: 4.0,
    tags.OUTPUT_ROW_SUM: 0.3,
    tags.STEP_TIME_S: 0.1,
    tags.DATA_TIME_S: 0.002,
    tags.THROUGHPUT_PER_S: 640.0,
    tags.MEMORY_BYTES: 2e9,
    tags.OVERHEAD_PERCENT: 0.8,
    f"{tags.LEARNING_RATE}/group0": 3e-4,
}
"""Of what is recorded once a record."""
LAYER_LEVELS = {
    "grad_norm": 0.1,
    "weight_norm": 10.0,
    "update_ratio": 1e-3,
    "activation_mean": 0.05,
    "activation_std": 1.0,
    "activation_abs_max": 5.0,
    "activation_zero_fraction": 0.4,
    "dormant_unit_fraction": 0.01,
    "effective_rank": 30.0,
    "unit_similarity": 0.1,
    "epsilon_share": 0.001,
    "gradient_over_second_moment": 1.0,
}


def run_of(scalars: int, every: int) -> Run:
    """A healthy run with about so many scalars, recorded in full at every ``every``-th step."""
    records = scalars // (LAYERS * len(LAYER_LEVELS) + len(LEVELS) + every)
    random = np.random.default_rng(0)
    step = np.arange(records * every)
    trend = 1.5 + 6.0 * (step + 50.0) ** -0.35
    columns = {tags.TRAIN_LOSS: (step, trend + 0.02 * random.standard_normal(len(step)))}
    validated = step[99::100]
    columns[tags.VALIDATION_LOSS] = (validated, trend[99::100] + 0.05 + 0.01 * random.standard_normal(len(validated)))
    recorded = step[::every]
    columns[tags.BATCH_CHECKSUM] = (recorded, random.integers(2**24, size=records).astype(float))
    noise = random.standard_normal
    for tag, level in LEVELS.items():
        columns[tag] = (recorded, level * (1 + 0.02 * noise(records)))
    for kind, level in LAYER_LEVELS.items():
        for layer in range(LAYERS):
            columns[tags.per_layer(kind, f"layers.{layer}.weight")] = (recorded, level * (1 + 0.05 * noise(records)))
    series = {tag: Series(tag, at, 1e9 + 0.1 * at, value) for tag, (at, value) in columns.items()}
    return Run("run", "run", "run", "tensorboard", series, hyper_parameters={"optimizer": "AdamW", "lr": 3e-4})


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a tenth of the scalars")
    parser.add_argument("--rules", action="store_true", help="also print what each rule takes on its own")
    options = parser.parse_args()
    scalars = 100_000 if options.quick else 1_000_000
    diagnose(run_of(50_000, EVERY[0]))
    missed = 0
    for every in EVERY:
        taken_s = statistics.median(_cpu_s(run_of(scalars, every)) for _ in range(ROUNDS))
        run = run_of(scalars, every)
        missed += taken_s > BAR_S
        shape = f"{run.points:,} scalars in {len(run.series):,} tags, {len(run.series[tags.TRAIN_LOSS]):,} of the loss"
        print(f"{shape}: {taken_s:.2f} s CPU, {'held' if taken_s <= BAR_S else 'MISSED'} (bar {BAR_S:g} s)")
        if options.rules:
            alone_s = {rule.name: _cpu_s(run, Config(select=(rule.name,))) for rule in all_rules()}
            for name, seconds in sorted(alone_s.items(), key=lambda item: -item[1]):
                print(f"{seconds:8.3f} s  {name}")
    print(f"Load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores.")
    return int(missed > 0)


def _cpu_s(run: Run, config: Config | None = None) -> float:
    before = time.process_time()
    diagnose(run, config)
    return time.process_time() - before


if __name__ == "__main__":
    sys.exit(main())
