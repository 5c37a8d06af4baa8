"""The interval that every measured rate is printed with."""

from __future__ import annotations

import pytest
from benchmarks.intervals import rate, wilson
from scipy.stats import binomtest


@pytest.mark.parametrize(("k", "n"), [(0, 20), (1, 20), (3, 20), (20, 20), (95, 100), (1, 1), (500, 1000)])
def test_the_interval_is_scipys_wilson_interval(k: int, n: int) -> None:
    expected = binomtest(k, n).proportion_ci(method="wilson")
    assert wilson(k, n) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_no_trials_leave_everything_open() -> None:
    assert wilson(0, 0) == (0.0, 1.0)
    assert rate(0, 0) == "0 of 0"


@pytest.mark.parametrize(("k", "n"), [(3, 2), (-1, 2), (1, 0)])
def test_an_impossible_count_is_refused(k: int, n: int) -> None:
    with pytest.raises(ValueError, match="not a rate"):
        wilson(k, n)


def test_a_rate_is_printed_with_its_denominator_and_interval() -> None:
    assert rate(3, 20) == "3 of 20 (15 %, 95 % interval 5-36 %)"
