"""Use larger batches by accumulating gradients."""

from __future__ import annotations

from trainvitals.interventions.intervention import Intervention
from trainvitals.interventions.snippets import lightning_trainer, training_arguments
from trainvitals.interventions.values import batch_size, loss_falls, power_of_two
from trainvitals.model import Finding, Suggestion
from trainvitals.rules.gradients.noise_and_batch import noise_and_batch
from trainvitals.view import RunView

FACTOR = 4
"""Halves the noise of the gradient; taken where the noise scale is not known."""

SMALLEST, LARGEST = 2, 16
"""Less is hard to see, more costs too much for a trial."""


class RaiseBatchSize(Intervention):
    """Where the noise of the gradient hides its direction: a flat, noisy loss at a learning rate that is not too high.

    Averaging four batches halves the noise without more memory; each update then costs four times the computation. A
    batch of the noise scale makes half the best progress of a step, and beyond it more batch buys little: that is the
    target, where it was measured.
    """

    name = "raise-batch-size"
    source = "McCandlish et al. 2018, An empirical model of large-batch training"
    basis = "law"
    undo = "at any step"

    def suggest(self, view: RunView, finding: Finding) -> Suggestion | None:
        noise = noise_and_batch(view)
        factor = FACTOR if noise is None else power_of_two(noise.ratio, SMALLEST, LARGEST)
        size = batch_size(view) if noise is None or noise.batch is None else noise.batch
        sizes = f" ({size:g} becomes {factor * size:g})" if size is not None else ""
        why = "" if noise is None else f": {noise.text}"
        return self.suggestion(
            summary=f"average {factor} batches for each update{sizes}{why}",
            how=f"""
for index, (x, y) in enumerate(loader):
    loss = loss_fn(model(x), y) / {factor}
    loss.backward()
    if (index + 1) % {factor} == 0:
        optimizer.step()
        optimizer.zero_grad()
""",
            dialect=view.dialect,
            transformers=training_arguments(gradient_accumulation_steps=str(factor)),
            lightning=lightning_trainer(accumulate_grad_batches=str(factor)),
            expected="the loss falls further for each update, if noise was the limit",
            risk="fewer updates for the same data",
            verify=loss_falls(view, finding, 0.05),
        )
