from __future__ import annotations

import numpy as np
import pytest

from trainvitals_hooks.looking.noise_scale import NoiseScale

DIMENSIONS = 50


@pytest.mark.parametrize("spread", [0.5, 3.0])
def test_the_noise_scale_of_gradients_with_known_noise_is_found(spread):
    generator = np.random.default_rng(0)
    gradient = generator.normal(size=DIMENSIONS)
    scale, found = NoiseScale(), []
    for _ in range(400):
        small = [gradient + spread * generator.normal(size=(4, DIMENSIONS)).mean(0) for _ in range(8)]
        large = np.mean(small, 0)
        found.append(scale.add(float(np.mean([each @ each for each in small])), 4, float(large @ large), 32))
    expected = spread**2 * DIMENSIONS / (gradient @ gradient)
    # The running mean of ten records wanders; its mean over hundreds does not.
    assert np.mean(found[50:]) == pytest.approx(expected, rel=0.05)


def test_where_the_signal_drowns_in_the_noise_there_is_no_scale():
    assert NoiseScale().add(small=100.0, small_batch=1, large=10.0, large_batch=8) is None
