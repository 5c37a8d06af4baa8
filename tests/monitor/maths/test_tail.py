"""A tail begins after the last break and needs the end."""

from __future__ import annotations

import numpy as np
import pytest

from trainvitals.maths.tail import begin_of_tail


@pytest.mark.parametrize(
    ("holds", "begin"),
    [([], None), ([0], None), ([1], 0), ([1, 1], 0), ([1, 0], None), ([1, 0, 1, 1], 2), ([0, 0, 1], 2)],
)
def test_where_the_tail_begins(holds, begin):
    assert begin_of_tail(np.array(holds, dtype=bool)) == begin
