"""Go back to the last good checkpoint."""

from __future__ import annotations

from trainvitals.best_loss import best_of
from trainvitals.interventions.intervention import Intervention
from trainvitals.interventions.values import checkpoint_before, loss_falls, loss_is_finite, loss_of, quoted
from trainvitals.model import Finding, Suggestion
from trainvitals.view import RunView

AT_THE_START = 0.02
"""Of the run: what was wrong from so early on leaves nothing worth going back to."""


class RestoreCheckpoint(Intervention):
    """Where the weights are worse than they were: after divergence, a NaN, or the best validation loss.

    Damaged weights rarely recover by themselves, and overfitted ones never. For overfitting the good step is that of
    the best validation loss; for everything else it is the last one before the trouble began. What was wrong from the
    start has no such step.
    """

    name = "restore-checkpoint"
    source = "Prechelt 1998, Early stopping - but when?; Chowdhery et al. 2022 (PaLM) for rewinding after spikes"
    basis = "paper"
    undo = "from a checkpoint"

    def suggest(self, view: RunView, finding: Finding) -> Suggestion | None:
        loss = loss_of(view, finding)
        overfitted = finding.name == "overfitting"
        step = finding.first_step
        if step is None:
            best = best_of(loss, (finding,))
            if best is None:
                return None
            step = best.step
        marked = checkpoint_before(view, step)
        begin = view.run.first_step or 0
        if marked is None and not overfitted and step - begin <= AT_THE_START * view.span_steps:
            return None
        when = "at" if overfitted else "before"
        told = None if marked is None else marked.details.get("path")
        path = f'"out/checkpoint-{step}"' if told is None else quoted(str(told))
        plain = f'"checkpoint.pt", map_location="cpu")  # the last one {when} step {step}'
        if marked is not None and told is not None:
            plain = f'{path}, map_location="cpu")  # of step {marked.step}'
        return self.suggestion(
            summary=f"restore the last checkpoint {when} step {step:,}"
            + ("" if marked is None else f", which is that of step {marked.step:,}"),
            how=f"""
checkpoint = torch.load({plain}
model.load_state_dict(checkpoint["model"])
optimizer.load_state_dict(checkpoint["optimizer"])
""",
            dialect=view.dialect,
            transformers=f"""
trainer.train(resume_from_checkpoint={path})  # the last one {when} step {step}
""",
            lightning=f"""
trainer.fit(model, ckpt_path={path if told is not None else '"checkpoint.ckpt"'})  # the last one {when} step {step}
""",
            expected="the loss is back at the level of that step"
            + ("" if overfitted else "; without another change the same trouble can come back at the same place"),
            risk="what was learnt after that step is lost; keep the present checkpoint until you are sure",
            verify=loss_falls(view, finding) if overfitted else loss_is_finite(view, finding),
        )
