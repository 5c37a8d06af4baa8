"""What is known to be wrong with a synthetic run is found, at its step; with a healthy one nothing is wrong."""

from __future__ import annotations

import pytest

from trainvitals import diagnose
from trainvitals.model import Severity
from trainvitals.synth import FAULTS, SHAPES, healthy_run, sick_run

ONSET_TOLERANCE_FRACTION = 0.03
"""Of the run: validation is recorded every hundredth of it, and a change must persist before it is one."""

ONSET_OF_A_STALL_TOLERANCE_FRACTION = 0.1
"""A curve that has bent towards its floor leaves open where exactly it went flat; the noise hides the last bit."""


NOISE_UNDER_A_STALL = 0.002
"""At 0.01 a few hundred points cannot tell a slow descent from none, and saying so is the right answer."""


def names(findings):
    """What is found, and what was explained by it."""
    return {name for finding in findings for name in (finding.name, *finding.consequences)}


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("noise", [0.0, 0.01, 0.03])
def test_nothing_is_wrong_with_a_healthy_run(shape, noise, seed):
    diagnosis = diagnose(healthy_run(shape, noise=noise, seed=seed).run)
    assert [finding.name for finding in diagnosis.findings if finding.severity is not Severity.INFO] == []


@pytest.mark.parametrize("shape", SHAPES)
def test_heavy_tails_are_no_spikes(shape):
    diagnosis = diagnose(healthy_run(shape, heavy_tails=True, noise=0.02).run)
    assert [finding.name for finding in diagnosis.findings if finding.severity is not Severity.INFO] == []


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("onset", [0.3, 0.6])
@pytest.mark.parametrize("kind", FAULTS)
def test_a_fault_is_found_at_its_onset(kind, onset, seed):
    sick = sick_run(kind, onset=onset, seed=seed, noise=NOISE_UNDER_A_STALL if FAULTS[kind].stalls else 0.01)
    findings = diagnose(sick.run).findings
    assert set(sick.truth.expected) <= names(findings)
    first_step = min(f.first_step for f in findings if f.name == kind or kind in f.consequences)
    tolerance = ONSET_OF_A_STALL_TOLERANCE_FRACTION if FAULTS[kind].stalls else ONSET_TOLERANCE_FRACTION
    assert abs(first_step - sick.truth.onset_step) <= tolerance * sick.run.last_step
