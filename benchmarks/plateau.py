"""Real language-model curves, as they are and frozen: false plateaus, plateaus found, progress found, and since when.

    python benchmarks/plateau.py [FOLDER] [--quick]

FOLDER holds one folder a model with one CSV (step, lr, loss) a run; without it ``../shared/lm_curves`` beside the
repository is used. None of these runs has plateaued. Each is cut at 50, 75 and 100 % of its points, taken as it is or
held at its value from 50 or 70 % of these on, and given noise: first-order autoregressive, correlation 0.5. Every case
is diagnosed as a user would, with the learning rate and without it; three rules in common use see the same losses.
Exit status 1 if a bar is missed.
"""

from __future__ import annotations

import argparse
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(REPOSITORY / "monitor"), str(REPOSITORY)]

from benchmarks.intervals import rate  # noqa: E402
from benchmarks.plateau_peers import Losses, no_falling_trend, out_of_patience, reduce_on_plateau  # noqa: E402

from trainvitals import Run, diagnose  # noqa: E402
from trainvitals.model import Severity, Verdict  # noqa: E402

LENGTHS = (0.5, 0.75, 1.0)
FREEZES = (None, 0.5, 0.7)
NOISE_SDS = (0.0, 0.002, 0.005, 0.01)
CORRELATION = 0.5
SEEDS = 5
QUICK_SEEDS = 1
ENOUGH_POINTS = 150
ONSET_TOLERANCE = 0.1


@dataclass(frozen=True, eq=False)
class Curve:
    """One real run: its name, steps, learning rates and losses."""

    name: str
    step: np.ndarray
    rate: np.ndarray
    loss: np.ndarray


@dataclass(frozen=True, eq=False)
class Case:
    """A curve cut, frozen from point ``frozen_at`` on unless None, and with noise."""

    name: str
    step: np.ndarray
    rate: np.ndarray
    loss: Losses
    noise_sd: float
    freeze: float | None
    frozen_at: int | None

    @property
    def long_enough(self) -> bool:
        return len(self.loss) >= ENOUGH_POINTS


@dataclass(frozen=True)
class Outcome:
    """What the diagnosis said of a case, with or without the learning rate."""

    case: Case
    with_rate: bool
    verdict: Verdict
    warned: bool
    named: bool
    since_step: int | None

    @property
    def progress_found(self) -> bool:
        return self.verdict in (Verdict.PROGRESSING, Verdict.SLOW)

    @property
    def onset_is_right(self) -> bool:
        """Dated within 10 % of the steps done."""
        if self.case.frozen_at is None or self.since_step is None:
            return False
        error = abs(self.since_step - int(self.case.step[self.case.frozen_at]))
        return error <= ONSET_TOLERANCE * int(self.case.step[-1])

    @property
    def label(self) -> str:
        return f"{self.case.name}, {'with' if self.with_rate else 'without'} rate: {self.verdict}"


def read_curves(folder: Path) -> list[Curve]:
    """Every run below ``folder``, in the order of their names."""
    curves = []
    for path in sorted(folder.glob("*/*.csv")):
        table = np.genfromtxt(path, delimiter=",", names=True)
        name = f"{path.parent.name}/{path.stem}"
        curves.append(Curve(name, table["step"].astype(np.int64), table["lr"], table["loss"]))
    if not curves:
        raise SystemExit(f"{folder}: no curves there; give the folder that holds them")
    return curves


def cases(curves: Iterable[Curve], seeds: int) -> Iterator[Case]:
    """Every curve at every length, frozen or not, with every noise."""
    for curve in curves:
        for length in LENGTHS:
            points = int(length * len(curve.step))
            for freeze in FREEZES:
                frozen_at = None if freeze is None else int(freeze * points)
                held = curve.loss[:points].copy()
                if frozen_at is not None:
                    held[frozen_at:] = held[frozen_at]
                for noise_sd in NOISE_SDS:
                    for seed in range(seeds if noise_sd else 1):
                        kind = "as it is" if freeze is None else f"frozen from {freeze:.0%}"
                        name = f"{curve.name} to {length:.0%}, {kind}, noise {noise_sd:g}, seed {seed}"
                        loss = held + _noise(points, noise_sd, zlib.crc32(name.encode()))
                        yield Case(name, curve.step[:points], curve.rate[:points], loss, noise_sd, freeze, frozen_at)


