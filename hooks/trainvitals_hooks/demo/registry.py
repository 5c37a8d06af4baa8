"""Which scenarios there are."""

from __future__ import annotations

from trainvitals_hooks.demo import (
    learning_rate_exhausted,
    non_finite_loss,
    overfitting,
    parameters_not_updated,
    vanishing_gradients,
)

SCENARIOS = {
    module.SCENARIO.name: module.SCENARIO
    for module in (vanishing_gradients, non_finite_loss, parameters_not_updated, learning_rate_exhausted, overfitting)
}
"""By name; the first is shown where none is asked for."""
