"""Warm the learning rate up for longer."""

from __future__ import annotations

import numpy as np

from trainvitals.interventions.intervention import Intervention
from trainvitals.interventions.snippets import configure_optimizers, training_arguments
from trainvitals.interventions.values import gradient_norm, loss_is_finite, optimizer_name, setting, steps
from trainvitals.maths.robust import running_median
from trainvitals.model import Finding, Suggestion
from trainvitals.view import RunView

AT_PEAK = 0.99
"""Of the peak: where the warm-up of a logged rate ends."""

SMALLEST_SHARE = 0.02
"""Of the run; the usual warm-up of large-model recipes is 1 to 3 %."""

LARGEST_SHARE = 0.2
"""Of the run: more is a schedule of its own."""

EARLY_SHARE = 0.3
"""Of the run. What goes wrong later has nothing to do with the start."""

SETTLED = 2.0
"""Times the later level of the gradient norm: below it, the steep part of the loss surface lies behind the run."""

MEMORIES = 2.0
"""Times 1 / (1 - beta2): Adam's second moment is trustworthy by then (Ma and Yarats 2021)."""

DEFAULT_BETA2 = {"Adam": 0.999, "AdamW": 0.999, "NAdam": 0.999, "RAdam": 0.999, "Adamax": 0.999}
FEWEST_NORMS = 20
WINDOW = 9


class LongerWarmup(Intervention):
    """Where the trouble begins early: a loss or a gradient that blows up in the first third of the run.

    Adam's estimate of the gradient's size rests on few samples at first, and the first layers sit in the steepest part
    of the loss surface. A longer warm-up lets both settle before the updates reach their full size. It lasts until
    the gradient norm of this run had settled, and as long as Adam's memory.
    """

    name = "longer-warmup"
    source = (
        "Gilmer et al. 2022, A loss curvature perspective on training instability; Ma and Yarats 2021 for the length"
    )
    basis = "paper"
    undo = "new start"

    def suggest(self, view: RunView, finding: Finding) -> Suggestion | None:
        begin = view.run.first_step or 0
        onset = begin if finding.first_step is None else finding.first_step
        if onset - begin > EARLY_SHARE * view.span_steps:
            return None
        had = _warmup_steps(view)
        wanted = max(steps(view, SMALLEST_SHARE), _settled_after(view), _memory_of_adam(view))
        length = max(2 * had, min(wanted, steps(view, LARGEST_SHARE)))
        then = f"""warmup = torch.optim.lr_scheduler.LinearLR(optimizer, start_factor=0.01, total_iters={length})
return {{"optimizer": optimizer, "lr_scheduler": {{"scheduler": warmup, "interval": "step"}}}}"""
        return self.suggestion(
            summary=f"warm the learning rate up over {length:,} steps" + (f" instead of {had:,}" if had else ""),
            how=f"""
warmup = torch.optim.lr_scheduler.LinearLR(optimizer, start_factor=0.01, total_iters={length})
scheduler = torch.optim.lr_scheduler.SequentialLR(optimizer, [warmup, scheduler], milestones=[{length}])
""",
            dialect=view.dialect,
            transformers=training_arguments(warmup_steps=str(length)),
            lightning=configure_optimizers(view, then),
            expected="the run passes the step where it broke with a finite loss",
            risk="costs the steps of the warm-up",
            verify=loss_is_finite(view, finding, max(SMALLEST_SHARE, (onset - begin) / view.span_steps)),
        )


def _warmup_steps(view: RunView) -> int:
    """Steps from the first rate to the first one near the peak, 0 where the rate starts there or is unknown."""
    rate = view.learning_rate
    if rate is None or not float(rate.value.max()) > 0:
        return 0
    at_peak = int(np.argmax(rate.value >= AT_PEAK * rate.value.max()))
    return int(rate.step[at_peak] - rate.step[0])


def _settled_after(view: RunView) -> int:
    """Steps until the gradient norm first stays near the level of its later half, 0 where that cannot be told.

    Early gradients are long where the curvature is high; their fall to a steady level ends that part of the run.
    """
    norm = gradient_norm(view)
    if norm is None or len(norm) < FEWEST_NORMS:
        return 0
    smooth = running_median(norm.value, WINDOW)
    above = np.flatnonzero(smooth > SETTLED * np.median(smooth[len(smooth) // 2 :]))
    last = int(above[-1]) if len(above) and int(above[0]) < WINDOW else -1
    return int(norm.step[last + 1] - norm.step[0]) if 0 <= last < len(norm) // 2 else 0


def _memory_of_adam(view: RunView) -> int:
    betas = str(view.run.hyper_parameters.get("betas", "")).strip("()[] ").split(",")
    try:
        beta2 = float(betas[1])
    except (IndexError, ValueError):
        beta2 = setting(view.run, "adam_beta2") or (
            DEFAULT_BETA2.get(optimizer_name(view), 0.0) if "optimizer" in view.run.hyper_parameters else 0.0
        )
    return round(MEMORIES / (1.0 - beta2)) if 0 < beta2 < 1 else 0
