"""RUN002: several trainings in one log."""

from __future__ import annotations

from collections.abc import Mapping

from trainvitals.model import Evidence, Finding, Severity
from trainvitals.rules.rule import Rule
from trainvitals.rules.run.seams import Seam, seams
from trainvitals.view import RunView

SHOWN_STARTS = 5


class StackedRuns(Rule[tuple[Seam, ...]]):
    """Several trainings were written into one folder or file.

    What it finds
    -------------
    Steps that start over near the first one, with a loss that is back at the level of an untrained model: a second
    training in the same place.

    Why it matters
    --------------
    Mixed together the trainings look like one that saw-tooths or diverges. Only the last of them is judged here.

    How it is detected
    ------------------
    At every restart that the reader marked: the steps go back to within 5 % of the first one, and the median of the
    first three losses after it is closer to the first three of the log than to the last three before the restart.
    Without a loss the steps alone decide.

    False alarms
    ------------
    A training that resumed with a new step counter keeps its level and is reported as `restarted-run`. Where nothing
    had been learnt before the restart, the two cannot be told apart, and this rule speaks.

    What to try
    -----------
    One folder for every start; read the parts separately.

    Sources
    -------
    Public logs of several projects whose folder names do not change from start to start.
    """

    code = "RUN002"
    name = "stacked-runs"
    summary = "Several trainings were written into one folder or file."
    reads = ("train_loss", "val_loss")
    interventions = ("separate-log-folders",)

    def measure(self, view: RunView) -> tuple[Seam, ...]:
        return tuple(seam for seam in seams(view) if seam.starts_over)

    def judge(self, measurement: tuple[Seam, ...], limits: Mapping[str, float]) -> list[Finding]:  # noqa: ARG002
        if not measurement:
            return []
        first = measurement[0].restart
        seen_in_loss = any(seam.after is not None for seam in measurement)
        return [
            self.finding(
                Severity.INFO,
                0.9 if seen_in_loss else 0.7,
                f"{len(measurement) + 1} trainings in one log: the steps start over after step {first.previous_step:,}",
                first_step=min(seam.restart.step for seam in measurement),
                last_step=max(seam.restart.previous_step for seam in measurement),
                evidence=tuple(_evidence(seam) for seam in measurement[:SHOWN_STARTS]),
            )
        ]


def _evidence(seam: Seam) -> Evidence:
    restart = seam.restart
    text = f"after step {restart.previous_step:,} the steps start over at {restart.step:,}"
    if seam.after is not None and seam.before is not None and seam.at_start is not None:
        text += f"; the loss goes from {seam.before:.4g} back to {seam.after:.4g}, the log began at {seam.at_start:.4g}"
    return Evidence(text, signal=seam.tag, value=seam.after, threshold=seam.before, step=restart.step)
