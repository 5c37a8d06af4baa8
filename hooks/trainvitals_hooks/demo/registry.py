"""Which scenarios there are."""

from __future__ import annotations

from trainvitals_hooks.demo import (
    learning_rate_exhausted,
    non_finite_loss,
    not_learning,
    overfitting,
    vanishing_gradients,
)

SCENARIOS = {
    module.SCENARIO.name: module.SCENARIO
    for module in (vanishing_gradients, non_finite_loss, not_learning, learning_rate_exhausted, overfitting)
}
"""By name; the first is shown where none is asked for."""