def _noise(points: int, sd: float, seed: int) -> Losses:
    """First-order autoregressive noise of this standard deviation."""
    generator = np.random.default_rng(seed)
    shocks = generator.normal(0.0, sd * np.sqrt(1.0 - CORRELATION**2), points)
    noise = np.empty(points)
    noise[0] = generator.normal(0.0, sd)
    for index in range(1, points):
        noise[index] = CORRELATION * noise[index - 1] + shocks[index]
    return noise


def judge(case: Case, *, with_rate: bool) -> Outcome:
    """Diagnose a case as a user would."""
    columns = {"step": case.step, "train/loss": case.loss}
    if with_rate:
        columns["learning_rate"] = case.rate
    diagnosis = diagnose(Run.from_columns(columns, step="step", name=case.name))
    plateaus = [finding for finding in diagnosis.open_findings if finding.name == "plateau"]
    return Outcome(
        case,
        with_rate,
        diagnosis.progress.verdict,
        warned=any(finding.severity is not Severity.INFO for finding in plateaus),
        named=bool(plateaus),
        since_step=next((finding.first_step for finding in plateaus), None),
    )


@dataclass(frozen=True)
class Bar:
    """One demand of the project: what it counts, over which outcomes, and the share that is enough."""

    what: str
    counts: Callable[[Outcome], bool]
    over: Callable[[Outcome], bool]
    least: float


BARS = (
    Bar(
        "no plateau warned of on a run that still improves, noise 0 to 0.01",
        lambda outcome: not outcome.warned,
        lambda outcome: outcome.case.freeze is None,
        1.0,
    ),
    Bar(
        f"frozen and warned of, noise 0, {ENOUGH_POINTS} points or more",
        lambda outcome: outcome.warned,
        lambda outcome: _frozen(outcome) and outcome.case.noise_sd == 0 and outcome.case.long_enough,
        1.0,
    ),
    Bar(
        f"frozen and warned of, noise 0.002, {ENOUGH_POINTS} points or more",
        lambda outcome: outcome.warned,
        lambda outcome: _frozen(outcome) and outcome.case.noise_sd == 0.002 and outcome.case.long_enough,
        0.95,
    ),
    Bar(
        "progress found, noise 0 to 0.005",
        lambda outcome: outcome.progress_found,
        lambda outcome: outcome.case.freeze is None and outcome.case.noise_sd <= 0.005,
        0.9,
    ),
    Bar(
        f"onset within 10 % of the run where a plateau was warned of, {ENOUGH_POINTS} points or more",
        lambda outcome: outcome.onset_is_right,
        lambda outcome: _frozen(outcome) and outcome.warned and outcome.case.long_enough,
        0.95,
    ),
)


def _frozen(outcome: Outcome) -> bool:
    return outcome.case.freeze is not None


def print_bars(outcomes: Sequence[Outcome]) -> bool:
    """The demands, each with and without the learning rate; the wrong cases by name. True if all hold."""
    print("| demand | learning rate | measured | bar | holds |\n|---|---|---|---|---|")
    all_hold, wrong = True, []
    for bar in BARS:
        for with_rate in (False, True):
            over = [outcome for outcome in outcomes if outcome.with_rate is with_rate and bar.over(outcome)]
            missed = [outcome for outcome in over if not bar.counts(outcome)]
            holds = len(over) - len(missed) >= bar.least * len(over)
            all_hold &= holds
            known = "given" if with_rate else "not given"
            measured = rate(len(over) - len(missed), len(over))
            print(f"| {bar.what} | {known} | {measured} | {bar.least:.0%} | {'yes' if holds else '**no**'} |")
            if bar.least > 0.9:
                wrong += [f"- {bar.what}: {outcome.label}, since {outcome.since_step}" for outcome in missed]
    print("\nWrong cases:\n" + ("\n".join(wrong) or "none"))
    return all_hold


