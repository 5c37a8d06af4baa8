"""Use larger batches by accumulating gradients."""

from __future__ import annotations

from trainvitals.interventions.intervention import Intervention
from trainvitals.interventions.values import loss_falls
from trainvitals.model import Finding, Suggestion
from trainvitals.view import RunView

FACTOR = 4
"""Halves the noise of the gradient; less is hard to see, more costs too much for a trial."""

BATCH_SIZE_NAMES = ("batch_size", "train_batch_size", "per_device_train_batch_size")


class RaiseBatchSize(Intervention):
    """Where the noise of the gradient hides its direction: a flat, noisy loss at a learning rate that is not too high.

    Averaging four batches halves the noise without more memory; each update then costs four times the computation.
    """

    name = "raise-batch-size"
    source = "McCandlish et al. 2018, An empirical model of large-batch training"

    def suggest(self, view: RunView, finding: Finding) -> Suggestion | None:
        settings = view.run.hyper_parameters
        size = next((settings[name] for name in BATCH_SIZE_NAMES if name in settings), None)
        known = isinstance(size, (int, float)) and not isinstance(size, bool) and size >= 1
        sizes = f" ({int(size)} becomes {FACTOR * int(size)})" if known and size is not None else ""
        return self.suggestion(
            summary=f"average {FACTOR} batches for each update{sizes}",
            how=f"""
for index, (x, y) in enumerate(loader):
    (loss_fn(model(x), y) / {FACTOR}).backward()
    if (index + 1) % {FACTOR} == 0:
        optimizer.step()
        optimizer.zero_grad()
""",
            expected="the loss falls further for each update, if noise was the limit",
            risk="fewer updates for the same data; can be undone at any step",
            verify=loss_falls(view, finding, 0.05),
        )
