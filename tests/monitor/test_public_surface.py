"""What others build on does not change by accident: names, codes, commands and options."""

from __future__ import annotations

import subprocess
import sys

import click
import pytest

import trainvitals
from trainvitals.cli import cli
from trainvitals.rules.registry import all_rules

CODES = {
    "LOS001": "non-finite-loss",
    "LOS002": "diverging-loss",
    "LOS003": "loss-spikes",
    "LOS004": "not-learning",
    "LOS005": "plateau",
    "LOS006": "oscillating-loss",
    "LOS007": "periodic-loss",
    "LOS008": "wrong-loss-input",
    "GRD001": "vanishing-gradients",
    "GRD002": "exploding-gradients",
    "GRD003": "non-finite-gradients",
    "GRD004": "gradient-noise-dominates",
    "GRD005": "batch-larger-than-needed",
    "GRD006": "clipping-saturated",
    "ACT001": "dead-units",
    "ACT002": "saturated-activations",
    "ACT003": "activation-growth",
    "ACT004": "representation-collapse",
    "ACT005": "attention-collapse",
    "ACT006": "attention-logit-growth",
    "ACT007": "output-logit-drift",
    "UPD001": "parameters-not-updated",
    "UPD002": "updates-too-large",
    "UPD003": "updates-too-small",
    "UPD004": "stale-gradients",
    "UPD005": "adam-epsilon-dominates",
    "UPD006": "weight-decay-dominates",
    "UPD007": "symmetric-initialisation",
    "UPD008": "poor-initialisation",
    "UPD009": "training-in-eval-mode",
    "LRS001": "learning-rate-too-high",
    "LRS002": "learning-rate-too-low",
    "LRS003": "learning-rate-exhausted",
    "LRS004": "missing-warmup",
    "LRS005": "schedule-never-decays",
    "GEN001": "overfitting",
    "GEN002": "underfitting",
    "GEN003": "validation-leakage",
    "GEN004": "validation-shift",
    "GEN005": "overtraining",
    "GEN006": "forgetting",
    "GEN007": "noisy-validation",
    "DAT001": "repeated-data",
    "DAT002": "limited-diversity",
    "DAT003": "unshuffled-data",
    "DAT004": "starved-domain",
    "DAT005": "bad-batches",
    "DAT006": "label-noise-floor",
    "DAT007": "unnormalised-inputs",
    "NUM001": "loss-scale-collapse",
    "NUM002": "low-precision-overflow",
    "SYS001": "input-bound",
    "SYS002": "throughput-drop",
    "SYS003": "step-time-outliers",
    "SYS004": "memory-growth",
    "SYS005": "straggler",
    "SYS006": "rank-desync",
    "SYS007": "communication-bound",
    "RUN001": "restarted-run",
    "RUN002": "stacked-runs",
    "RUN003": "nothing-to-judge",
    "RUN004": "not-a-supervised-loss",
    "RUN005": "foreign-validation-row",
}

COMMANDS = {
    "diagnose": {
        *("paths", "--format", "--output", "--select", "--ignore", "--fail-on"),
        *("--train-loss", "--val-loss", "--learning-rate", "--jobs", "--no-cache", "--verbose"),
    },
    "compare": {"before", "after", "--format", "--output", "--select", "--ignore"},
    "follow": {
        *("path", "--interval", "--until-idle", "--select", "--ignore"),
        *("--train-loss", "--val-loss", "--learning-rate"),
    },
    "signals": {"path", "--train-loss", "--val-loss", "--learning-rate"},
    "rules": set(),
    "explain": {"name"},
    "app": {"paths", "--port", "--no-browser"},
    "demo": {"scenario"},
}


def test_every_public_name_can_be_loaded() -> None:
    needs_torch = {"watch"}
    assert [
        name for name in trainvitals.__all__ if name not in needs_torch and getattr(trainvitals, name) is None
    ] == []
    assert trainvitals.__all__ == sorted(trainvitals.__all__)


@pytest.mark.torch
def test_watch_is_a_public_name():
    import trainvitals_hooks

    assert trainvitals.watch is trainvitals_hooks.watch


def test_without_torch_watch_says_in_one_line_what_to_install():
    script = (
        "import sys\n"
        "sys.modules['torch'] = None\n"
        "import trainvitals\n"
        "try:\n"
        "    trainvitals.watch\n"
        "except trainvitals.TrainvitalsError as error:\n"
        "    print(type(error).__name__, error)\n"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout == (
        "MissingExtraError watching a training loop needs torch "
        "(pip install torch, or pip install 'trainvitals[torch]')\n"
    )


def test_codes_are_never_reused_or_renamed() -> None:
    assert {rule.code: rule.name for rule in all_rules()} == CODES


def test_commands_and_options_are_the_published_ones() -> None:
    found = {}
    for name, command in cli.commands.items():
        found[name] = {
            parameter.opts[0] if isinstance(parameter, click.Option) else parameter.name for parameter in command.params
        }
    assert found == COMMANDS
