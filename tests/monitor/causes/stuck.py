"""Stuck trainings with the signals of one cause each, and what is said of them."""

from __future__ import annotations

import numpy as np

from trainvitals import tags
from trainvitals.causes import explain_findings
from trainvitals.model import Cause, Evidence, Finding, Run, Severity
from trainvitals.signals import understand
from trainvitals.view import RunView

POINTS = 300


def found(name: str, confidence: float = 0.9, severity: Severity = Severity.WARNING) -> Finding:
    return Finding("LOS999", name, severity, confidence, name, evidence=(Evidence(f"measured {name}"),))


def view(**columns: object) -> RunView:
    step = np.arange(POINTS)
    loss = np.full(POINTS, 2.0) + 1e-3 * np.sin(step)
    run = Run.from_columns({"step": step, "train_loss": loss, **columns})  # type: ignore[dict-item]
    return RunView(run, understand(run))


def layers(kind: str, *values: float) -> dict[str, np.ndarray]:
    return {f"{kind}/layers.{index}.weight": np.full(POINTS, value) for index, value in enumerate(values)}


def constant(tag: str, value: float) -> dict[str, np.ndarray]:
    return {tag: np.full(POINTS, value)}


def causes_of(columns: dict[str, np.ndarray], *beside: Finding, **ruled_out: Evidence) -> tuple[Cause, ...]:
    symptom, *_ = explain_findings([found("plateau"), *beside], view(**columns), ruled_out)
    return symptom.causes


HEALTHY_LAYERS = layers("update_ratio", *[1e-3] * 6) | layers("grad_norm", *[0.1] * 6)

STUCK = {
    "learning-rate-too-low": layers("update_ratio", *[1e-6] * 6) | constant(tags.GRADIENT_COSINE, 0.9),
    "learning-rate-too-high": layers("update_ratio", *[0.4] * 6) | constant(tags.GRADIENT_COSINE, -0.6),
    "vanishing-gradients": layers("update_ratio", 1e-9, 1e-9, 1e-7, 1e-5, 1e-3, 1e-3)
    | layers("grad_norm", 1e-7, 1e-7, 1e-5, 1e-4, 1e-1, 1e-1),
    "gradient-noise-dominates": HEALTHY_LAYERS
    | constant(tags.GRADIENT_NOISE_SCALE_PROXY, 60.0)
    | constant(tags.GRADIENT_COSINE, 0.0)
    | {"train_loss": 2.0 + 8.0 * np.exp(-np.arange(POINTS))},
    "dead-units": HEALTHY_LAYERS | layers("dormant_unit_fraction", 0.95, 0.9, 0.9),
    "saturated-activations": HEALTHY_LAYERS | layers("activation_saturated_fraction", 0.9, 0.9, 0.8),
    "clipping-saturated": layers("update_ratio", *[2e-4] * 6)
    | constant(tags.CLIPPED, 1.0)
    | constant(tags.GRADIENT_NORM_BEFORE_CLIPPING, 5.0)
    | constant(tags.GRADIENT_NORM, 1e-3),
    "adam-epsilon-dominates": layers("update_ratio", *[2e-4] * 6) | layers("epsilon_share", *[0.99] * 6),
    "parameters-not-updated": layers("update_ratio", *[1e-3] * 6)
    | constant(tags.NO_GRADIENT, 3.0)
    | constant(tags.UNOWNED_PARAMETERS, 0.0),
    "wrong-loss-input": HEALTHY_LAYERS | constant(tags.OUTPUT_ROW_SUM, 1.0),
    "unnormalised-inputs": HEALTHY_LAYERS | constant(tags.BATCH_MEAN, 300.0) | constant(tags.BATCH_STD, 1.0),
    "labels-without-signal": HEALTHY_LAYERS | constant(tags.GRADIENT_COSINE, 0.0),
}
