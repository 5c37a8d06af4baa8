"""The values that travel through the house: a run as it was logged, and what was found in it.

Everything here is frozen. Array axes are written as suffixes: ``[T]`` is time, ``[T, L]`` is time by layer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas

FloatArray = NDArray[np.floating[Any]]
StepArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """One scalar tag over time, in the order in which it was recorded.

    Steps may repeat or go back (restarts); values may be NaN or infinite. The wall time is NaN where the log has none.

    Args:
        tag: the name as logged.
        step: ``[T]`` int64, in the log's own step unit.
        wall_time: ``[T]`` float64, seconds since the epoch.
        value: ``[T]`` float32 or float64.
    """

    tag: str
    step: StepArray
    wall_time: NDArray[np.float64]
    value: FloatArray

    def __post_init__(self) -> None:
        if not self.step.shape == self.wall_time.shape == self.value.shape or self.step.ndim != 1:
            raise ValueError(
                f"series {self.tag!r}: step {self.step.shape}, wall_time {self.wall_time.shape} and value "
                f"{self.value.shape} must be one-dimensional and equally long"
            )

    def __len__(self) -> int:
        return len(self.step)

    def take(self, index: NDArray[np.bool_] | NDArray[np.int64] | slice) -> Series:
        """The points that ``index`` selects."""
        return Series(self.tag, self.step[index], self.wall_time[index], self.value[index])

    def latest(self) -> Series:
        """One strictly increasing curve: where steps repeat or go back, what was recorded last wins.

        A restart that goes back to step s replaces all earlier points at s and later, as TensorBoard's own
        server shows it. Non-finite values are kept.
        """
        if len(self) < 2 or bool(np.all(np.diff(self.step) > 0)):
            return self
        smallest_later = np.minimum.accumulate(self.step[::-1])[::-1]
        keep = np.ones(len(self), dtype=bool)
        keep[:-1] = self.step[:-1] < smallest_later[1:]
        return self.take(keep)

    def finite(self) -> Series:
        """The points whose value is finite."""
        finite = np.isfinite(self.value)
        return self if bool(finite.all()) else self.take(finite)


@dataclass(frozen=True, slots=True, eq=False)
class HistogramSeries:
    """Statistics of one histogram tag over time.

    Args:
        tag: the name as logged.
        step: ``[T]``; wall_time: ``[T]`` seconds since the epoch.
        count: ``[T]`` number of values in each histogram.
        minimum, maximum, mean, std: ``[T]`` of the values.
        norm: ``[T]`` Euclidean norm, the root of the logged sum of squares; NaN where the encoding has no such sum.
        quantiles: ``[T, Q]`` at ``QUANTILES``, interpolated inside buckets.
    """

    QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)

    tag: str
    step: StepArray
    wall_time: NDArray[np.float64]
    count: NDArray[np.float64]
    minimum: NDArray[np.float64]
    maximum: NDArray[np.float64]
    mean: NDArray[np.float64]
    std: NDArray[np.float64]
    norm: NDArray[np.float64]
    quantiles: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.step)


@dataclass(frozen=True, slots=True, eq=False)
class LayerSeries:
    """One per-layer signal: ``value`` is ``[T, L]``, NaN where a layer was not recorded at a step.

    ``layers`` is in the model's own order as far as the log tells it: input side first.
    """

    kind: str
    layers: tuple[str, ...]
    step: StepArray
    value: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.step)


@dataclass(frozen=True, slots=True)
class Restart:
    """A place where recording started again.

    Args:
        step: the first step after the restart.
        previous_step: the last step before it.
        kind: ``session`` the log says so itself (a START record); ``new-file`` another file of the run begins at
            an earlier step; ``step-back`` steps go back inside one file without a word.
        where: the file, relative to the run.
    """

    step: int
    previous_step: int
    kind: Literal["session", "new-file", "step-back"]
    where: str = ""


@dataclass(frozen=True, slots=True)
class Problem:
    """Damage in a file, or a rule that broke. Nothing that could be read was lost.

    Args:
        kind: a short stable word such as ``bad-checksum``, ``gap``, ``torn-tail``, ``rule-failed``.
        where: file and position.
        text: one sentence for a person.
        count: how many times.
    """

    kind: str
    where: str
    text: str
    count: int = 1


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """One training run as its log tells it.

    Args:
        id: unique among the runs that were read together.
        path: the folder or file.
        name: short name for a person.
        format: which reader understood it.
        series: every scalar tag.
        histograms: every histogram tag, as statistics.
        hyper_parameters: what the log says of the settings.
        texts: every text tag, its latest value.
        restarts: where recording started again, in order.
        problems: damage met while reading.
    """

    id: str
    path: str
    name: str
    format: str
    series: Mapping[str, Series]
    histograms: Mapping[str, HistogramSeries] = field(default_factory=dict)
    hyper_parameters: Mapping[str, float | str | bool] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    restarts: tuple[Restart, ...] = ()
    problems: tuple[Problem, ...] = ()

    @property
    def points(self) -> int:
        """Number of scalar values in all series."""
        return sum(len(series) for series in self.series.values())

    @property
    def first_step(self) -> int | None:
        """The smallest step of any scalar, or None without scalars."""
        return min((int(s.step.min()) for s in self.series.values() if len(s)), default=None)

    @property
    def last_step(self) -> int | None:
        """The largest step of any scalar, or None without scalars."""
        return max((int(s.step.max()) for s in self.series.values() if len(s)), default=None)

    def layers(self, kind: str) -> LayerSeries:
        """One per-layer signal, for example ``run.layers("grad_norm")``.

        Raises:
            KeyError: the run has no such signal; the message lists those that it has.
        """
        from trainvitals.signals import understand

        per_layer = understand(self).per_layer
        if kind not in per_layer:
            raise KeyError(f"no per-layer signal {kind!r} in this run; it has: {', '.join(per_layer) or 'none'}")
        return per_layer[kind].load(self)

    def to_pandas(self) -> pandas.DataFrame:
        """All scalars as a long table: tag, step, wall_time, value. Nothing is lost or aligned."""
        import pandas

        parts = [
            pandas.DataFrame({"tag": tag, "step": s.step, "wall_time": s.wall_time, "value": s.value})
            for tag, s in self.series.items()
        ]
        if not parts:
            return pandas.DataFrame({"tag": [], "step": [], "wall_time": [], "value": []})
        return pandas.concat(parts, ignore_index=True)

    @classmethod
    def from_columns(
        cls,
        columns: Mapping[str, Sequence[float] | FloatArray] | pandas.DataFrame,
        *,
        step: str | None = None,
        name: str = "run",
    ) -> Run:
        """A run from equally long columns: a dict of sequences, or a DataFrame.

        A missing cell (NaN) counts as a NaN *value* where the logging of its column as a whole says so: the column was
        recorded in every row of its kind until then, and what is always recorded with it is there. Else it counts as
        not recorded, as in a metric that is measured every tenth row.

        Args:
            columns: one column a metric.
            step: the column that counts steps; found by name if None, else the row number counts.
            name: what to call the run.

        Raises:
            LogError: the columns differ in length, or ``step`` names none of them.
        """
        from trainvitals.formats.columns import run_from_columns

        return run_from_columns(columns, step=step, name=name)


class Severity(StrEnum):
    """How much a finding matters. Warning only where something should be changed."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"

    @property
    def rank(self) -> int:
        return ("info", "warning", "error").index(self.value)


