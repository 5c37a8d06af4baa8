"""Log more often."""

from __future__ import annotations

import numpy as np

from trainvitals import tags
from trainvitals.interventions.intervention import Intervention
from trainvitals.interventions.snippets import lightning_trainer, training_arguments
from trainvitals.interventions.values import loss_of, quoted
from trainvitals.model import Finding, Suggestion, Verify
from trainvitals.view import RunView

POINTS = 200
"""In a run like this one: enough for a verdict on progress, and still cheap."""


class LogMoreOften(Intervention):
    """Where there are too few points to tell a trend from noise."""

    name = "log-more-often"
    source = "our measurements on real loss curves: verdicts need about 60 points, finer ones 150"
    basis = "this run"
    undo = "changes nothing"

    def suggest(self, view: RunView, finding: Finding) -> Suggestion | None:
        loss = loss_of(view, finding)
        tag = tags.TRAIN_LOSS if loss is None else loss.tag
        has = 0 if loss is None else len(loss)
        if has >= POINTS:
            return None
        every = max(1, view.span_steps // POINTS)
        now = "" if loss is None or has < 2 else f" instead of every {int(np.median(np.diff(loss.curve.step))):,}"
        return self.suggestion(
            summary=f"log the loss every {every:,} steps{now}",
            how=f"""
if step % {every} == 0:
    writer.add_scalar({quoted(tag)}, loss.item(), step)
""",
            dialect=view.dialect,
            transformers=training_arguments(logging_steps=str(every)),
            lightning=lightning_trainer(log_every_n_steps=str(every)),
            expected=f"about {POINTS} points in a run of this length, enough for a verdict",
            risk="reading the loss waits for the device; at this distance that costs next to nothing",
            verify=Verify(tag, "finite", 0.0, every),
        )
