"""What we tell people to paste is valid Python, and logs a tag that we understand as the signal that was missing."""

from __future__ import annotations

import ast

import numpy as np
import pytest

from trainvitals.model import Run, Series
from trainvitals.rules import logging_lines
from trainvitals.signals import Signals, understand

LINES = {
    "train_loss": logging_lines.TRAIN_LOSS,
    "val_loss": logging_lines.VALIDATION_LOSS,
    "learning_rate": logging_lines.LEARNING_RATE,
    "grad_norm": logging_lines.GRADIENT_NORM,
    "per_layer": logging_lines.GRADIENT_NORM_OF_EACH_LAYER,
}


def tag_in(line: str) -> str:
    """The first argument of ``add_scalar``; a layer's name stands for a variable part."""
    call = next(
        node
        for node in ast.walk(ast.parse(line))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "add_scalar"
    )
    tag = call.args[0]
    if isinstance(tag, ast.BinOp):
        assert isinstance(tag.left, ast.Constant)
        return f"{tag.left.value}layers.0.weight"
    assert isinstance(tag, ast.Constant)
    return str(tag.value)


@pytest.mark.parametrize("signal", LINES)
def test_the_line_parses_and_its_tag_is_understood(signal: str) -> None:
    tag = tag_in(LINES[signal])
    step = np.arange(20)
    run = Run("r", "", "r", "columns", {tag: Series(tag, step, step.astype(float), 1.0 / (1.0 + step))})
    understood: Signals = understand(run)
    assert getattr(understood, signal), understood.roles
