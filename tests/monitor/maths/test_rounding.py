"""The digits in which a series is written, decimal or binary, are found out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainvitals.maths.rounding import quantum

VALUES = np.random.default_rng(0).uniform(1.1, 1.9, 200)


@pytest.mark.parametrize("decimals", [0, 1, 3, 4, 5])
def test_decimals_are_counted(decimals: int) -> None:
    assert quantum(np.round(10 * VALUES, decimals)) == pytest.approx(10.0**-decimals)


def test_single_precision_is_one_in_ten_million() -> None:
    assert quantum(VALUES.astype(np.float32)) == pytest.approx(2.0**-23, rel=1.0)


def test_bfloat16_shows_seven_bits() -> None:
    single = VALUES.astype(np.float32).view(np.uint32) & np.uint32(0xFFFF0000)
    assert quantum(single.view(np.float32).astype(np.float64)) == 2.0**-7


def test_half_precision_shows_ten_bits() -> None:
    assert quantum(VALUES.astype(np.float16).astype(np.float64)) == 2.0**-10


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=30))
def test_any_finite_values_have_a_quantum(values: list[float]) -> None:
    assert quantum(np.array(values)) >= 0
