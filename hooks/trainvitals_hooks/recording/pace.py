"""How fast the training goes, and what share of it the monitor takes."""

from __future__ import annotations

from dataclasses import replace

from trainvitals import tags
from trainvitals_hooks.recording.own_time import OwnTime
from trainvitals_hooks.recording.progress import Progress

PERCENT = 100.0


class Pace:
    """Times between two full records.

    Args:
        own: the monitor's own time. progress: what the loop tells.
    """

    def __init__(self, own: OwnTime, progress: Progress) -> None:
        self._own = own
        self._progress = progress
        self._before = replace(progress)
        self._made: int | None = None
        self._quiet_s = 0.0
        self._made_before_quiet = 0
        self._own_before_quiet_s = 0.0
        self.own_share = 0.0
        """The monitor's own time over the training's, between the last two records."""

    def begin_quiet(self, made: int) -> None:
        """From here on steps may be made that have nothing to do with a record. ``made``: steps so far."""
        self._made_before_quiet, self._own_before_quiet_s = made, self._own.total_now_s()

    def end_quiet(self, made: int) -> None:
        """The step that comes has to do with a record again. ``made``: steps so far, without it."""
        if made > self._made_before_quiet:
            self._quiet_s += self._own.total_s - self._own_before_quiet_s

    def set_aside(self, seconds: float) -> None:
        """Of the own time, these seconds are no record's."""
        self._quiet_s += seconds
        self._own_before_quiet_s += seconds

    def take(self, made: int) -> tuple[dict[str, float], float, float]:
        """What was since the last call; the first call has nothing.

        What lies before the first step is no step: loading data, compiling, whatever the script does first.

        Args:
            made: steps so far, the one just made included.

        Returns:
            Numbers by tag; own seconds that the record took, without what every step costs, for no interval would save
            that; seconds of training.
        """
        own_s, training_s = self._own.since_opening()
        steps, before = made - (made if self._made is None else self._made), self._before
        record_s, self._quiet_s = own_s - self._quiet_s, 0.0
        self._own.open_window()
        self._made, self._before = made, replace(self._progress)
        # The count starts anew where a training goes on from a checkpoint.
        if steps <= 0 or training_s <= 0:
            return {}, 0.0, 0.0
        self.own_share = own_s / training_s
        numbers = {tags.STEP_TIME_S: training_s / steps, tags.OVERHEAD_PERCENT: PERCENT * self.own_share}
        samples, tokens = self._progress.samples - before.samples, self._progress.tokens - before.tokens
        if samples > 0:
            numbers[tags.THROUGHPUT_PER_S] = samples / (own_s + training_s)
        if tokens > 0:
            numbers[tags.TOKENS_PER_S] = tokens / (own_s + training_s)
        return numbers, record_s, training_s
