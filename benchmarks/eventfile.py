"""How fast event files are read, followed and written, beside TensorBoard's own code.

    python benchmarks/eventfile.py [--quick] [--only read,poll,write] [--repetitions 5]

Installs nothing and downloads nothing; needs what trainvitals needs, and shows torch's SummaryWriter and the RustBoard
data server where they are installed. Every case runs alone in its process, the cases of a group in turn (A B C A B C
...), and a figure is the median of the ratios inside one turn. The time is CPU time, user and system, children
included, so that other load on the machine disturbs it little. All readers must return the same points, bit for bit.
Exit status 1 if a bar of the full size is missed or the points differ.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from statistics import median

HERE = Path(__file__).resolve().parent
BYTES_A_ROW = 24
"""Tag code 4, step 8, wall time 8, value 4."""
MEMORY_ALLOWANCE_MB = 100

OURS = "trainvitals, histograms located"
OURS_DECODED = "trainvitals, histograms decoded"
PURE = "EventAccumulator"
COMPILED = "EventAccumulator, CRC in C"
RUST = "RustBoard over gRPC"
RUST_CHECKED = "RustBoard over gRPC, --checksum"
READERS = (PURE, COMPILED, RUST, RUST_CHECKED, OURS)
WRITE_VECTOR, WRITE_SCALARS = "trainvitals, write_vector", "trainvitals, write_scalars"
TENSORBOARD_WRITER, TORCH_WRITER = "tensorboard EventFileWriter, one Event a scalar", "torch SummaryWriter.add_scalar"

Result = dict[str, float]


@dataclass(frozen=True)
class Case:
    """One case of a group: its name there, and what its process needs to know."""

    name: str
    arguments: tuple[str, ...]


@dataclass(frozen=True)
class Bar:
    """What must hold: ``figure`` at least (or at most) ``bound``."""

    name: str
    figure: float
    bound: float
    unit: str
    at_most: bool = False

    @property
    def held(self) -> bool:
        return self.figure <= self.bound if self.at_most else self.figure >= self.bound

    def row(self) -> str:
        relation = "at most" if self.at_most else "at least"
        verdict = "held" if self.held else "**missed**"
        figure = f"{self.figure:.0f}" if self.figure >= 100 else f"{self.figure:.3g}"
        return f"| {self.name} | {relation} {self.bound:g}{self.unit} | {figure}{self.unit} | {verdict} |"


class Turns:
    """The results of all cases of a group, ``repetitions`` of each."""

    def __init__(self, group: str, cases: list[Case], repetitions: int, log: str = "") -> None:
        self.results: dict[str, list[Result]] = {case.name: [] for case in cases}
        for turn in range(repetitions):
            for case in cases:
                title = " ".join((group, log)).strip()
                print(f"{title}, turn {turn + 1} of {repetitions}: {case.name}", file=sys.stderr, flush=True)
                self.results[case.name].append(run_alone("eventfile_cases.py", group, case.name, *case.arguments))

    def median_of(self, case: str, key: str) -> float:
        return median(result[key] for result in self.results[case])

    def ratio(self, slow: str, fast: str) -> float:
        """Median over the turns of how many times the CPU of ``fast`` the case ``slow`` takes."""
        pairs = zip(self.results[slow], self.results[fast], strict=True)
        return median(one["cpu_s"] / other["cpu_s"] for one, other in pairs)

    def different(self) -> list[str]:
        """The cases whose points are not those of the first one."""
        expected = next(iter(self.results.values()))[0]["digest"]
        return [case for case, results in self.results.items() if any(r["digest"] != expected for r in results)]


def run_alone(script: str, *arguments: str) -> Result:
    """Run a script of this folder in its own process and parse the JSON that it prints."""
    command = [sys.executable, str(HERE / script), *arguments]
    environment = os.environ | {"PYTHONPATH": str(HERE.parent), "TF_CPP_MIN_LOG_LEVEL": "3"}
    finished = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if finished.returncode:
        raise SystemExit(f"{script} {' '.join(arguments)} failed:\n{finished.stderr}")
    return json.loads(finished.stdout.splitlines()[-1])


def read_table(turns: Turns, title: str) -> list[str]:
    """One row a reader."""
    rows = int(turns.median_of(PURE, "rows"))
    lines = [
        f"**{title}** ({rows:,} scalars)",
        "",
        "| reader | CPU s, median (least to most) | wall s | peak MB | times EventAccumulator |",
        "|---|---|---|---|---|",
    ]
    for name, results in turns.results.items():
        cpu = [result["cpu_s"] for result in results]
        lines.append(
            f"| {name} | {median(cpu):.3f} ({min(cpu):.3f} to {max(cpu):.3f}) | {turns.median_of(name, 'wall_s'):.2f} "
            f"| {turns.median_of(name, 'peak_mb'):.0f} | {turns.ratio(PURE, name):.1f} |"
        )
    return [*lines, ""]


def read_bars(kind: str, turns: Turns) -> list[Bar]:
    if kind == "many":
        columns_mb = turns.median_of(OURS, "rows") * BYTES_A_ROW / 1e6
        peak = turns.median_of(OURS, "peak_mb")
        bars = [Bar("2 M scalars in 20 tags, times EventAccumulator", turns.ratio(PURE, OURS), 40, "x")]
        if RUST in turns.results:
            bars.append(Bar("2 M scalars in 20 tags, times RustBoard over gRPC", turns.ratio(RUST, OURS), 2.3, "x"))
        limit = 2 * columns_mb + MEMORY_ALLOWANCE_MB
        return [*bars, Bar(f"peak memory (columns: {columns_mb:.0f} MB)", peak, limit, " MB", at_most=True)]
    if kind == "wide":
        return [Bar("600 k scalars in 200 wide events, times EventAccumulator", turns.ratio(PURE, OURS), 50, "x")]
    return [
        Bar("mixed log, histograms located, times EventAccumulator", turns.ratio(PURE, OURS), 50, "x"),
        Bar("mixed log, histograms decoded, times EventAccumulator", turns.ratio(PURE, OURS_DECODED), 25, "x"),
    ]


LOGS = {
    "many": "one event a scalar, 20 tags",
    "wide": "3000 scalars in each event",
    "mixed": "scalars, histograms, texts, images",
}
STEPS = {"many": 100_000, "wide": 200, "mixed": 10_000}
QUICK_STEPS = {"many": 5_000, "wide": 20, "mixed": 500}


def measure_reading(folder: Path, steps: dict[str, int], repetitions: int) -> tuple[list[str], list[Bar], list[str]]:
    lines, bars, wrong = [], [], []
    readers = [name for name in READERS if "Rust" not in name or find_spec("tensorboard_data_server")]
    for kind, description in LOGS.items():
        made = run_alone("eventfile_logs.py", kind, str(folder / kind), str(steps[kind]))
        path = str(made["path"])
        names = [*readers, OURS_DECODED] if kind == "mixed" else readers
        turns = Turns("read", [Case(name, (path,)) for name in names], repetitions, kind)
        lines += read_table(turns, f"Reading {description}, {Path(path).stat().st_size / 1e6:.0f} MB")
        bars += read_bars(kind, turns)
        wrong += [f"{kind}: {case}" for case in turns.different()]
    return lines, bars, wrong


def measure_polling(folder: Path, steps: dict[str, int], repetitions: int) -> tuple[list[str], list[Bar], list[str]]:
    path = str(run_alone("eventfile_logs.py", "many", str(folder / "live"), str(steps["many"] // 10))["path"])
    turns = Turns("poll", [Case(COMPILED, (path,)), Case("trainvitals", (path,))], repetitions)
    lines = [
        "**Following a live log**",
        "",
        "| reader | CPU us, nothing new | CPU us, 20 new records |",
        "|---|---|---|",
    ]
    for name in turns.results:
        idle, busy = (1e6 * turns.median_of(name, key) for key in ("idle_s", "cpu_s"))
        lines.append(f"| {name} | {idle:.1f} | {busy:.0f} |")
    share = turns.ratio("trainvitals", COMPILED)
    bar = Bar("a poll of 20 new records, share of EventAccumulator's with C CRC", share, 0.7, "x", at_most=True)
    return [*lines, ""], [bar], [f"polling: {case}" for case in turns.different()]


def measure_writing(quick: bool, repetitions: int) -> tuple[list[str], list[Bar], list[str]]:
    ours, peers, tags = ("40", "20", "500") if quick else ("200", "20", "3000")
    peer_names = [TENSORBOARD_WRITER, *([TORCH_WRITER] if find_spec("torch") else [])]
    cases = [Case(name, (peers, tags)) for name in peer_names]
    cases += [Case(name, (ours, tags)) for name in (WRITE_VECTOR, WRITE_SCALARS)]
    turns = Turns("write", cases, repetitions)
    peer = peer_names[-1]
    lines = [
        f"**Writing {tags} tags a step**",
        "",
        f"| writer | CPU us a scalar | wall us a scalar | bytes a scalar | times {peer} |",
        "|---|---|---|---|---|",
    ]
    for name in turns.results:
        cpu, wall = (1e6 * turns.median_of(name, key) for key in ("cpu_s", "wall_s"))
        written = turns.median_of(name, "bytes")
        lines.append(f"| {name} | {cpu:.4g} | {wall:.4g} | {written:.1f} | {turns.ratio(peer, name):.0f} |")
    bar = Bar(f"writing, times {peer}", turns.ratio(peer, WRITE_VECTOR), 500, "x")
    return [*lines, ""], [bar], [f"writing: {case}" for case in turns.different()]


def conditions(load_before: tuple[float, ...]) -> str:
    """The machine and what else ran on it, in one line."""
    names = [("google_crc32c", "google-crc32c"), ("tensorboard_data_server", "tensorboard-data-server")]
    packages = ["numpy", "protobuf", "tensorboard", *[package for module, package in names if find_spec(module)]]
    installed = []
    for package in [*packages, "torch"]:
        try:
            installed.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            installed.append(f"no {package}")
    before, after = (", ".join(f"{load:.1f}" for load in loads) for loads in (load_before, os.getloadavg()))
    return (
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, {', '.join(installed)}. "
        f"Load average (1, 5, 15 minutes) before {before}; after {after}."
    )


def main() -> int:
    parser = argparse.ArgumentParser(description="Event files: speed beside TensorBoard's own code.")
    parser.add_argument("--quick", action="store_true", help="small logs; the bars are shown but decide nothing")
    parser.add_argument("--only", default="read,poll,write", help="comma-separated groups")
    parser.add_argument("--repetitions", type=int, default=5)
    arguments = parser.parse_args()
    steps = QUICK_STEPS if arguments.quick else STEPS
    load_before = os.getloadavg()
    lines, bars, wrong = [], [], []
    with tempfile.TemporaryDirectory(prefix="eventfile-benchmark-") as name:
        measures = {
            "read": lambda: measure_reading(Path(name), steps, arguments.repetitions),
            "poll": lambda: measure_polling(Path(name), steps, arguments.repetitions),
            "write": lambda: measure_writing(arguments.quick, arguments.repetitions),
        }
        for group in arguments.only.split(","):
            for total, found in zip((lines, bars, wrong), measures[group](), strict=True):
                total += found
    print("\n".join(lines))
    print("| figure | bar | measured | |\n|---|---|---|---|")
    print("\n".join(bar.row() for bar in bars))
    print(f"\nMedian of {arguments.repetitions} turns. {conditions(load_before)}")
    print(f"\nPoints: {'different from the first case in ' + '; '.join(wrong) if wrong else 'the same in every case'}.")
    return 1 if wrong or (not arguments.quick and not all(bar.held for bar in bars)) else 0


if __name__ == "__main__":
    sys.exit(main())
