"""How well tags are understood: our reading of real logs against labels that were given by hand.

    python benchmarks/signals.py [FOLDER]

FOLDER holds ``labels.csv`` and one folder a run; without it ``../shared/real_logs`` beside the repository is used. Runs
of reinforcement learning are left out, since none of their losses is one to judge by. Exit status 1 if the bar is
missed.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(REPOSITORY / "monitor"), str(REPOSITORY)]

from benchmarks.intervals import rate  # noqa: E402

from trainvitals import Run, read_runs  # noqa: E402
from trainvitals.signals import Signals, understand  # noqa: E402

RECALL_BAR = 0.95
COLUMNS = {
    "training loss": "train_tags",
    "validation loss": "val_tags",
    "learning rate": "lr_tags",
    "gradient norm": "grad_tags",
}


@dataclass(frozen=True)
class Style:
    """One way of naming: tags of training losses, validation losses and learning rates."""

    name: str
    train: tuple[str, ...]
    val: tuple[str, ...]
    rates: tuple[str, ...] = ()


STYLES = (
    Style("Keras", ("loss",), ("val_loss",)),
    Style("train/ and val/", ("train/loss",), ("val/loss",)),
    Style("train/ and eval/", ("train/loss",), ("eval/loss",)),
    Style("PyTorch tutorial", ("Loss/train",), ("Loss/val",)),
    Style("Lightning", ("train_loss_step",), ("val_loss",), ("lr-AdamW",)),
    Style("words", ("Training Loss",), ("Validation Loss",)),
)
"""The styles on which peers that read logs were tried."""


@dataclass
class Score:
    """Tags of one signal over all runs; each entry names the run and the tag."""

    right: list[str] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)
    false: list[str] = field(default_factory=list)
    parts: list[str] = field(default_factory=list)

    def add(self, run: str, labelled: Iterable[str], found: Iterable[str], parts: Iterable[str]) -> None:
        labelled, found, parts = set(labelled), set(found), set(parts)
        self.right += [f"{run} {tag}" for tag in sorted(labelled & (found | parts))]
        self.missed += [f"{run} {tag}" for tag in sorted(labelled - found - parts)]
        self.false += [f"{run} {tag}" for tag in sorted(found - labelled)]
        self.parts += [f"{run} {tag}" for tag in sorted(parts - labelled)]

    @property
    def labelled(self) -> int:
        return len(self.right) + len(self.missed)

    @property
    def recall(self) -> float:
        return len(self.right) / self.labelled if self.labelled else 1.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=REPOSITORY.parent / "shared" / "real_logs")
    folder = parser.parse_args().folder
    if not (folder / "labels.csv").is_file():
        print(f"{folder}: no labels.csv here (name the folder of the labelled logs)", file=sys.stderr)
        return 2
    scores, judged_by = scores_of(folder)
    report(scores, judged_by)
    understood = sum(style_is_understood(style) for style in STYLES)
    print(f"\nthe peers' naming styles understood: {understood} of {len(STYLES)}")
    return 0 if _sum(scores.values()).recall >= RECALL_BAR and understood == len(STYLES) else 1


def scores_of(folder: Path) -> tuple[dict[str, Score], Score]:
    """The score of each signal, and that of the one training loss a run is judged by."""
    scores = {signal: Score() for signal in COLUMNS}
    judged_by = Score()
    for name, labels in labelled_runs(folder):
        signals = [understand(run) for run in read_runs([folder / name])]
        for signal, labelled in labels.items():
            found, parts = tags_of(signal, signals)
            scores[signal].add(name, labelled, found, parts)
        first = {one.train_loss[0] for one in signals if one.train_loss}
        judged_by.add(name, first & labels["training loss"], first, ())
    return scores, judged_by


def labelled_runs(folder: Path) -> Iterator[tuple[str, Mapping[str, set[str]]]]:
    """Name and labelled tags by signal of every run that is not reinforcement learning."""
    with (folder / "labels.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if "not-a-supervised-loss" not in row["labels"].split(";"):
                yield row["id"], {signal: _tags(row[column]) for signal, column in COLUMNS.items()}


def tags_of(signal: str, signals: Iterable[Signals]) -> tuple[set[str], set[str]]:
    """The tags of a signal in all runs of one folder, and those that are only parts of a loss."""
    part = {"training loss": "train_loss_part", "validation loss": "val_loss_part"}.get(signal)
    found: set[str] = set()
    parts: set[str] = set()
    for one in signals:
        found |= {
            "training loss": set(one.train_loss),
            "validation loss": set(one.val_loss.values()),
            "learning rate": set(one.learning_rate),
            "gradient norm": set(one.grad_norm),
        }[signal]
        parts |= {role.tag for role in one.roles if role.role == part}
    return found - parts, parts


def style_is_understood(style: Style) -> bool:
    """Whether a made run with these tags is understood exactly."""
    steps = range(200)
    columns = {"step": [float(step) for step in steps]}
    columns |= {tag: [2.0 / (1 + step / 50) for step in steps] for tag in (*style.train, *style.val)}
    columns |= {tag: [1e-3 * (1 - step / 200) for step in steps] for tag in style.rates}
    signals = understand(Run.from_columns(columns))
    found = (signals.train_loss, tuple(signals.val_loss.values()), signals.learning_rate)
    return found == (style.train, style.val, style.rates)


def report(scores: Mapping[str, Score], judged_by: Score) -> None:
    """The table, then every miss and every false tag by name."""
    print("| signal | recall | precision |\n|---|---|---|")
    for signal, score in (*scores.items(), ("all", _sum(scores.values()))):
        named = len(score.right) + len(score.false)
        print(f"| {signal} | {rate(len(score.right), score.labelled)} | {rate(len(score.right), named)} |")
    first = len(judged_by.right)
    print(f"\nthe training loss judged by is a labelled one: {rate(first, first + len(judged_by.false))}")
    for signal, score in scores.items():
        for title, entries in (("missed", score.missed), ("false", score.false), ("parts, not counted", score.parts)):
            if entries:
                print(f"{signal}, {title}: {'; '.join(entries)}")


def _sum(scores: Iterable[Score]) -> Score:
    total = Score()
    for score in scores:
        total.right += score.right
        total.missed += score.missed
        total.false += score.false
    return total


def _tags(cell: str) -> set[str]:
    """``train|tag`` means the tag inside the run's ``train/`` folder."""
    return {tag.strip().replace("|", "/") for tag in cell.split(";") if tag.strip()}


if __name__ == "__main__":
    sys.exit(main())
