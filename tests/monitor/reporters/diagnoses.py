"""Diagnoses written by hand, so that the reports are tested apart from the rules."""

from __future__ import annotations

from dataclasses import replace

from trainvitals.model import (
    Cause,
    Diagnosis,
    Evidence,
    Finding,
    NotAssessed,
    Problem,
    Progress,
    Reason,
    RootCause,
    Severity,
    SignalSummary,
    Status,
    Suggestion,
    Verdict,
    Verify,
)

PLATEAU = Finding(
    code="LOS005",
    name="plateau",
    severity=Severity.WARNING,
    confidence=0.9,
    summary="train/loss has been flat at 2.31 for 9,300 steps, above where its own law was heading",
    first_step=3100,
    last_step=12400,
    evidence=(
        Evidence("expected gain over the next 3,100 steps 0.0001, below 0.0046", "train/loss", 0.0001, 0.0046, 12400),
        Evidence("the law before step 3,100 promised 1.87 by now", "train/loss", 1.87, None, 12400),
        Evidence("noise 0.004 a point", "train/loss", 0.004),
    ),
    causes=(
        Cause(
            "vanishing-gradients",
            0.85,
            ("gradient reaching layer 0 is 2e-6 of the last layer's, since step 0",),
            ("the last four layers learn normally",),
            "log each layer's update-to-weight ratio",
        ),
    ),
    interventions=(
        Suggestion(
            "residual-connections",
            "residual connections or pre-norm in encoder.*",
            "x = x + block(norm(x))",
            "layer-0 update ratio above 1e-4 within 200 steps",
            "restart needed",
            Verify("update_ratio/encoder.0", "up", 1e-4, 200),
            "He et al. 2016",
        ),
        Suggestion(
            "better-initialisation",
            "initialise for the activation in use",
            "torch.nn.init.kaiming_normal_(layer.weight)",
            "forward variance constant over depth",
            "restart needed",
            Verify("grad_norm/encoder.0", "up", 1e-4, 200),
            "He et al. 2015",
        ),
    ),
)

SPIKES = Finding(
    "LOS003",
    "loss-spikes",
    Severity.INFO,
    0.6,
    "3 spikes that recovered within 20 steps",
    first_step=700,
    evidence=(Evidence("largest 12 noise widths", "train/loss", 12.0, 8.0, 700),),
)

SICK = Diagnosis(
    id="runs/exp1",
    path="runs/exp1",
    name="exp1",
    format="tensorboard",
    first_step=0,
    last_step=12400,
    points=4000,
    status=Status.WARNING,
    signals=SignalSummary(
        ("train/loss",),
        {"": "val/loss", "code": "val/code/loss", "wiki": "val/wiki/loss"},
        ("learning_rate/group0",),
        {"grad_norm": 38},
    ),
    progress=Progress(
        "train/loss",
        Verdict.PLATEAU,
        None,
        0.0001,
        -0.0039,
        0.0041,
        3100,
        0.0046,
        0.004,
        since_step=3100,
        level=2.31,
        points=1240,
    ),
    findings=(PLATEAU, SPIKES),
    root_causes=(RootCause("vanishing-gradients", 0.85),),
    not_assessed=(NotAssessed("GEN006", "forgetting", ("val_loss",), "log a second validation suite"),),
    problems=(Problem("bad-checksum", "events.out.tfevents.1", "records with a wrong checksum were skipped", 2),),
)

HEALTHY = Diagnosis(
    id="runs/exp2",
    path="runs/exp2",
    name="exp2",
    format="tensorboard",
    first_step=0,
    last_step=12000,
    points=2400,
    status=Status.HEALTHY,
    signals=SignalSummary(("train/loss",)),
    progress=Progress("train/loss", Verdict.PROGRESSING, None, 0.021, 0.015, 0.027, 3000, 0.005, 0.006, level=2.1),
)

UNDETERMINED = Diagnosis(
    id="runs/exp3",
    path="runs/exp3",
    name="exp3",
    format="lightning-csv",
    first_step=0,
    last_step=180,
    points=18,
    status=Status.UNDETERMINED,
    signals=SignalSummary(("train_loss",)),
    progress=Progress(
        "train_loss", Verdict.INCONCLUSIVE, Reason.TOO_FEW_POINTS, level=2.9, points=18, points_needed=60
    ),
)


def forty() -> list[Diagnosis]:
    """A folder of forty runs: every fifth sick, every seventh undetermined."""
    runs = []
    for index in range(40):
        base = SICK if index % 5 == 0 else UNDETERMINED if index % 7 == 0 else HEALTHY
        runs.append(replace(base, id=f"sweep/lr{index:02d}", name=f"lr{index:02d}"))
    return runs
