"""What is accepted counts in a diagnosis as if it had been known while judging, and can be taken back."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.monitor.kept.test_codec import assert_same

from trainvitals import read_run
from trainvitals.accepted import with_accepted
from trainvitals.config import Acceptance, Config
from trainvitals.engine import diagnose
from trainvitals.model import Diagnosis, Marker, Run, Status
from trainvitals.samples import sample_logs


def diverged() -> Run:
    return read_run(sample_logs() / "diverging")


def blown_up_and_mended() -> Run:
    """A loss that diverges until something is changed."""
    steps = np.arange(0, 6000, 10)
    loss = 1.0 + 6 * (steps + 50.0) ** -0.4 + 0.02 * np.random.default_rng(3).standard_normal(len(steps))
    loss = np.where((steps > 2000) & (steps <= 3000), loss + (steps - 2000) / 100.0, loss)
    run = Run.from_columns({"step": steps, "train/loss": loss}, name="mended")
    return replace(run, markers=(Marker(3000, "intervention"),))


def accepting(run: Run, *accepted: Acceptance) -> Diagnosis:
    return diagnose(run, Config(accepted=accepted))


ALL = Acceptance("LOS", "a drill")
SOME = (Acceptance("diverging-loss", "known", tag="train/*"), ALL, Acceptance("GEN", "late", run="*mended"))
ELSEWHERE = Acceptance("LOS", "not here", run="elsewhere")


@pytest.mark.parametrize("run", [diverged(), blown_up_and_mended()], ids=["diverged", "mended"])
@pytest.mark.parametrize("before", [(), (ALL,), SOME, (ELSEWHERE,)])
@pytest.mark.parametrize("now", [(), (ALL,), SOME, (ELSEWHERE,)])
def test_whatever_was_accepted_before_only_what_is_accepted_now_counts(
    run: Run, before: tuple[Acceptance, ...], now: tuple[Acceptance, ...]
) -> None:
    assert_same(with_accepted(accepting(run, *before), now), accepting(run, *now), "")


def test_status_and_causes_follow_from_what_is_left_open() -> None:
    diagnosis = diagnose(diverged())
    assert diagnosis.status is Status.ERROR
    assert diagnosis.root_causes
    clear = with_accepted(diagnosis, [Acceptance(each.name, "known") for each in diagnosis.findings])
    assert clear.open_findings == ()
    assert clear.root_causes == ()
    assert clear.status is clear.status_when_clear
    assert {finding.accepted_because for finding in clear.findings} == {"known"}


def test_the_first_acceptance_that_covers_gives_the_reason() -> None:
    diagnosis = with_accepted(diagnose(diverged()), (ELSEWHERE, Acceptance("non-finite-loss", "first"), ALL))
    assert {each.accepted_because for each in diagnosis.findings if each.name == "non-finite-loss"} == {"first"}


def test_what_became_of_an_accepted_finding_after_a_change_is_not_told() -> None:
    diagnosis = diagnose(blown_up_and_mended())
    (change,) = diagnosis.changes
    assert "diverging-loss" in {each.finding.name for each in change.findings}
    (change,) = with_accepted(diagnosis, (ALL,)).changes
    assert not {each.finding.name for each in change.findings} & {"diverging-loss", "non-finite-loss"}


def test_the_parts_of_a_run_are_known_by_the_name_that_it_has_now() -> None:
    renamed = replace(diagnose(blown_up_and_mended()), id="runs/drill")
    (change,) = with_accepted(renamed, (replace(ALL, run="runs/drill"),)).changes
    assert "diverging-loss" not in {each.finding.name for each in change.findings}
