"""Exchange gradients less often."""

from __future__ import annotations

from trainvitals import tags
from trainvitals.interventions.intervention import Intervention
from trainvitals.interventions.snippets import lightning_trainer, training_arguments
from trainvitals.interventions.values import steps
from trainvitals.model import Finding, Suggestion, Verify
from trainvitals.view import RunView

BATCHES = 4
"""Between two exchanges: their cost falls to a quarter, and the larger batch is still one that most runs can use."""

LESS = 0.5
"""Of the present exchange time a step: a quarter is expected, a half is a success."""


class ExchangeLessOften(Intervention):
    """Where the exchange of gradients takes a large share of each step.

    Batches between two exchanges are summed up where they are; only the last one is sent.
    """

    name = "exchange-less-often"
    source = "PyTorch documentation, DistributedDataParallel.no_sync; Li et al. 2020, PyTorch Distributed"
    basis = "documentation"
    undo = "at any step"

    def suggest(self, view: RunView, finding: Finding) -> Suggestion | None:  # noqa: ARG002
        exchange = view.run.series.get(tags.COMMUNICATION_TIME_S)
        now = float(exchange.value[-1]) if exchange is not None and len(exchange) and exchange.value[-1] > 0 else 1.0
        return self.suggestion(
            summary=f"exchange gradients after every {BATCHES} batches",
            how=f"""
import contextlib

for index, (x, y) in enumerate(loader):
    last = (index + 1) % {BATCHES} == 0
    with contextlib.nullcontext() if last else model.no_sync():
        (loss_fn(model(x), y) / {BATCHES}).backward()
    if last:
        optimizer.step()
        optimizer.zero_grad()
""",
            dialect=view.dialect,
            transformers=training_arguments(gradient_accumulation_steps=str(BATCHES)),
            lightning=lightning_trainer(accumulate_grad_batches=str(BATCHES)),
            expected="the exchange takes a quarter of its time for the same number of examples",
            risk="fewer and larger updates for the same data",
            verify=Verify(tags.COMMUNICATION_TIME_S, "down", max(LESS * now, 1e-9), steps(view)),
        )
