"""What a fault of the exam is: one injected cause, what should be found, and what can be known of it from which log."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmarks.exam.training import Settings, Training
    from torch import Tensor


@dataclass(frozen=True)
class Knowable:
    """Whether a careful person could find the fault in this log, and why or why not.

    Args:
        cause: the fault itself can be told; where it is False while ``symptom`` is True, only that something is wrong.
    """

    symptom: bool
    cause: bool
    why: str


NOTHING_SHOWS = Knowable(False, False, "loss, validation loss and learning rate look like those of a healthy training")


@dataclass(frozen=True)
class Fault:
    """One injected cause.

    Args:
        name: of the fault; ``<name>/<base>/<seed>`` is a case.
        causes: names of rules or causes that say what was injected.
        symptoms: names of findings that show that something is wrong, without the reason.
        watched, plain: what can be known from the record of the hooks, and from loss, validation loss and rate.
        bases: the trainings it is put into.
        sets_in: the share of the steps at which it begins, jittered by seed and always odd; None: from the start.
        held_out: nothing may be tuned on it.
        settings: changes the settings. prepare: changes data or network before the optimizer is made. wire: after.
        before, batch, loss: called at every step from the onset on.
        is_note: an info is enough, because nothing need be changed or because no log alone can prove more.
    """

    name: str
    causes: tuple[str, ...]
    symptoms: tuple[str, ...]
    watched: Knowable
    plain: Knowable
    bases: tuple[str, ...]
    sets_in: float | None = None
    held_out: bool = False
    settings: Callable[[Settings], Settings] | None = None
    prepare: Callable[[Training], None] | None = None
    wire: Callable[[Training], None] | None = None
    before: Callable[[Training], None] | None = None
    batch: Callable[[Training, Tensor, Tensor], tuple[Tensor, Tensor]] | None = None
    loss: Callable[[Training, Tensor, Tensor, Tensor], Tensor] | None = None
    is_note: bool = False

    def onset_step(self, steps: int, seed: int) -> int:
        """An odd step near ``sets_in``, never on the recording grid; 0 where the fault is there from the start."""
        if self.sets_in is None:
            return 0
        jitter = random.Random(f"{self.name} {seed}").uniform(-0.06, 0.06)
        return int((self.sets_in + jitter) * steps) | 1


def yes(why: str) -> Knowable:
    """The cause can be told."""
    return Knowable(True, True, why)


def symptom(why: str) -> Knowable:
    """It shows that something is wrong, and not what."""
    return Knowable(True, False, why)


def no(why: str) -> Knowable:
    """Nothing shows."""
    return Knowable(False, False, why)


def once(action: Callable[[Training], Any]) -> Callable[[Training], None]:
    """Do it at the onset, and never again."""

    def at_onset(training: Training) -> None:
        if training.step == training.onset:
            action(training)

    return at_onset
