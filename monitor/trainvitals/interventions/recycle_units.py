"""Give dead units fresh weights."""

from __future__ import annotations

from trainvitals import tags
from trainvitals.interventions.intervention import Intervention
from trainvitals.interventions.values import loss_falls, quoted, steps
from trainvitals.model import Finding, Suggestion, Verify
from trainvitals.view import RunView

NAMED_LAYERS = 8
SUCCESS_SHARE = 0.1
"""Of the units: fewer that come alive change nothing."""


class RecycleUnits(Intervention):
    """Where units put out nothing for any example.

    A dead unit gets no gradient, so only new weights wake it. Its outgoing weights become zero, so that the function
    of the network stays what it is, and the optimizer's memory of it is emptied.
    """

    name = "recycle-units"
    source = "Sokar et al. 2023, The dormant neuron phenomenon in deep reinforcement learning (ReDo)"
    basis = "paper"
    undo = "from a checkpoint"

    def suggest(self, view: RunView, finding: Finding) -> Suggestion | None:
        where = ", ".join(quoted(layer) for layer in finding.layers[:NAMED_LAYERS]) or "the layers with dead units"
        return self.suggestion(
            summary="recycle the dead units: fresh incoming weights, outgoing weights of zero",
            how=f"""
import copy

@torch.no_grad()
def recycle(before, after, optimizer, dead):  # linear layers around the activation, dead units as a mask
    fresh = copy.deepcopy(before)
    fresh.reset_parameters()
    for old, new in zip(before.parameters(), fresh.parameters()):
        old[dead] = new[dead]
        for moment in optimizer.state.get(old, {{}}).values():
            if torch.is_tensor(moment) and moment.shape == old.shape:
                moment[dead] = 0
    after.weight[:, dead] = 0

# around {where}: dead = outputs_of_one_batch.abs().amax(0) == 0
""",
            expected="the units put out something at once, and the layers in front get a gradient again",
            risk="units die again where the rate is too high; a layer that is dead as a whole has lost what it knew",
            verify=_verify(view, finding),
        )


def _verify(view: RunView, finding: Finding) -> Verify:
    signal = next((s for s in finding.signals if s.startswith(tags.per_layer("activation_zero_fraction", ""))), None)
    signal = signal or next((s for s in finding.signals if s.startswith("dormant_unit_fraction/")), None)
    return loss_falls(view, finding) if signal is None else Verify(signal, "down", SUCCESS_SHARE, steps(view))
