"""RUN005: the last validation row was measured on other data."""

from __future__ import annotations

from collections.abc import Mapping

from trainvitals.maths.foreign_row import LARGEST_GAP_SHARE, SMALLEST_OUTSIDE, LastRow, last_row
from trainvitals.model import Evidence, Finding, Severity
from trainvitals.rules.rule import Rule, Threshold
from trainvitals.view import RunView


class ForeignValidationRow(Rule[tuple[tuple[str, LastRow], ...]]):
    """The last validation row was appended by a final evaluation, apparently on other data.

    What it finds
    -------------
    A last row of a validation loss that comes right after the row before it and lies far outside what the run's own
    history and noise allow.

    Why it matters
    --------------
    It is taken for the best (or worst) value of the run, and so for the best checkpoint. The other rules leave it out.

    How it is detected
    ------------------
    The row comes within `largest_gap_share` of the usual distance between two rows, so that the weights can hardly
    have changed, yet its value lies outside the range of the recent half of the rows by at least `smallest_outside`
    times the change that is usual from row to row. At least five rows before it are needed.

    False alarms
    ------------
    A last evaluation with other weights (the best checkpoint, averaged weights) on the same data. The row is left out
    of the curve then too, which is right: it does not belong to these weights either. It is an information only.

    What to try
    -----------
    Log the final evaluation under a name of its own.

    Sources
    -------
    Found by hand in five of 35 public runs, all written by a `validate()` after the training; in those five the value
    lies 4 to 20 usual changes outside, and in ten others that evaluated the same data again it lies inside.
    """

    code = "RUN005"
    name = "foreign-validation-row"
    summary = "The last validation row was measured on other data, or with other weights."
    reads = ("val_loss",)
    thresholds = (
        Threshold(
            "largest_gap_share",
            LARGEST_GAP_SHARE,
            "A row that comes after a tenth of the usual distance was not written by the schedule of the others.",
            "in our labelled logs final rows come after 0.03 % to 3 % of the usual distance",
        ),
        Threshold(
            "smallest_outside",
            SMALLEST_OUTSIDE,
            "Twice the usual change over a whole distance, beyond all recent rows, is no second look at the same data.",
            "in our labelled logs foreign rows lie 3.8 to 20 usual changes outside, others 0",
        ),
    )
    interventions = ("separate-log-folders",)

    def measure(self, view: RunView) -> tuple[tuple[str, LastRow], ...]:
        measured = []
        for loss in view.val_losses.values():
            series = view.run.series[loss.tag]
            row = last_row(series.step, series.value)
            if row is not None:
                measured.append((loss.tag, row))
        return tuple(measured)

    def judge(self, measurement: tuple[tuple[str, LastRow], ...], limits: Mapping[str, float]) -> list[Finding]:
        foreign = [
            (tag, row)
            for tag, row in measurement
            if row.is_foreign(limits["largest_gap_share"], limits["smallest_outside"])
        ]
        if not foreign:
            return []
        tag, row = foreign[0]
        return [
            self.finding(
                Severity.INFO,
                0.85,
                f"the last row of {tag} ({row.value:.4g} at step {row.step:,}) was measured on other data "
                "and is left out",
                first_step=row.step,
                last_step=row.step,
                evidence=tuple(_evidence(tag, row, limits["smallest_outside"]) for tag, row in foreign),
            )
        ]


def _evidence(tag: str, row: LastRow, smallest_outside: float) -> Evidence:
    return Evidence(
        f"{tag} goes from {row.previous_value:.4g} to {row.value:.4g} between steps {row.previous_step:,} and "
        f"{row.step:,}: {row.outside:.1f} usual changes outside the recent range, after {row.gap_share:.2%} of the "
        "usual distance",
        signal=tag,
        value=row.outside,
        threshold=smallest_outside,
        step=row.step,
    )
