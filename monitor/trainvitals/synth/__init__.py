"""Synthetic runs with known truth, for tests, documentation and whoever wants to try a rule.

``healthy_run("annealed")`` and ``sick_run("plateau", onset=0.6)`` each give a ``SyntheticRun``: a ``Run`` with train
and validation loss, learning rate and per-layer norms, and the ``Truth`` about it. The same arguments give the same
run. ``SCENARIOS`` has every healthy shape and every fault by name.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from trainvitals.synth.faults import FAULTS, sick_run
from trainvitals.synth.healthy import SHAPES, healthy_run
from trainvitals.synth.recording import SyntheticRun, Truth

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SCENARIOS: Mapping[str, Callable[..., SyntheticRun]] = {
    **{f"healthy-{shape}": partial(healthy_run, shape) for shape in SHAPES},
    **{kind: partial(sick_run, kind) for kind in FAULTS},
}
"""Each takes the keyword arguments of ``healthy_run`` or ``sick_run``."""

__all__ = ["FAULTS", "SCENARIOS", "SHAPES", "SyntheticRun", "Truth", "healthy_run", "sick_run"]
