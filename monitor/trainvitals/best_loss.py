"""Where a loss was best: the one answer of charts, lists, findings and advice on which checkpoint to keep."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from trainvitals.maths.robust import Floats
from trainvitals.maths.turning_point import FEWEST_FOR_TURN, turning_point
from trainvitals.model import Finding
from trainvitals.view import LossCurve, RunView

TURNED = "overfitting"
"""The finding that says when validation losses were best before they turned, the clearest first."""


class Best(NamedTuple):
    """A recorded point of a loss, and of which."""

    step: int
    value: float
    loss: LossCurve


def best_validation(view: RunView, findings: Sequence[Finding] = ()) -> Best | None:
    """Where validation was best: by the loss that a finding names, else by the one to judge by.

    Args:
        findings: what was found in the run.

    Returns:
        None where nothing was validated.
    """
    turned = {tag for tag, _ in _turns(findings)[:1]}
    losses = view.val_losses.values()
    return best_of(next((loss for loss in losses if loss.tag in turned), view.val_loss), findings)


def best_of(loss: LossCurve | None, findings: Sequence[Finding] = ()) -> Best | None:
    """The smallest value of the stretch where the loss is lowest as a whole, so that a single lucky value is no best.

    Args:
        loss: any; None for none.
        findings: what was found in the run. Where one of them says when this loss was best, that is the answer.

    Returns:
        None for a loss without a finite point.
    """
    if loss is None or len(loss) == 0:
        return None
    value = np.asarray(loss.curve.value, dtype=np.float64)
    at = _as_found(loss, findings)
    if at is None:
        at = int(np.argmin(value)) if len(value) < FEWEST_FOR_TURN else turning_point(_scaled(value)).best_index
    return Best(int(loss.curve.step[at]), float(value[at]), loss)


def _as_found(loss: LossCurve, findings: Sequence[Finding]) -> int | None:
    said = (int(np.searchsorted(loss.curve.step, step)) for tag, step in _turns(findings) if tag == loss.tag)
    return next((at for at in said if at < len(loss)), None)


def _turns(findings: Sequence[Finding]) -> list[tuple[str, int]]:
    """Which validation loss was best at which step, as far as findings say so, the clearest first."""
    return [
        (evidence.signal, evidence.step)
        for finding in findings
        if finding.name == TURNED
        for evidence in finding.evidence
        if evidence.signal is not None and evidence.step is not None
    ]


def _scaled(value: Floats) -> Floats:
    """Logarithms where all values are positive, as the rule on overfitting has them."""
    return np.log(value) if bool(np.all(value > 0)) else value
