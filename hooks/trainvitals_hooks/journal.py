"""Which step each number belongs to: what the probes measured, and what the loop logged before or after the step."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch

from trainvitals import tags
from trainvitals_hooks.calls import Calls
from trainvitals_hooks.record import Record
from trainvitals_hooks.steps import Steps

if TYPE_CHECKING:
    from trainvitals_hooks.console import Once
    from trainvitals_hooks.progress import Progress
    from trainvitals_hooks.reading import Reading
    from trainvitals_hooks.recorder import Recorder


class Journal:
    """One record a step, written as soon as nothing more can belong to it.

    Whether the loop logs before or after ``optimizer.step()`` shows at the first step. After it, a record is complete
    when the next step is made; before it, at once.

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
        self.steps = Steps(first)
        self._recorder = recorder
        self._progress = progress
        self._once = once
        self._logs_before_step = logs_before_step
        self._offset = 0
        self._logged, self._logged_numbers = Calls(), dict[str, float]()
        self._clipped = Calls()
        self._record = Record(first)

    @property
    def number(self) -> int:
        """The number of the step last made, as the loop counts."""
        return max(self.steps.current + self._offset, 0)

    def log(
        self,
        metrics: Mapping[str, Any],
        *,
        step: int | None,
        epoch: float | None,
        tokens: float | None,
        samples: float | None,
        domain: str | None,
    ) -> None:
        """Keep what the loop says of a batch until it is known to which step that belongs."""
        if step is not None:
            of_next_step = self._logs_before_step or self.steps.made == 0
            self._offset = operator.index(step) - self.steps.current - bool(of_next_step)
        numbers = self._logged_numbers
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
            self._add(self._logged, tags.train_metric(name), value)
            if domain:
                self._add(self._logged, tags.train_metric(name, domain), value)

    def log_clipping(self, total_norm: torch.Tensor, max_norm: float) -> None:
        """Keep the norm before clipping, and whether it was above the limit; both are of the step about to be made."""
        self._clipped.add(tags.GRADIENT_NORM_BEFORE_CLIPPING, total_norm)
        self._clipped.add(tags.CLIPPED, (total_norm > max_norm).to(torch.float32))

    def log_validation(self, metrics: Mapping[str, Any], suite: str) -> None:
        """Write the metrics of a validation at the step last made."""
        calls = Calls()
        for name, value in metrics.items():
            self._add(calls, tags.validation_metric(name, suite), value)
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

    def make_step(self, optimizer: int) -> bool:
        """One optimizer (its identity) has stepped; whether that began a new step of the training."""
        if not self.steps.begins_with(optimizer):
            self.steps.make(optimizer)
            return False
        if self._logs_before_step is None:
            self._logs_before_step = bool(self._logged)
        self._finish()
        self.steps.make(optimizer)
        self._record = Record(self.number, calls=[self._clipped])
        self._clipped = Calls()
        if self._logs_before_step:
            self._take_logged()
        return True

    def add(self, readings: Sequence[Reading] = (), numbers: Mapping[str, float] | None = None) -> None:
        """What was measured at the step just made."""
        self._record.readings += readings
        self._record.numbers |= numbers or {}

    def settle(self) -> None:
        """Write the record if nothing more can belong to it."""
        if self._logs_before_step:
            self._write()
        else:
            self._recorder.poll()

    def close(self) -> None:
        """Write what is left. Micro-batches of a step that was never made are that step's."""
        self._finish()
        if self._logged or self._logged_numbers:
            self._record = Record(self.number + 1)
            self._take_logged()
            self._recorder.put(self._record)

    def continue_at(self, first: int) -> None:
        """Forget what is not written, and count from here."""
        self.steps = Steps(first)
        self._offset = 0
        self._logged, self._logged_numbers, self._clipped = Calls(), {}, Calls()
        self._record = Record(first)

    def _finish(self) -> None:
        """The step is over: what the loop logged since then belongs to it."""
        if not self._logs_before_step and self.steps.made:
            self._take_logged()
            self._write()

    def _take_logged(self) -> None:
        self._record.calls.append(self._logged)
        self._record.numbers |= self._logged_numbers
        self._logged, self._logged_numbers = Calls(), {}

    def _write(self) -> None:
        record, self._record = self._record, Record(self.number)
        record.step = self.number
        if record:
            self._recorder.put(record)

    def _add(self, calls: Calls, tag: str, value: Any) -> None:
        try:
            calls.add(tag, value)
        except (TypeError, ValueError) as error:
            self._once.tell(tag, f"{tag}: {error}, so it is not recorded")
