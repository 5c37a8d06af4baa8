"""Every run of the exam: faults in their bases, clean twins, and healthy controls."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.exam import bases, controls

if TYPE_CHECKING:
    from benchmarks.exam.fault import Fault
    from benchmarks.exam.training import Settings

QUICK_SEEDS = 1
QUICK_CONTROLS = 2
"""One in so many."""


@dataclass(frozen=True)
class Case:
    """One run.

    Args:
        kind: ``fault``, ``twin`` or ``control``. task: what its interval is clustered by.
        held_out: nothing may be tuned on it.
    """

    kind: str
    task: str
    fault: Fault | None
    seed: int
    settings: Settings
    held_out: bool

    @property
    def name(self) -> str:
        return f"{self.fault.name if self.fault else self.kind}/{self.task}/{self.seed}"

    def folder(self, root: Path) -> Path:
        return root / self.name


def cases(faults: dict[str, Fault], *, quick: bool) -> Iterator[Case]:
    """All of them; or one run of each fault, its bases by turns, one of each twin, and one of every second control."""
    fault_seeds = bases.SEEDS[:QUICK_SEEDS] if quick else bases.SEEDS
    for number, fault in enumerate(faults.values()):
        turn = number % len(fault.bases)
        for base in fault.bases[turn : turn + 1] if quick else fault.bases:
            for seed in _seeds_of(fault, fault_seeds):
                held_out = fault.held_out or base in bases.HELD_OUT
                yield Case("fault", base, fault, seed, bases.BASES[base], held_out)
    for base, settings in bases.BASES.items():
        for seed in fault_seeds:
            yield Case("twin", base, None, seed, settings, base in bases.HELD_OUT)
    for control, settings in list(controls.CONTROLS.items())[:: QUICK_CONTROLS if quick else 1]:
        for seed in controls.SEEDS[:QUICK_SEEDS] if quick else controls.SEEDS:
            yield Case("control", control, None, seed, settings, held_out=False)


def _seeds_of(fault: Fault, seeds: tuple[int, ...]) -> tuple[int, ...]:
    """Three runs of each fault at least: all seeds where it has one or two bases, one seed a base beyond that."""
    return seeds if len(fault.bases) < len(bases.SEEDS) else seeds[:1]