class Status(StrEnum):
    """The verdict on a whole run."""

    HEALTHY = "healthy"
    WARNING = "warning"
    ERROR = "error"
    UNDETERMINED = "undetermined"


class Verdict(StrEnum):
    """Is it still getting better?"""

    PLATEAU = "PLATEAU"
    SLOW = "SLOW"
    PROGRESSING = "PROGRESSING"
    REGRESSING = "REGRESSING"
    INCONCLUSIVE = "INCONCLUSIVE"


class Reason(StrEnum):
    """What qualifies a progress verdict."""

    CONVERGED = "converged"
    LR_LIMITED = "lr-limited"
    SCHEDULE_END = "schedule-end"
    NOISE_LIMITED = "noise-limited"
    TOO_FEW_POINTS = "too-few-points"


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress verdict and the expected gain of continuing, in the unit of the signal.

    Args:
        signal: the tag that was judged; None where the run has no loss.
        gain: expected decrease over the next ``horizon_steps``; positive is better.
        gain_low, gain_high: its 90 % interval.
        delta: the smallest gain that counts as progress.
        minimum_detectable_gain: what the noise would have let us see.
        since_step: where a plateau, or the last regime, began.
        level: where the signal stands now.
        points: how many of its points were judged; points_needed: about how many a clear verdict would take.
    """

    signal: str | None
    verdict: Verdict
    reason: Reason | None = None
    gain: float | None = None
    gain_low: float | None = None
    gain_high: float | None = None
    horizon_steps: int | None = None
    delta: float | None = None
    minimum_detectable_gain: float | None = None
    since_step: int | None = None
    level: float | None = None
    points: int = 0
    points_needed: int | None = None

    @property
    def judged(self) -> bool:
        """Whether there was enough to judge at all; a noisy but long curve was judged, if inconclusively."""
        return self.signal is not None and self.reason is not Reason.TOO_FEW_POINTS


@dataclass(frozen=True, slots=True)
class Evidence:
    """One measured fact: a sentence, the signal, the value, what it was compared with, and at which step."""

    text: str
    signal: str | None = None
    value: float | None = None
    threshold: float | None = None
    step: int | None = None


@dataclass(frozen=True, slots=True)
class Cause:
    """One possible cause of a symptom, with what speaks for and against it."""

    name: str
    confidence: float
    evidence_for: tuple[str, ...] = ()
    evidence_against: tuple[str, ...] = ()
    would_decide: str | None = None


@dataclass(frozen=True, slots=True)
class Verify:
    """How to see whether an intervention helped: ``signal`` moves in ``direction`` by ``size`` within N steps."""

    signal: str
    direction: Literal["down", "up", "finite"]
    size: float
    within_steps: int


@dataclass(frozen=True, slots=True)
class Suggestion:
    """One thing to try.

    Args:
        name: the intervention's name.
        summary: one line.
        how: code or settings that can be pasted.
        expected: what should happen, and on what basis.
        risk: what may go wrong, and whether it can be undone.
        verify: machine-readable success.
        source: where this is known from.
    """

    name: str
    summary: str
    how: str
    expected: str
    risk: str
    verify: Verify
    source: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a rule found: what, since when, how sure, on what evidence, and what to try.

    ``to_try`` names the interventions for this very finding, the best first; where it is empty, those of its rule
    count. The engine makes ``interventions`` of them.
    """

    code: str
    name: str
    severity: Severity
    confidence: float
    summary: str
    first_step: int | None = None
    last_step: int | None = None
    layers: tuple[str, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    state: Literal["open", "resolved", "accepted"] = "open"
    accepted_because: str | None = None
    consequences: tuple[str, ...] = ()
    causes: tuple[Cause, ...] = ()
    to_try: tuple[str, ...] = ()
    interventions: tuple[Suggestion, ...] = ()

    @property
    def likelihood(self) -> str:
        """The confidence in words."""
        return likelihood_in_words(self.confidence)

    @property
    def signals(self) -> frozenset[str]:
        """The tags that the evidence names."""
        return frozenset(item.signal for item in self.evidence if item.signal)


@dataclass(frozen=True, slots=True)
class NotAssessed:
    """A rule that could not be judged: which signals are missing, and the one line that would log them."""

    code: str
    name: str
    missing: tuple[str, ...]
    how: str


@dataclass(frozen=True, slots=True)
class RootCause:
    """A cause that explains one or more findings."""

    name: str
    confidence: float


@dataclass(frozen=True, slots=True)
class SignalSummary:
    """How the tags were understood, in the shape of the JSON output."""

    train_loss: tuple[str, ...] = ()
    val_loss: Mapping[str, str] = field(default_factory=dict)
    learning_rate: tuple[str, ...] = ()
    per_layer: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Everything that was found out about one run."""

    id: str
    path: str
    name: str
    format: str
    first_step: int | None
    last_step: int | None
    points: int
    status: Status
    signals: SignalSummary
    progress: Progress
    findings: tuple[Finding, ...] = ()
    root_causes: tuple[RootCause, ...] = ()
    not_assessed: tuple[NotAssessed, ...] = ()
    problems: tuple[Problem, ...] = ()

    @property
    def open_findings(self) -> tuple[Finding, ...]:
        """The findings that nobody accepted, worst first."""
        return tuple(finding for finding in self.findings if finding.state == "open")


# Words for confidence. The bounds are conventions until the diagnosis is calibrated against an exam of faults.
VERY_LIKELY_FROM = 0.8
CERTAIN_FROM = 0.97


def likelihood_in_words(confidence: float) -> str:
    """``likely``, ``very likely`` or ``certain``."""
    if confidence >= CERTAIN_FROM:
        return "certain"
    return "very likely" if confidence >= VERY_LIKELY_FROM else "likely"
