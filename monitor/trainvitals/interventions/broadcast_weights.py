"""Give all replicas the weights of rank 0 again."""

from __future__ import annotations

from trainvitals.interventions.intervention import Intervention
from trainvitals.interventions.values import loss_is_finite
from trainvitals.model import Finding, Suggestion
from trainvitals.view import RunView


class BroadcastWeights(Intervention):
    """Where replicas of one model no longer hold the same weights.

    Equal weights and equal averaged gradients stay equal: after the broadcast, whatever makes them differ again shows
    at the first record at which the checksums differ.
    """

    name = "broadcast-weights"
    source = "PyTorch documentation, DistributedDataParallel: how replicas are kept equal"
    basis = "documentation"
    undo = "from a checkpoint"

    def suggest(self, view: RunView, finding: Finding) -> Suggestion | None:
        return self.suggestion(
            summary="send the weights of rank 0 to all ranks, and see when they differ again",
            how="""
import torch.distributed as dist

with torch.no_grad():
    for tensor in (*model.parameters(), *model.buffers()):
        dist.broadcast(tensor, src=0)
# The state of the optimizer must be equal too: make it anew, or load the same checkpoint on all ranks.
""",
            expected="the checksums are equal from the next record on; where not, a rank changes its weights by itself",
            risk="the other ranks lose what only they had learnt",
            verify=loss_is_finite(view, finding),
        )
