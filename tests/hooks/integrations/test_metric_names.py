"""Names of metrics as people write them."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from trainvitals_hooks.integrations.batches import samples_in, tokens_in
from trainvitals_hooks.integrations.metric_names import MetricName, understood

pytestmark = pytest.mark.torch


@pytest.mark.parametrize(
    ("name", "is_validation", "suite", "metric"),
    [
        ("loss", False, "", "loss"),
        ("train_loss", False, "", "loss"),
        ("train/acc", False, "", "acc"),
        ("training.loss", False, "", "loss"),
        ("trainable", False, "", "trainable"),
        ("value", False, "", "value"),
        ("val_loss", True, "", "loss"),
        ("valid-loss", True, "", "loss"),
        ("Validation/loss", True, "", "loss"),
        ("eval_accuracy", True, "", "accuracy"),
        ("val/code/loss", True, "code", "loss"),
        ("test/a/b/loss", True, "a/b", "loss"),
        ("val", True, "", "loss"),
        ("generator/loss", False, "", "generator/loss"),
    ],
)
def test_the_side_and_the_suite_are_read_from_the_name(name, is_validation, suite, metric):
    assert understood(name) == MetricName(is_validation, suite, metric)


def test_samples_and_tokens_are_counted_in_batches_of_any_make():
    x = torch.zeros(5, 3)
    assert [samples_in(batch) for batch in (x, [x, 1], ("a", {"x": x}), {"label": "a", "x": x})] == [5] * 4
    assert [samples_in(batch) for batch in (None, "text", torch.tensor(1.0), [], {})] == [None] * 5
    assert tokens_in({"input_ids": torch.zeros(2, 7, dtype=torch.long)}) == 14
    assert [tokens_in(batch) for batch in (x, {"x": x}, None)] == [None] * 3


@pytest.mark.slow
@pytest.mark.parametrize("package", ["lightning", "transformers", "accelerate"])
def test_a_missing_framework_is_one_clear_line(package):
    code = (
        "import sys\n"
        "for name in ('lightning', 'lightning.pytorch', 'pytorch_lightning', 'transformers', 'accelerate'):\n"
        "    sys.modules[name] = None\n"
        f"import trainvitals_hooks.integrations.{package}\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:0] = {sys.path!r}\n{code}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.stderr.splitlines()[-1].endswith(
        f"MissingExtraError: watching a training of {package} needs {package} (pip install {package})"
    )
