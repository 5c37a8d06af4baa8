"""Find what keeps memory alive from step to step."""

from __future__ import annotations

from trainvitals import tags
from trainvitals.interventions.intervention import Intervention
from trainvitals.interventions.snippets import training_arguments
from trainvitals.interventions.values import steps
from trainvitals.model import Finding, Suggestion, Verify
from trainvitals.view import RunView


class ReleaseMemory(Intervention):
    """Where memory grows with every step.

    The usual find: a loss or an output that is kept as a tensor, and with it the graph of its step. Next: lists that
    are appended to in the loop, in a callback or in the data set.
    """

    name = "release-memory"
    source = "PyTorch FAQ: do not accumulate history across your training loop"
    basis = "documentation"
    undo = "changes nothing"

    def suggest(self, view: RunView, finding: Finding) -> Suggestion | None:
        signal = next((item.signal for item in finding.evidence if item.signal), tags.MEMORY_BYTES)
        return self.suggestion(
            summary="keep numbers instead of tensors, and look at what is allocated between two steps",
            how="""
total_loss += loss.item()  # not: total_loss += loss, which keeps the graph of every step
outputs.append(output.detach().cpu())  # not: outputs.append(output)
# what grew between two looks, by line:
import tracemalloc

tracemalloc.start()
before = tracemalloc.take_snapshot()
# ... a hundred steps later:
for line in tracemalloc.take_snapshot().compare_to(before, "lineno")[:10]:
    print(line)
# and of tensors, by shape:
import collections
import gc

shapes = [tuple(held.shape) for held in gc.get_objects() if issubclass(type(held), torch.Tensor)]
print(collections.Counter(shapes).most_common(10))
""",
            dialect=view.dialect,
            transformers=training_arguments(eval_accumulation_steps="8")
            + """
# in callbacks and metrics of your own: keep numbers, not tensors
losses.append(loss.item())  # not: losses.append(loss)
""",
            lightning="""
def training_step(self, batch, batch_idx):  # of your LightningModule
    x, y = batch
    loss = self.loss(self(x), y)
    self.losses.append(loss.item())  # not: self.losses.append(loss), which keeps the graph of every step
    return loss
""",
            expected="one line or one shape grows in number with the steps: that is what is kept",
            risk="tracing slows the steps down; take it out afterwards",
            verify=Verify(signal, "finite", 0.0, steps(view)),
        )
