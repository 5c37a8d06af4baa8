"""Lead the gradient past each block."""

from __future__ import annotations

import numpy as np

from trainvitals.interventions.intervention import Intervention
from trainvitals.interventions.values import loss_falls, quoted, steps
from trainvitals.model import Finding, Suggestion, Verify
from trainvitals.view import RunView

NAMED_LAYERS = 8
SUCCESS_SHARE = 0.01
"""Of the largest gradient of a layer: healthy networks lie within a factor of a hundred."""


class ResidualConnections(Intervention):
    """Where the gradient shrinks from layer to layer.

    Each layer multiplies the gradient with its own slope; a path around it carries the gradient unchanged. The norm in
    front keeps what enters each block at one size.
    """

    name = "residual-connections"
    source = "He et al. 2016, Identity mappings in deep residual networks; Xiong et al. 2020 for the norm in front"
    basis = "paper"
    undo = "new start"

    def suggest(self, view: RunView, finding: Finding) -> Suggestion | None:
        layers = finding.layers[:NAMED_LAYERS]
        where = ", ".join(quoted(layer) for layer in layers) if layers else "the blocks that get no gradient"
        return self.suggestion(
            summary="residual connections with a norm in front" + (f", from {layers[0]} on" if layers else ""),
            how=f"""
class Residual(torch.nn.Module):
    def __init__(self, block, width):
        super().__init__()
        self.norm, self.block = torch.nn.LayerNorm(width), block

    def forward(self, x):
        return x + self.block(self.norm(x))

# wrap each block whose input and output have the same width: {where}
model.blocks = torch.nn.ModuleList(Residual(block, width) for block in model.blocks)
""",
            expected="the gradient of the early layers rises by orders of magnitude within a few steps",
            risk="another architecture",
            verify=_verify(view, finding),
        )


def _verify(view: RunView, finding: Finding) -> Verify:
    """The first named layer's gradient rises to a hundredth of the largest; without gradients, the loss falls."""
    norms = view.layers("grad_norm")
    latest = np.empty(0) if norms is None or len(norms) == 0 else norms.value[-1]
    finite = latest[np.isfinite(latest) & (latest > 0)]
    if norms is None or len(finite) == 0:
        return loss_falls(view, finding)
    by_name = dict(zip(norms.layers, view.signals.per_layer["grad_norm"].tags, strict=True))
    layer = next((name for name in finding.layers if name in by_name), norms.layers[0])
    return Verify(by_name[layer], "up", float(finite.max()) * SUCCESS_SHARE, steps(view))
