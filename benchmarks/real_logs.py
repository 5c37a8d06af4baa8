"""Diagnose real logs of strangers and hold the verdicts against labels that were given by eye beforehand.

    python benchmarks/real_logs.py [FOLDER] [--keep]

FOLDER holds ``labels.csv`` and one folder a run; without it ``../shared/real_logs`` beside the repository is used. Two
controls are scored with the same ruler, and must fail: one that says everything as info, one that always warns of a
plateau. Exit status 1 if a bar is missed or a control passes. ``--keep`` writes the table where ``scripts/accuracy.py``
finds it.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(REPOSITORY / "monitor"), str(REPOSITORY)]

from benchmarks.intervals import rate  # noqa: E402

from trainvitals import diagnose, read_runs  # noqa: E402
from trainvitals.errors import LogError  # noqa: E402
from trainvitals.model import Diagnosis, Finding, Severity, Status  # noqa: E402
from trainvitals.rules.registry import all_rules, find_rule  # noqa: E402

KEPT = REPOSITORY / "benchmarks" / "real_logs.json"
NO_DATA = "no-usable-data"
# Which label of the labeller a finding claims. Findings that are not listed claim none of them.
LABELS_OF = {
    "overfitting": ("overfitting",),
    "plateau": ("plateau",),
    "non-finite-loss": ("divergence", "NaN"),
    "diverging-loss": ("divergence",),
    "loss-spikes": ("loss-spikes",),
    "not-learning": ("underfitting",),
    "learning-rate-exhausted": ("lr-decayed-out",),
    "restarted-run": ("restart-discontinuity",),
    "stacked-runs": ("restart-discontinuity",),
    "nothing-to-judge": ("too-short-to-say", NO_DATA),
    "not-a-supervised-loss": ("not-a-supervised-loss",),
}
HEALTHY = frozenset(("healthy-improving", "converged"))
SILENT = frozenset(("not-a-supervised-loss", "too-short-to-say", NO_DATA))
INFO_SUFFICES = frozenset(("restart-discontinuity", "lr-decayed-out", *SILENT))
JUDGEABLE_POINTS = 200

Judge = Callable[[Diagnosis], Diagnosis]


@dataclass(frozen=True)
class Labelled:
    """One run with its labels and our diagnosis."""

    name: str
    labels: frozenset[str]
    also_ok: frozenset[str]
    points: int
    diagnosis: Diagnosis

    @property
    def alarms(self) -> list[Finding]:
        return [finding for finding in self.diagnosis.open_findings if finding.severity is not Severity.INFO]

    @property
    def wrong_alarms(self) -> list[Finding]:
        """Alarms that claim nothing the labeller said or would accept."""
        fine = self.labels | self.also_ok
        return [finding for finding in self.alarms if not fine.intersection(LABELS_OF.get(finding.name, ()))]

    def names(self, label: str) -> bool:
        """Whether the diagnosis says ``label``, loudly enough for that label."""
        quiet = label in INFO_SUFFICES
        findings = self.diagnosis.open_findings if quiet else self.alarms
        if label in SILENT and self.diagnosis.status is Status.UNDETERMINED:
            return True
        return any(label in LABELS_OF.get(finding.name, ()) for finding in findings)

    def mentions(self, label: str) -> bool:
        """Whether the diagnosis says ``label`` at any severity, be it as what another finding explains."""
        names = (name for finding in self.diagnosis.open_findings for name in (finding.name, *finding.consequences))
        return any(label in LABELS_OF.get(name, ()) for name in names)


@dataclass(frozen=True)
class Refused:
    """One labelled run that was not read as one, and why."""

    name: str
    may_be: bool
    why: str


def read_labelled(folder: Path) -> tuple[list[Labelled], list[Refused]]:
    """Every labelled run with its diagnosis, a folder of several files that are one run once; and what was refused."""
    with (folder / "labels.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    labelled: list[Labelled] = []
    refused: list[Refused] = []
    for row in rows:
        labels, also_ok = _split(row["labels"]), _split(row["also_ok"])
        try:
            runs = list(read_runs([str(folder / row["id"])]))
        except LogError:
            refused.append(Refused(row["id"], NO_DATA in labels | also_ok, "refused"))
            continue
        if len(runs) != 1:
            refused.append(Refused(row["id"], False, f"read as {len(runs)} runs"))
            continue
        labelled.append(Labelled(row["id"], labels, also_ok, int(float(row["n_points"])), diagnose(runs[0])))
    return labelled, refused


def _split(cell: str) -> frozenset[str]:
    parts = (part.strip() for chunk in cell.split(";") for part in chunk.split("/"))
    return frozenset(part for part in parts if part)


@dataclass(frozen=True)
class Score:
    """One line of the result: what, k of n, whether the bar holds, who was wrong."""

    what: str
    k: int
    n: int
    bar: str
    holds: bool
    wrong: tuple[str, ...] = ()


def score(runs: Iterable[Labelled], refused: Sequence[Refused] = ()) -> list[Score]:
    """All figures of one judge."""
    runs = list(runs)
    healthy = [run for run in runs if run.labels & HEALTHY]
    silent = [run for run in runs if run.labels & SILENT]
    sick = [run for run in runs if not run.labels & (HEALTHY | SILENT)]
    false_alarms = [run for run in healthy if run.wrong_alarms]
    loud = [run for run in silent if run.wrong_alarms]
    called = [run for run in healthy if run.diagnosis.status is Status.HEALTHY]
    judgeable = [run for run in runs if run.points >= JUDGEABLE_POINTS and not run.labels & SILENT]
    undetermined = [run for run in judgeable if run.diagnosis.status is Status.UNDETERMINED]
    overfit = [run for run in runs if "overfitting" in run.labels]
    flat = [run for run in runs if "plateau" in run.labels]
    named = [run for run in flat if run.mentions("plateau")]
    found = [run for run in overfit if run.names("overfitting")]
    wanted = [(run, label) for run in runs for label in sorted(run.labels - HEALTHY)]
    recalled = [(run, label) for run, label in wanted if run.names(label)]
    alarms = [(run, finding) for run in sick for finding in run.alarms]
    right = [(run, finding) for run, finding in alarms if finding not in run.wrong_alarms]
    return [
        Score(
            "runs read",
            len(runs),
            len(runs) + len(refused),
            "all with usable data",
            all(run.may_be for run in refused),
            tuple(f"{run.name} {run.why}" for run in refused),
        ),
        Score(
            "false alarms on healthy runs",
            len(false_alarms),
            len(healthy),
            "at most 1",
            len(false_alarms) <= 1,
            tuple(_alarmed(run) for run in false_alarms),
        ),
        Score(
            "alarms on RL, too-short and empty runs",
            len(loud),
            len(silent),
            "0",
            not loud,
            tuple(_alarmed(run) for run in loud),
        ),
        Score(
            "overfitting runs found",
            len(found),
            len(overfit),
            "all",
            len(found) == len(overfit),
            _missed(overfit, found),
        ),
        Score(
            "plateaus named at any severity",
            len(named),
            len(flat),
            "all but 1",
            len(named) >= len(flat) - 1,
            _missed(flat, named),
        ),
        Score(
            "labels recalled (warning or above; info where that suffices)",
            len(recalled),
            len(wanted),
            "",
            True,
            tuple(f"{run.name} {label}" for run, label in wanted if (run, label) not in recalled),
        ),
        Score(
            "precision of alarms on sick runs",
            len(right),
            len(alarms),
            "",
            True,
            tuple(f"{run.name} {finding.name}" for run, finding in alarms if (run, finding) not in right),
        ),
        Score("healthy runs called healthy", len(called), len(healthy), "", True, _missed(healthy, called)),
        Score(
            f"judgeable runs (>= {JUDGEABLE_POINTS} points) left undetermined",
            len(undetermined),
            len(judgeable),
            "at most a quarter",
            len(undetermined) <= len(judgeable) / 4,
            tuple(run.name for run in undetermined),
        ),
    ]


def _alarmed(run: Labelled) -> str:
    return f"{run.name} {'+'.join(finding.name for finding in run.wrong_alarms)}"


def _missed(wanted: list[Labelled], found: list[Labelled]) -> tuple[str, ...]:
    return tuple(run.name for run in wanted if run not in found)


def everything_as_info(diagnosis: Diagnosis) -> Diagnosis:
    """A judge that names every problem on every run, at info, and so can never raise a false alarm."""
    findings = tuple(_claim(rule.name, Severity.INFO) for rule in all_rules())
    return replace(diagnosis, status=Status.HEALTHY, findings=findings)


def always_a_plateau(diagnosis: Diagnosis) -> Diagnosis:
    """A judge that warns of a plateau on every run."""
    return replace(diagnosis, status=Status.WARNING, findings=(_claim("plateau", Severity.WARNING),))


def _claim(name: str, severity: Severity) -> Finding:
    return Finding(find_rule(name).code, name, severity, 0.9, "a control's claim")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=REPOSITORY.parent / "shared" / "real_logs")
    parser.add_argument("--runs", action="store_true", help="also print one line a run")
    parser.add_argument("--keep", action="store_true", help=f"write the table to {KEPT.name}")
    arguments = parser.parse_args()
    if not (arguments.folder / "labels.csv").is_file():
        print(f"no labels.csv in {arguments.folder}: name the folder of labelled runs", file=sys.stderr)
        return 2
    runs, refused = read_labelled(arguments.folder)
    if arguments.runs:
        for run in runs:
            print(_line(run))
        print()
    scores = score(runs, refused)
    lines = list(_table(scores))
    print("\n".join(lines))
    if arguments.keep:
        KEPT.write_text(json.dumps(lines, indent=1) + "\n")
    failed = [line.what for line in scores if not line.holds]
    passed_controls = []
    for name, control in (("everything as info", everything_as_info), ("always a plateau", always_a_plateau)):
        judged = score(replace(run, diagnosis=control(run.diagnosis)) for run in runs)
        broken = [line.what for line in judged if not line.holds]
        print(f"\nControl «{name}» fails on: {'; '.join(broken) or 'nothing'}")
        if not broken:
            passed_controls.append(name)
    return 1 if failed or passed_controls else 0


def _line(run: Labelled) -> str:
    progress = run.diagnosis.progress
    findings = ", ".join(
        f"{finding.name}:{finding.severity[0]}@{finding.first_step}" for finding in run.diagnosis.findings
    )
    reason = f"/{progress.reason}" if progress.reason else ""
    labels = f"{'+'.join(sorted(run.labels))} (ok: {'+'.join(sorted(run.also_ok))})"
    return (
        f"{run.name} {run.diagnosis.status:<13}{progress.verdict}{reason} on {progress.signal}  [{findings}]  {labels}"
    )


def _table(scores: Iterable[Score]) -> Iterator[str]:
    yield "| figure | measured | bar | holds | wrong |"
    yield "|---|---|---|---|---|"
    for line in scores:
        holds = "" if not line.bar else ("yes" if line.holds else "**no**")
        yield f"| {line.what} | {rate(line.k, line.n)} | {line.bar} | {holds} | {'; '.join(line.wrong)} |"


if __name__ == "__main__":
    sys.exit(main())
