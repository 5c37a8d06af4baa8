"""The smallest difference that the written digits of a series can show."""

from __future__ import annotations

import numpy as np

from trainvitals.maths.robust import Floats

# As many values show the digits of all.
VALUES_LOOKED_AT = 1000
MOST_DECIMALS = 12
# Parsing a decimal number leaves an error of about one in 10**16.
PARSING_ERROR = 1e-13
SINGLE_PRECISION_BITS = 23


def quantum(value: Floats) -> float:
    """The step in which ``[N]`` finite values are written: of their decimals, or of their binary digits.

    A log with four decimals has 1e-4; bfloat16 around 2 has 2**-6; single precision one in 10**7 of the value.
    """
    last = np.asarray(value[-VALUES_LOOKED_AT:], dtype=np.float64)
    largest = float(np.abs(last).max(initial=0.0))
    if not 0 < largest < 1e15:
        return largest
    return max(_decimal_step(last), _binary_step(last), largest * 2.0**-SINGLE_PRECISION_BITS)


def _decimal_step(value: Floats) -> float:
    allowed = PARSING_ERROR * np.maximum(1.0, np.abs(value))
    for decimals in range(MOST_DECIMALS + 1):
        if bool(np.all(np.abs(value - np.round(value, decimals)) <= allowed)):
            return float(10.0**-decimals)
    return 0.0


def _binary_step(value: Floats) -> float:
    """Half precision and bfloat16 leave the last bits of a single-precision number zero."""
    single = value.astype(np.float32)
    if not np.array_equal(single, value):
        return 0.0
    used = int(np.bitwise_or.reduce(single[single != 0].view(np.uint32)))
    spare_bits = (used & -used).bit_length() - 1
    smallest = float(np.abs(value[value != 0]).min())
    return float(2.0 ** (np.floor(np.log2(smallest)) + spare_bits - SINGLE_PRECISION_BITS))
