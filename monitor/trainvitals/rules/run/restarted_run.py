"""RUN001: recording stopped and went on."""

from __future__ import annotations

from collections.abc import Mapping

from trainvitals.model import Evidence, Finding, Severity
from trainvitals.rules.rule import Rule
from trainvitals.rules.run.seams import Seam, seams
from trainvitals.view import RunView

SHOWN_RESTARTS = 5

KINDS = {
    "session": "the log itself says that a new session began",
    "new-file": "another file of the run begins there",
    "step-back": "the steps go back without a word",
}


class RestartedRun(Rule[tuple[Seam, ...]]):
    """Recording stopped and started again within one run.

    What it finds
    -------------
    Places where the same training went on after an interruption: a new session in the log, another file, or steps
    that go back.

    Why it matters
    --------------
    What was recorded twice must be counted once, and a jump of the loss at such a place is no spike: the optimizer
    state, the order of the data or the learning rate may have changed. Every other rule judges the latest recording
    of each step and starts its windows anew at a restart.

    How it is detected
    ------------------
    The reader marks restarts: by the log's own session records, by files that overlap, and by steps that go back.
    A restart near the first step whose loss is back at its first level is another run, reported as `stacked-runs`.

    False alarms
    ------------
    Some loggers begin a new file every few hours without any interruption; those continue at a later step and are
    harmless. It is an information only.

    What to try
    -----------
    Nothing, if the interruption was intended. Else give every start a folder of its own, and restore optimizer,
    schedule, random state and data position together with the weights.

    Sources
    -------
    TensorBoard's rule for restarts (everything at or after the step of a new session is superseded); our own reading
    of public logs, where 2 of 35 runs had several files.
    """

    code = "RUN001"
    name = "restarted-run"
    summary = "Recording stopped and started again within this run."
    reads = ("train_loss", "val_loss")
    interventions = ("separate-log-folders",)

    def measure(self, view: RunView) -> tuple[Seam, ...]:
        return tuple(seam for seam in seams(view) if not seam.starts_over)

    def judge(self, measurement: tuple[Seam, ...], limits: Mapping[str, float]) -> list[Finding]:  # noqa: ARG002
        if not measurement:
            return []
        steps = [seam.restart.step for seam in measurement]
        where = f"step {steps[0]:,}" if len(steps) == 1 else f"{len(steps)} places, first at step {min(steps):,}"
        repeated = sum(max(0, seam.restart.previous_step - seam.restart.step + 1) for seam in measurement)
        overlap = f"; {repeated:,} steps were recorded twice and count once" if repeated else ""
        return [
            self.finding(
                Severity.INFO,
                0.95,
                f"recording restarted at {where}{overlap}",
                first_step=min(steps),
                last_step=max(steps),
                evidence=tuple(_evidence(seam) for seam in measurement[:SHOWN_RESTARTS]),
            )
        ]


def _evidence(seam: Seam) -> Evidence:
    restart = seam.restart
    jump = ""
    if seam.before is not None and seam.after is not None:
        jump = f"; the loss went from {seam.before:.4g} to {seam.after:.4g}"
    return Evidence(
        f"after step {restart.previous_step:,} comes step {restart.step:,}: {KINDS[restart.kind]}{jump}",
        signal=seam.tag,
        value=seam.after,
        threshold=seam.before,
        step=restart.step,
    )
