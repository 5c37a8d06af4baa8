"""Inject known events into healthy real loss curves, and see whether they are found, when, and under which name.

    python benchmarks/injected_events.py [--real-logs FOLDER] [--curves FOLDER] [--seed N]

The curves are the training losses of the runs that REAL_LOGS/labels.csv calls healthy or converged, and the loss curves
of language models below CURVES; without arguments ``../shared/real_logs`` and ``../shared/lm_curves`` are used. Every
curve gets every kind of event once, at an onset and of a size drawn by the seed. A case is found when a finding of any
severity names it and dates it within 2 % of the run (10 % where the loss freezes). Exit status 1 if a bar is missed.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(REPOSITORY / "monitor"), str(REPOSITORY)]

from benchmarks.injection import EVENTS, Curve, Event, Log  # noqa: E402
from benchmarks.intervals import rate  # noqa: E402

from trainvitals import Run, diagnose, read_runs  # noqa: E402
from trainvitals.model import Finding, Severity  # noqa: E402
from trainvitals.signals import understand  # noqa: E402
from trainvitals.view import RunView  # noqa: E402

HEALTHY = frozenset(("healthy-improving", "converged"))
FEWEST_POINTS = 50
"""Shorter curves leave no room for a before and an after."""

BAR = 0.9
SEED = 20
INJECTED_NAMES = frozenset(name for event in EVENTS.values() for name in event.names)


@dataclass(frozen=True)
class Outcome:
    """One case and what the diagnosis made of it.

    Args:
        case: curve, onset and event in words.
        found: named, and dated within the tolerance; error: of the date in shares of the run, None where not named.
        beside: other injected events that were claimed at warning or above.
    """

    kind: str
    case: str
    found: bool
    error: float | None
    beside: tuple[str, ...]


def healthy_curves(real_logs: Path, curves: Path) -> Iterator[Curve]:
    """The training losses of healthy real runs, then the language-model curves."""
    with (real_logs / "labels.csv").open(newline="", encoding="utf-8") as file:
        labels = {row["id"]: frozenset(row["labels"].split(";")) for row in csv.DictReader(file)}
    for name in (name for name, given in labels.items() if given & HEALTHY):
        for run in read_runs([str(real_logs / name)]):
            loss = RunView(run, understand(run)).train_loss
            if loss is not None and len(loss) >= FEWEST_POINTS:
                value = np.asarray(loss.curve.value, dtype=np.float64)
                yield Curve(name, loss.curve.step, value)
    for path in sorted(curves.glob("*/*.csv")):
        table = np.genfromtxt(path, delimiter=",", names=True)
        yield Curve(f"{path.parent.name}/{path.stem}", table["step"].astype(np.int64), table["loss"], table["lr"])


def outcome(kind: str, event: Event, curve: Curve, seed: int) -> Outcome | None:
    """One event injected into one curve and diagnosed through the own entrance of the product; None if invisible."""
    rng = np.random.default_rng([seed, *kind.encode(), *curve.name.encode()])
    onset = round(float(rng.uniform(*event.between)) * len(curve.loss)) | 1
    if event.visible_only and not curve.falls_visibly_from(onset):
        return None
    log = event.inject(curve, onset, rng)
    findings = _findings(log)
    span_steps = int(curve.step[-1] - curve.step[0])
    errors = [
        (finding.first_step - step) / span_steps
        for finding in findings
        for step in log.onsets
        if finding.name in event.names and finding.first_step is not None
    ]
    error = min(errors, key=abs, default=None)
    return Outcome(
        kind,
        f"{curve.name} from step {curve.step[onset]:,}, {log.detail}",
        error is not None and abs(error) <= event.tolerance,
        error,
        tuple(sorted(_alarms(findings) - set(event.names))),
    )


def _findings(log: Log) -> tuple[Finding, ...]:
    return diagnose(Run.from_columns(log.columns, step="step")).findings


def _alarms(findings: Iterable[Finding]) -> set[str]:
    return {f.name for f in findings if f.name in INJECTED_NAMES and f.severity is not Severity.INFO}


def main() -> int:
    shared = REPOSITORY.parent / "shared"
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--real-logs", type=Path, default=shared / "real_logs")
    parser.add_argument("--curves", type=Path, default=shared / "lm_curves")
    parser.add_argument("--seed", type=int, default=SEED)
    arguments = parser.parse_args()
    if not (arguments.real_logs / "labels.csv").is_file():
        print(f"no labels.csv in {arguments.real_logs}: name the folder of labelled runs", file=sys.stderr)
        return 2
    curves = list(healthy_curves(arguments.real_logs, arguments.curves))
    cases = [outcome(kind, event, curve, arguments.seed) for kind, event in EVENTS.items() for curve in curves]
    outcomes = [case for case in cases if case is not None]
    alarmed = {curve.name: _alarms(_findings(Log(curve.columns(curve.loss), (), "untouched"))) for curve in curves}
    return _report(outcomes, {name: names for name, names in alarmed.items() if names}, len(curves))


def _report(outcomes: list[Outcome], alarmed: dict[str, set[str]], twins: int) -> int:
    found = [one for one in outcomes if one.found]
    double = [one for one in outcomes if one.beside]
    print("| event | found, dated right | median error of the date |")
    print("|---|---|---|")
    for kind in EVENTS:
        _print_row(kind, [one for one in outcomes if one.kind == kind])
    _print_row("**all**", outcomes)
    print(f"\nUntouched twins with one of these findings at warning or above: {rate(len(alarmed), twins)}.")
    print(f"Cases with another of these findings at warning or above beside: {rate(len(double), len(outcomes))}.")
    for name, names in alarmed.items():
        print(f"- alarm on the untouched {name}: {', '.join(sorted(names))}")
    for one in outcomes:
        if not one.found:
            what = "not named" if one.error is None else f"dated {one.error:+.1%} of the run off"
            print(f"- missed {one.kind}: {one.case}: {what}")
    for one in double:
        print(f"- beside {one.kind}: {one.case}: {', '.join(one.beside)}")
    return 0 if len(found) >= BAR * len(outcomes) and not alarmed else 1


def _print_row(name: str, outcomes: list[Outcome]) -> None:
    errors = [abs(one.error) for one in outcomes if one.error is not None]
    middle = f"{np.median(errors):.2%}" if errors else ""
    print(f"| {name} | {rate(sum(one.found for one in outcomes), len(outcomes))} | {middle} |")


if __name__ == "__main__":
    sys.exit(main())
