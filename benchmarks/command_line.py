"""What the command line costs: start-up, and diagnosing a million scalars.

    python benchmarks/command_line.py [--quick]

CPU time (user and system, children included), each case in its own process, two cases in turn, medians. Exit status 1
if a bar is missed.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
HELP_BAR = 3.0
DIAGNOSE_BAR_S = 1.5
TAGS = 20

# Imports are excluded by diagnosing a small run first; what is left is the work that grows with the log.
DIAGNOSE = """
import sys, time
from trainvitals import diagnose, read_run
diagnose(read_run(sys.argv[1]))
run = read_run(sys.argv[2])
before = time.process_time()
diagnosis = diagnose(run)
print(time.process_time() - before, run.points, diagnosis.status)
"""

WRITE = """
import sys
import numpy as np
from trainvitals.eventfile.writer import EventFileWriter
folder, steps = sys.argv[1], int(sys.argv[2])
generator = np.random.default_rng(0)
step = np.arange(1, steps + 1)
trend = 1.5 + 6.0 * step ** -0.35
columns = {"train/loss": trend + 0.02 * generator.standard_normal(steps)}
columns["val/loss"] = trend + 0.05 + 0.01 * generator.standard_normal(steps)
columns["learning_rate/group0"] = np.full(steps, 3e-4)
columns["train/grad_norm"] = 1 + 0.1 * generator.standard_normal(steps)
for layer in range(8):
    columns[f"grad_norm/layers.{layer}.weight"] = 0.3 + 0.03 * generator.standard_normal(steps)
    columns[f"weight_norm/layers.{layer}.weight"] = 10 + step / steps
with EventFileWriter(folder) as writer:
    for index in range(steps):
        row = {tag: float(values[index]) for tag, values in columns.items()}
        writer.write_scalars(int(step[index]), row, wall_time=1e9 + index)
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a tenth of the scalars, three rounds")
    arguments = parser.parse_args()
    rounds = 3 if arguments.quick else 7
    steps = (100_000 if arguments.quick else 1_000_000) // TAGS
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores, Python {sys.version.split()[0]}\n")
    ratio, help_s, numpy_s = help_over_numpy(rounds)
    diagnose_s, read_s = diagnose_beyond_reading(steps, rounds=3)
    held = (ratio <= HELP_BAR, diagnose_s <= DIAGNOSE_BAR_S)
    print("| figure | measured | bar | holds |\n|---|---|---|---|")
    detail = f"{help_s * 1e3:.0f} ms over {numpy_s * 1e3:.0f} ms"
    print(f"| `trainvitals --help` over `python -c 'import numpy'` | {ratio:.2f}x ({detail}) | 3x | {_word(held[0])} |")
    what = f"`diagnose` of {steps * TAGS:,} scalars in {TAGS} tags, beyond reading and imports"
    print(f"| {what} | {diagnose_s:.2f} s CPU (reading {read_s:.2f} s) | 1.5 s | {_word(held[1])} |")
    return 0 if all(held) else 1


def help_over_numpy(rounds: int) -> tuple[float, float, float]:
    """Median CPU seconds of the help text and of importing numpy, in turn, and their ratio."""
    helps, numpys = [], []
    for _ in range(rounds):
        helps.append(cpu_s([sys.executable, "-m", "trainvitals", "--help"]))
        numpys.append(cpu_s([sys.executable, "-c", "import numpy"]))
    help_s, numpy_s = statistics.median(helps), statistics.median(numpys)
    return help_s / numpy_s, help_s, numpy_s


def diagnose_beyond_reading(steps: int, rounds: int) -> tuple[float, float]:
    """Median CPU seconds of the diagnosis alone, and of the whole process less that."""
    with tempfile.TemporaryDirectory() as folder:
        for name, length in (("small", 300), ("large", steps)):
            subprocess.run(
                [sys.executable, "-c", WRITE, f"{folder}/{name}", str(length)], check=True, env=environment()
            )
        times, wholes = [], []
        for _ in range(rounds):
            command = [sys.executable, "-c", DIAGNOSE, f"{folder}/small", f"{folder}/large"]
            before = _children_cpu_s()
            done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment())
            wholes.append(_children_cpu_s() - before)
            times.append(float(done.stdout.split()[0]))
            time.sleep(0.1)
    return statistics.median(times), statistics.median(wholes) - statistics.median(times)


def cpu_s(command: list[str]) -> float:
    """User and system seconds of one process."""
    before = _children_cpu_s()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment())
    return _children_cpu_s() - before


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(REPOSITORY / "monitor"), "TRAINVITALS_CACHE": ""}


def _children_cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _word(held: bool) -> str:
    return "yes" if held else "**no**"


if __name__ == "__main__":
    sys.exit(main())
