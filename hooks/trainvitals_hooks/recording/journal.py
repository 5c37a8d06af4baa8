"""Which step each number belongs to: what the probes measured, and what the loop logged before or after the step."""

from __future__ import annotations

import operator
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from trainvitals import tags
from trainvitals_hooks.recording.calls import Calls
from trainvitals_hooks.recording.record import Record
from trainvitals_hooks.recording.steps import Steps

if TYPE_CHECKING:
    from trainvitals_hooks.console import Once
    from trainvitals_hooks.recording.progress import Progress
    from trainvitals_hooks.recording.reading import Measured, Reading
    from trainvitals_hooks.recording.recorder import Recorder


class Journal:
    """One record a step, written as soon as nothing more can belong to it.

    Whether the loop logs before or after ``optimizer.step()`` shows at the first step. After it, a record is complete
    when the next step is made; before it, at once.

    What most steps have, a few numbers that are on the host already, takes a short way through here: at such a step no
    cache is warm, and every call and every object counts.

    Args:
        first: number of the first step.
        logs_before_step: None until it shows.
    """

    def __init__(
        self,
        recorder: Recorder,
        progress: Progress,
        once: Once,
        first: int,
        logs_before_step: bool | None = None,
    ) -> None:
        self._recorder = recorder
        self._progress = progress
        self._once = once
        self._logs_before_step = logs_before_step
        self._tag_of: dict[str, str] = {}
        self._begin(first)

    def _begin(self, first: int) -> None:
        self.steps = Steps(first)
        self._offset = 0
        # Logged since the last step: what came once and is on the host, and the rest.
        self._numbers: dict[str, float] = {}
        self._calls: Calls | None = None
        self._clipped: Calls | None = None
        # Of the step last made; None as long as nothing but logged numbers belongs to it.
        self._record: Record | None = None
        self._made_at_s = time.time()
        # From ``perf_counter`` to the time of day; set anew at every record, for the latter may be put right.
        self._clock_offset_s = self._made_at_s - time.perf_counter()

    @property
    def number(self) -> int:
        """The number of the step last made, as the loop counts."""
        return max(self.steps.current + self._offset, 0)

    def log(
        self,
        metrics: Mapping[str, Any],
        step: int | None = None,
        epoch: float | None = None,
        tokens: float | None = None,
        samples: float | None = None,
        domain: str | None = None,
    ) -> None:
        """Keep what the loop says of a batch until it is known to which step that belongs."""
        if step is not None:
            of_next_step = self._logs_before_step or self.steps.made == 0
            self._offset = operator.index(step) - self.steps.current - bool(of_next_step)
        numbers = self._numbers
        if epoch is not None:
            numbers[tags.EPOCH] = float(epoch)
        if tokens is not None:
            self._progress.tokens += float(tokens)
            numbers[tags.TOKENS] = self._progress.tokens
        if samples is not None:
            self._progress.samples += float(samples)
            numbers[tags.SAMPLES] = self._progress.samples
        if domain:
            numbers |= self._progress.of_domain(domain, tokens=tokens, samples=samples)
        for name, value in metrics.items():
            tag = self._tag_of.get(name) or self._new_tag(name)
            if self._calls is None and tag not in numbers:
                if type(value) is Tensor and value.is_cpu and value.numel() == 1:
                    # What is on the host already; anything else takes the long way.
                    value = value.item()
                if type(value) is float:
                    numbers[tag] = value
                    if domain:
                        numbers[tags.train_metric(name, domain)] = value
                    continue
            self._add(tag, value)
            if domain:
                self._add(tags.train_metric(name, domain), value)

    def log_clipping(self, total_norm: torch.Tensor, max_norm: float) -> None:
        """Keep the norm before clipping, and whether it was above the limit; both are of the step about to be made."""
        if self._clipped is None:
            self._clipped = Calls()
        self._clipped.add(tags.GRADIENT_NORM_BEFORE_CLIPPING, total_norm)
        self._clipped.add(tags.CLIPPED, (total_norm > max_norm).to(torch.float32))

    def log_validation(self, metrics: Mapping[str, Any], suite: str) -> None:
        """Write the metrics of a validation at the step last made."""
        calls = Calls()
        for name, value in metrics.items():
            self._add_to(calls, tags.validation_metric(name, suite), value)
        self._recorder.put(Record(self.number, calls=[calls]))

    def write_now(self, readings: Sequence[Reading]) -> None:
        """Write what was measured at the step last made, outside of its record."""
        self._recorder.put(Record(self.number, readings=list(readings)))

    def event(self, kind: str, details: Mapping[str, object], *, step: int | None = None) -> None:
        """Write a marker, at the step last made unless told which."""
        self._recorder.put_event(self.number if step is None else step, kind, details)

    def under_way(self, optimizer: int) -> int:
        """The number of the step that this optimizer (its identity) is about to make, as the loop counts."""
        return max(self.steps.current + self.steps.begins_with(optimizer) + self._offset, 0)

    def make_step_shortly(self, now_s: float) -> bool:
        """``make_step`` and ``settle`` where only numbers are to be written; whether that was so.

        For trainings with one optimizer, which begins a new step each time it steps.

        Args:
            now_s: by ``perf_counter``, which the caller has asked anyway.
        """
        if (
            self._record is not None
            or self._calls is not None
            or self._clipped is not None
            or self._logs_before_step is None
        ):
            return False
        steps, numbers = self.steps, self._numbers
        # Logged after the step, numbers are of the last one; logged before it, of this one.
        number, made_at_s = steps.current + self._offset, self._made_at_s
        steps.current += 1
        steps.made += 1
        self._made_at_s = now_s + self._clock_offset_s
        if self._logs_before_step:
            number, made_at_s = number + 1, self._made_at_s
        if numbers:
            self._numbers = {}
            self._recorder.put_numbers(number if number > 0 else 0, made_at_s, numbers)
        return True

    def make_step(self, optimizer: int) -> bool:
        """One optimizer (its identity) has stepped; whether that began a new step of the training."""
        if not self.steps.begins_with(optimizer):
            self.steps.make(optimizer)
            return False
        if self._logs_before_step is None:
            self._logs_before_step = bool(self._numbers or self._calls)
        self._finish()
        self.steps.make(optimizer)
        self._made_at_s = time.time()
        self._clock_offset_s = self._made_at_s - time.perf_counter()
        if self._clipped is not None:
            self._the_record().calls.append(self._clipped)
            self._clipped = None
        return True

    def add(self, measured: Sequence[Measured] = (), numbers: Mapping[str, float] | None = None) -> None:
        """What was measured at the step just made."""
        record = self._the_record()
        record.add(measured)
        record.numbers |= numbers or {}

    def settle(self) -> None:
        """Write the record if nothing more can belong to it."""
        if self._logs_before_step:
            self._write(self.number)
        else:
            self._recorder.poll()

    def close(self) -> None:
        """Write what is left. Micro-batches of a step that was never made are that step's."""
        self._finish()
        self._write(max(self.steps.current + 1 + self._offset, 0))

    def continue_at(self, first: int) -> None:
        """Forget what is not written, and count from here."""
        self._begin(first)

    def _finish(self) -> None:
        """The step is over: what the loop logged since then belongs to it."""
        if not self._logs_before_step and self.steps.made:
            self._write(self.number)

    def _write(self, step: int) -> None:
        record, self._record = self._record, None
        numbers, self._numbers = self._numbers, {}
        calls, self._calls = self._calls, None
        if record is None and calls is None:
            if numbers:
                self._recorder.put_numbers(step, self._made_at_s, numbers)
            return
        if record is None:
            record = Record(step, self._made_at_s)
        record.step = step
        record.numbers |= numbers
        if calls is not None:
            record.calls.append(calls)
        self._recorder.put(record)

    def _the_record(self) -> Record:
        if self._record is None:
            self._record = Record(self.number, self._made_at_s)
        return self._record

    def _new_tag(self, name: str) -> str:
        tag = self._tag_of[name] = tags.train_metric(name)
        return tag

    def _add(self, tag: str, value: Any) -> None:
        """One of several values, or one that is not on the host."""
        if self._calls is None:
            self._calls = Calls()
        if tag in self._numbers:
            self._calls.add(tag, self._numbers.pop(tag))
        self._add_to(self._calls, tag, value)

    def _add_to(self, calls: Calls, tag: str, value: Any) -> None:
        try:
            calls.add(tag, value)
        except (TypeError, ValueError) as error:
            self._once.tell(tag, f"{tag}: {error}, so it is not recorded")
