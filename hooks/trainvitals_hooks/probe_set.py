"""The same examples at every evaluation: a loss without the noise of what happened to be drawn.

Two evaluations are compared example by example. The spread of these differences is mostly a tenth of that of the
losses, so that the same certainty takes a hundredth of the examples.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from trainvitals import tags
from trainvitals_hooks.looking.modules import communicates, eager
from trainvitals_hooks.origin.undisturbed import undisturbed
from trainvitals_hooks.recording.reading import Named, Reading, layer_tags

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trainvitals_hooks.console import Once
    from trainvitals_hooks.processes.ranks import Ranks
    from trainvitals_hooks.recording.journal import Journal

PerExampleLoss = Callable[[nn.Module, Any], Tensor]
"""From the model and the batch to one loss for each example, ``[K]``."""

RECORDS_APART = 20
"""On an accelerator, where the time of an evaluation is not known without waiting for it: recorded steps from one to
the next. At ``every=10`` a forward pass of one batch in 200 steps is less than a fifth of a percent."""


class ProbeSet:
    """The examples, and when they are evaluated: at each validation, or as often as the budget allows without any.

    Args:
        budget: the share of the training's time that evaluations may take in a loop that never validates.
        ranks: the processes of the training. The one that writes evaluates; a model whose forward pass waits for the
            others is not evaluated, because nothing says that they would all do it at the same moment.
    """

    def __init__(self, model: nn.Module, journal: Journal, once: Once, budget: float, ranks: Ranks) -> None:
        self._ranks = ranks
        self._model = model
        self._journal = journal
        self._once = once
        self._budget = budget
        self._batch: Any = None
        self._loss_of: PerExampleLoss | None = None
        self._examples: int | None = None
        self._validates = False
        self._last_step: int | None = None
        self._cost_s = 0.0
        self._ended_s = 0.0
        self._records = 0

    def use(self, batch: Any, per_example_loss: PerExampleLoss) -> None:
        """Evaluate this batch from now on, in place of another one."""
        if not self._ranks.writes:
            return
        if self._ranks.size > 1 and communicates(self._model):
            self._once.tell(
                "probe_set", "the probe set is not evaluated: its forward pass would wait for other processes"
            )
            return
        self._batch, self._loss_of = batch, per_example_loss
        self._examples = self._last_step = None
        self._cost_s, self._records = 0.0, RECORDS_APART
        self._journal.event("probe_set", {})

    def at_validation(self) -> float:
        """Evaluate, once a step however many suites there are; how many seconds that took."""
        self._validates = True
        return self._evaluate(self._journal.write_now)

    def at_record(self) -> float:
        """Evaluate if the loop never validates and it is time; how many seconds that took."""
        self._records += 1
        return self._evaluate(self._journal.add) if self._is_time() else 0.0

    def _is_time(self) -> bool:
        if self._loss_of is None or self._validates:
            return False
        if not all(parameter.is_cpu for parameter in self._model.parameters()):
            return self._records >= RECORDS_APART
        return self._cost_s <= self._budget * (perf_counter() - self._ended_s)

    def _evaluate(self, write: Callable[[Sequence[Reading]], None]) -> float:
        if self._loss_of is None or self._last_step == self._journal.steps.current:
            return 0.0
        began_s = perf_counter()
        try:
            model = eager(self._model)
            with undisturbed(model), torch.no_grad():
                model.eval()
                losses = self._checked(self._loss_of(model, self._batch))
            write([_reading(losses)])
        except Exception as error:
            self._loss_of = self._batch = None
            what = f"{type(error).__name__}: {error}"
            self._once.tell("probe_set", f"the probe set is no longer evaluated: {what}. The training goes on.")
        self._last_step, self._records = self._journal.steps.current, 0
        self._ended_s = perf_counter()
        self._cost_s = self._ended_s - began_s
        return self._cost_s

    def _checked(self, losses: object) -> Tensor:
        if not isinstance(losses, Tensor) or losses.dim() != 1 or not len(losses):
            found = f"a tensor of shape {list(losses.shape)}" if isinstance(losses, Tensor) else type(losses).__name__
            raise TypeError(f"per_example_loss gave {found}, not one loss for each example, [K]")
        if self._examples not in (None, len(losses)):
            raise ValueError(f"per_example_loss gave {len(losses)} losses after {self._examples}")
        self._examples = len(losses)
        # A copy: what came back may be a part of something that the loop goes on to change.
        return losses.detach().to(torch.float32, copy=True)


def _reading(losses: Tensor) -> Reading:
    def finish(arrays: list[NDArray[np.float64]]) -> Named:
        (loss,) = arrays
        examples = layer_tags("probe_set_example_loss", tuple(map(str, range(len(loss)))))
        return (tags.PROBE_SET_LOSS, *examples), np.append(loss.mean(), loss)

    return Reading([losses], finish)
