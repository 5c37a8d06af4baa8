"""Find out why one device is slower than the others."""

from __future__ import annotations

from trainvitals import tags
from trainvitals.interventions.intervention import Intervention
from trainvitals.interventions.values import steps
from trainvitals.model import Finding, Suggestion, Verify
from trainvitals.view import RunView

GAP = 0.1
"""Of a step: what the others wait less."""


class CheckSlowDevice(Intervention):
    """Where one process of several holds up the others: the device, its neighbours or its share of the data.

    The same computation on each rank tells a slow device from a rank that has more to do.
    """

    name = "check-slow-device"
    source = "NVIDIA Resiliency Extension, straggler detection; Jiang et al. 2024, MegaScale"
    basis = "documentation"
    undo = "changes nothing"

    def suggest(self, view: RunView, finding: Finding) -> Suggestion | None:  # noqa: ARG002
        times = view.run.series.get(tags.STEP_TIME_S)
        usual = float(times.value[-1]) if times is not None and len(times) and times.value[-1] > 0 else 1.0
        return self.suggestion(
            summary="time the same computation on every rank, and swap the device that is slow at it",
            how="""
import time

import torch.distributed as dist

x = torch.randn(2048, 2048, device=next(model.parameters()).device)
began_s = time.perf_counter()
for _ in range(50):
    x = torch.nn.functional.normalize(x @ x)
x.sum().item()  # waits for the device
print(f"rank {dist.get_rank()}: {time.perf_counter() - began_s:.3f} s")
# One rank is slower here: look at its clock, temperature and neighbours, or leave its machine out.
# All are alike here: that rank has more to do. Sort examples so that all ranks get batches of equal length.
""",
            expected="the slow rank is slow at this too, or its data is longer; mended, all ranks wait less",
            risk="a few seconds",
            verify=Verify(tags.STEP_TIME_S, "down", max(GAP * usual, 1e-9), steps(view)),
        )
