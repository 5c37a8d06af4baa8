"""How fast the training goes, and what share of it the monitor takes."""

from __future__ import annotations

from dataclasses import replace

from trainvitals import tags
from trainvitals_hooks.own_time import OwnTime
from trainvitals_hooks.progress import Progress

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
        self._steps = 0
        self._begun = False

    def count_step(self) -> None:
        self._steps += 1

    def take(self) -> tuple[dict[str, float], float]:
        """The numbers since the last call, by tag, and the seconds of training among them. The first call has none.

        What lies before the first step is no step: loading data, compiling, whatever the script does first.
        """
        own_s, training_s = self._own.since_opening()
        steps, before, begun = self._steps, self._before, self._begun
        self._own.open_window()
        self._steps, self._before, self._begun = 0, replace(self._progress), True
        if not begun or not steps or training_s <= 0:
            return {}, 0.0
        numbers = {tags.STEP_TIME_S: training_s / steps, tags.OVERHEAD_PERCENT: PERCENT * own_s / training_s}
        samples, tokens = self._progress.samples - before.samples, self._progress.tokens - before.tokens
        if samples > 0:
            numbers[tags.THROUGHPUT_PER_S] = samples / (own_s + training_s)
        if tokens > 0:
            numbers[tags.TOKENS_PER_S] = tokens / (own_s + training_s)
        return numbers, training_s
