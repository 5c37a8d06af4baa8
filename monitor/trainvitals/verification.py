"""Whether what a suggestion promised has come true, and by how much a signal has moved, in two parts of one story."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from trainvitals.maths.level_change import LevelChange, level_change
from trainvitals.model import Finding, Measured, Moved, Run, Series, Suggestion, Verified, Verify

RECENT_SHARE = 0.1
"""Of what was recorded until then: where a signal stands."""

FEWEST_RECENT = 5

CONTINUED_SHARE = 0.1
"""Of the first run: a second one that begins later than this goes on where the first one was, and is no new start."""

SEED_FACTOR = 2.0
"""What another seed or other data can do to a level by chance: of 219 pairs of seeds of our own healthy trainings, 4
ended further apart. With one run each, less cannot be told from the seed."""


class Course:
    """Two parts of one story: what was recorded before a change, and after it.

    Args:
        before, after: the runs.
        renamed: how tags of the first run are called in the second, where they differ.
    """

    def __init__(self, before: Run, after: Run, renamed: Mapping[str, str] | None = None) -> None:
        self.before, self.after = before, after
        self._renamed = renamed or {}
        self.continued = _continued(before, after)
        self.same_start = self.continued or self._begin_alike()

    def measured(self, findings: Sequence[Finding]) -> Measured:
        """What became of the signals that these findings of the first part name."""
        moved = tuple(self.moved(finding) for finding in findings)
        return Measured(self.continued, moved, tuple(self.verified(finding.interventions) for finding in findings))

    def moved(self, finding: Finding) -> Moved | None:
        """How the first signal of the finding's evidence that both runs have has moved."""
        signals = dict.fromkeys(item.signal for item in finding.evidence if item.signal)
        shared = (signal for signal in signals if self._series(signal) is not None)
        signal = next(shared, None)
        return None if signal is None else Moved(signal, self._change(signal, None))

    def verified(self, suggestions: Iterable[Suggestion]) -> tuple[Verified, ...]:
        """Every promise of these suggestions once, those of the first suggestion first."""
        by_promise: dict[tuple[str, str], tuple[Verify, list[str]]] = {}
        for suggestion in suggestions:
            verify = suggestion.verify
            by_promise.setdefault((verify.signal, verify.direction), (verify, []))[1].append(suggestion.name)
        return tuple(self._verified(verify, tuple(names)) for verify, names in by_promise.values())

    def _verified(self, verify: Verify, names: tuple[str, ...]) -> Verified:
        series = self.after.series.get(self._renamed.get(verify.signal, verify.signal))
        if series is None or not len(series):
            return Verified(verify, names, None, why="not logged")
        if verify.direction == "finite":
            return self._finite(verify, names, series)
        change = self._change(verify.signal, verify.within_steps)
        if change is None:
            return Verified(verify, names, None, why="too few points")
        gain, low, high = (change.change, change.low, change.high)
        if verify.direction == "down":
            gain, low, high = -gain, -high, -low
        if high < verify.size:
            return Verified(verify, names, held=False, change=change)
        if low <= 0 or gain < verify.size:
            return Verified(verify, names, None, change, "the noise hides it")
        if not self.same_start and not beyond_seed(change.before, change.after):
            return Verified(verify, names, None, change, "another start may do as much")
        return Verified(verify, names, held=True, change=change)

    def _finite(self, verify: Verify, names: tuple[str, ...], series: Series) -> Verified:
        """A new start has to come past where the first run broke; what goes on, through the steps of the trial."""
        end = self.before.last_step if not self.continued else int(series.step[0]) + verify.within_steps
        values = series.value if end is None else series.value[series.step <= end]
        if not bool(np.all(np.isfinite(values))):
            return Verified(verify, names, held=False)
        broke = _first_not_finite(self.before.series.get(verify.signal))
        if not self.continued and broke is not None and int(series.step[-1]) <= broke:
            return Verified(verify, names, None, why=f"the run ends before step {broke:,}")
        return Verified(verify, names, held=True)

    def _series(self, signal: str) -> tuple[Series, Series] | None:
        old = self.before.series.get(signal)
        new = self.after.series.get(self._renamed.get(signal, signal))
        if old is None or new is None:
            return None
        old, new = old.latest().finite(), new.latest().finite()
        return (old, new) if len(old) and len(new) else None

    def _change(self, signal: str, within_steps: int | None) -> LevelChange | None:
        """From where the signal stood before to where it stands after, both as late as can be compared."""
        both = self._series(signal)
        if both is None:
            return None
        old, new = both
        if self.continued:
            end = int(new.step[-1]) if within_steps is None else int(new.step[0]) + within_steps
            return level_change(_recent(old, int(old.step[-1])), _recent(new, end))
        end = min(int(old.step[-1]), int(new.step[-1]))
        return level_change(_recent(old, end), _recent(new, end))

    def _begin_alike(self) -> bool:
        """Whether the first common values of a shared signal are the same to the last digit: one seed, one start."""
        for tag in self.before.series:
            both = self._series(tag)
            if both is None or "loss" not in tag.casefold():
                continue
            old, new = both
            if int(old.step[0]) == int(new.step[0]) and float(old.value[0]) == float(new.value[0]):
                return True
        return False


def beyond_seed(before: float, after: float) -> bool:
    """Whether two levels differ by more than two seeds of one healthy training do."""
    if not (math.isfinite(before) and math.isfinite(after)):
        return True
    if before > 0 and after > 0:
        return abs(math.log(after / before)) > math.log(SEED_FACTOR)
    return before != after


def _first_not_finite(series: Series | None) -> int | None:
    at = np.empty(0) if series is None else np.flatnonzero(~np.isfinite(series.value))
    return int(series.step[at[0]]) if series is not None and len(at) else None


def _continued(before: Run, after: Run) -> bool:
    if before.first_step is None or before.last_step is None or after.first_step is None:
        return False
    return after.first_step > before.first_step + CONTINUED_SHARE * (before.last_step - before.first_step)


def _recent(series: Series, end: int) -> NDArray[np.float64]:
    """The last tenth of the points up to a step."""
    value = np.asarray(series.value[series.step <= end], dtype=np.float64)
    return value[-max(FEWEST_RECENT, round(RECENT_SHARE * len(value))) :]