def print_verdicts(outcomes: Sequence[Outcome], *, with_rate: bool) -> None:
    """What was said of each kind of case."""
    print(f"\nVerdicts, learning rate {'given' if with_rate else 'not given'}\n")
    print("| case | points | noise | n | warned | named | " + " | ".join(Verdict) + " |")
    print("|---|---|---|---|---|---|" + "---|" * len(Verdict))
    for freeze in FREEZES:
        for long_enough in (True, False):
            for noise_sd in NOISE_SDS:
                cell = [
                    outcome
                    for outcome in outcomes
                    if outcome.with_rate is with_rate
                    and outcome.case.freeze == freeze
                    and outcome.case.long_enough is long_enough
                    and outcome.case.noise_sd == noise_sd
                ]
                kind = "as it is" if freeze is None else f"frozen from {freeze:.0%}"
                size = f">= {ENOUGH_POINTS}" if long_enough else f"< {ENOUGH_POINTS}"
                warned = sum(outcome.warned for outcome in cell)
                named = sum(outcome.named for outcome in cell)
                verdicts = " | ".join(str(sum(outcome.verdict is verdict for outcome in cell)) for verdict in Verdict)
                print(f"| {kind} | {size} | {noise_sd:g} | {len(cell)} | {warned} | {named} | {verdicts} |")


def print_peers(all_cases: Sequence[Case], outcomes: Sequence[Outcome]) -> None:
    """False plateaus and plateaus found of every rule, on the same losses."""
    ours = {outcome.case.name: outcome.warned for outcome in outcomes if not outcome.with_rate}
    rules: dict[str, Callable[[Case], bool]] = {
        "trainvitals, a warning": lambda case: ours[case.name],
        "ReduceLROnPlateau, torch's defaults": _fires,
        "no new best in the last tenth": lambda case: out_of_patience(case.loss),
        "Mann-Kendall with Hamed-Rao, no falling trend": lambda case: no_falling_trend(case.loss),
    }
    print("\n| rule | noise | false plateaus | frozen found, all lengths |\n|---|---|---|---|")
    for name, says in rules.items():
        for noise_sd in NOISE_SDS:
            here = [case for case in all_cases if case.noise_sd == noise_sd]
            improving = [case for case in here if case.freeze is None]
            frozen = [case for case in here if case.freeze is not None]
            false = rate(sum(says(case) for case in improving), len(improving))
            found = rate(sum(says(case) for case in frozen), len(frozen))
            print(f"| {name} | {noise_sd:g} | {false} | {found} |")


def _fires(case: Case) -> bool:
    """On an improving run at all; on a frozen one, since it froze."""
    return any(index >= (case.frozen_at or 0) for index in reduce_on_plateau(case.loss))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=REPOSITORY.parent / "shared" / "lm_curves")
    parser.add_argument("--quick", action="store_true", help="one seed instead of five")
    arguments = parser.parse_args()
    seeds = QUICK_SEEDS if arguments.quick else SEEDS
    all_cases = list(cases(read_curves(arguments.folder), seeds))
    outcomes = [judge(case, with_rate=with_rate) for case in all_cases for with_rate in (False, True)]
    all_hold = print_bars(outcomes)
    for with_rate in (False, True):
        print_verdicts(outcomes, with_rate=with_rate)
    print_peers(all_cases, outcomes)
    return 0 if all_hold else 1


if __name__ == "__main__":
    sys.exit(main())
