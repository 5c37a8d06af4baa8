"""A training run as its log tells it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from trainvitals.model.series import FloatArray, HistogramSeries, LayerSeries, Series

if TYPE_CHECKING:
    import pandas


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
class Marker:
    """Something that happened at a step and was marked there, such as a checkpoint or a change made on purpose.

    Args:
        kind: a word, such as ``intervention``.
        details: what was told of it, by name.
    """

    step: int
    kind: str
    details: Mapping[str, object] = field(default_factory=dict)


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
        markers: what was marked on the way, in order.
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
    markers: tuple[Marker, ...] = ()

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
