"""What happens at every step of an optimizer: nearly nothing, or a record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any

import torch

from trainvitals import tags
from trainvitals_hooks.recording.anomaly import DENSE_STEPS, Anomaly
from trainvitals_hooks.recording.pace import PERCENT

if TYPE_CHECKING:
    from torch.optim import Optimizer

    from trainvitals_hooks.at_work import AtWork
    from trainvitals_hooks.live import LiveDiagnosis
    from trainvitals_hooks.probe_set import ProbeSet
    from trainvitals_hooks.probes.guard import Guard
    from trainvitals_hooks.probes.probe import Changed
    from trainvitals_hooks.processes.ranks import Ranks
    from trainvitals_hooks.recording.journal import Journal
    from trainvitals_hooks.recording.pace import Pace
    from trainvitals_hooks.recording.reading import Reading
    from trainvitals_hooks.recording.schedule import Schedule


@dataclass(frozen=True, slots=True)
class Parts:
    """What a step of the training moves."""

    work: AtWork
    journal: Journal
    guard: Guard
    schedule: Schedule
    pace: Pace
    ranks: Ranks
    live: LiveDiagnosis
    probe_set: ProbeSet


class StepHooks:
    """The hooks of the optimizers.

    A step that is not recorded in full takes the short way: the numbers that the loop logged are written, and nothing
    else is touched.

    Args:
        optimizers: how many there are.

    Attributes:
        due: the step about to be made is recorded in full.
        clipping: the norm before clipping, where it takes the other ranks to know it.
    """

    def __init__(self, parts: Parts, optimizers: int) -> None:
        self._work = parts.work
        self._journal = parts.journal
        self._guard = parts.guard
        self._schedule = parts.schedule
        self._pace = parts.pace
        self._ranks = parts.ranks
        self._live = parts.live
        self._probe_set = parts.probe_set
        self._anomaly = Anomaly()
        self.clipping: Reading | None = None
        self.due = self._recording = False
        # Making a step before this one needs nothing but the numbers of the loop written. 0: every step needs more.
        self._busy_from = 0
        self._alone = optimizers == 1 and parts.ranks.size == 1
        self._updating: Optimizer | None = None
        # The first step that can still be prepared for.
        self._preparable = 0
        self._before_update_as_it_is: Any = torch.compiler.disable(self.before_update)
        self._after_update_as_it_is: Any = torch.compiler.disable(self.after_update)

    def start_anew(self) -> None:
        """The training goes on at another step."""
        self._recording = False
        self.prepare_next()

    def before_update(
        self, optimizer: Optimizer, arguments: tuple[Any, ...], keywords: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
        if torch.compiler.is_compiling():
            # Whoever compiles the optimizer's step compiles its hooks with it, and whatever they call.
            return self._before_update_as_it_is(optimizer, arguments, keywords)
        if self._work.closed:
            return None
        # A subclass whose step calls that of its parent fires the hooks twice: the first end ends the step.
        self._updating = optimizer
        if (self.due or self._recording) and (
            self.due if self._journal.steps.begins_with(id(optimizer)) else self._recording
        ):
            with self._work.inside("step"), torch.no_grad():
                self._guard.before_update(optimizer)
        looks = self._guard.looks
        if not looks:
            return None
        began_s = perf_counter()
        changed: Changed | None = None
        for probe, look in looks:
            try:
                wanted = look(optimizer, arguments, keywords)
            except Exception as error:
                self._guard.switch_off(probe, error)
            else:
                if wanted is not None:
                    arguments, keywords = changed = wanted
        self._work.own.total_s += perf_counter() - began_s
        return changed

    def after_update(self, optimizer: Optimizer, *_: object) -> None:
        if torch.compiler.is_compiling():
            self._after_update_as_it_is(optimizer)
            return
        if self._updating is not optimizer or self._work.closed:
            return
        self._updating = None
        journal = self._journal
        if journal.steps.current + 1 < self._busy_from:
            began_s, made = perf_counter(), False
            self._preparable = journal.steps.current + 2
            try:
                made = journal.make_step_shortly(began_s)
                if made:
                    self._recording = False
                    if journal.steps.current >= self._busy_from:
                        # What was just written was an anomaly, which asks for the next steps.
                        self.prepare_next()
            except Exception as error:
                self._work.went_wrong("step", error)
            now_s = perf_counter()
            self._work.own.total_s += now_s - began_s
            if made:
                if now_s >= self._live.due_at_s:
                    self._hear()
                return
        with self._work.inside("step"):
            self._step_made(optimizer)
        if perf_counter() >= self._live.due_at_s:
            self._hear()

    def _step_made(self, optimizer: Optimizer) -> None:
        self._pace.end_quiet(self._journal.steps.made)
        new = self._journal.make_step(id(optimizer))
        if new:
            self._ranks.step_made()
            self._recording = self.due
            if self._recording:
                self._account()
        if self._recording:
            with torch.no_grad():
                self._journal.add(self._guard.after_update(optimizer))
            if self.clipping is not None:
                self._journal.add([self.clipping])
                self.clipping = None
            if new:
                self._pace.set_aside(self._probe_set.at_record())
        if new:
            self.prepare_next()
        self._journal.settle()
        self._pace.begin_quiet(self._journal.steps.made)

    def _hear(self) -> None:
        """Listen to the live diagnosis. What that takes is no record's: it never changes how often is recorded."""
        before_s = self._work.own.total_s
        with self._work.inside("live diagnosis"):
            self._live.look(self._journal.number)
        self._pace.set_aside(self._work.own.total_s - before_s)

    def _account(self) -> None:
        """Write the pace, and hold the cost of a record against the budget."""
        numbers, record_s, training_s = self._pace.take(self._journal.steps.made)
        readings = self._ranks.step_time(numbers[tags.STEP_TIME_S]) if numbers else []
        self._journal.add(readings, numbers)
        if training_s and self._ranks.writes and self._schedule.spend(record_s, training_s):
            every, cost = self._schedule.every, PERCENT * record_s / training_s
            self._journal.add(numbers={tags.EVERY: float(every)})
            self._journal.event("recording_interval", {"every": every, "cost_of_last_record_pct": round(cost, 2)})

    def prepare_next(self) -> None:
        self._ranks.agree(self._schedule, self._journal.steps)
        was_due, next_step = self.due, self._journal.steps.current + 1
        self.due = self._schedule.due(next_step)
        self._plan(next_step)
        self._preparable = next_step + 1
        if self.due:
            self._guard.arm()
        elif was_due:
            self._guard.disarm()

    def _plan(self, next_step: int) -> None:
        """The step before a recorded one prepares it, and what was recorded must be out of the way."""
        self._busy_from = self._schedule.next_due(next_step) - 1 if self._alone else 0

    def look_at(self, values: Mapping[str, float]) -> None:
        if self._anomaly.begins(values):
            self._schedule.ask_for(self._preparable + self._ranks.notice_steps, DENSE_STEPS)
            self._ranks.agree(self._schedule, self._journal.steps)
            self._plan(self._preparable)
            self._live.hurry()
