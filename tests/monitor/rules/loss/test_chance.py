"""Levels of guessing are recognised for common numbers of classes, and other levels are left alone."""

from __future__ import annotations

import math

import pytest

from trainvitals.rules.loss.chance import chance_classes


@pytest.mark.parametrize("classes", [2, 10, 100, 1000, 32000, 50257])
def test_the_cross_entropy_of_a_uniform_guess_names_its_classes(classes):
    assert chance_classes(math.log(classes)) == classes


@pytest.mark.parametrize("level", [0.0, -1.0, 0.5, 0.9, 2.25, 5.0, 1e300])
def test_other_levels_name_none(level):
    assert chance_classes(level) is None
