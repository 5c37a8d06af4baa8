"""Numbers and verdicts read as a person would write them."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import pytest
from tests.monitor.reporters.diagnoses import HEALTHY, SICK, UNDETERMINED

from trainvitals.model import Basis, Progress, Reason, Severity, Verdict, Verify
from trainvitals.reporters import wording


@pytest.mark.parametrize(
    ("value", "text"),
    [(2.3149, "2.31"), (0.000213, "0.000213"), (12400.0, "12,400"), (1e-9, "1e-09"), (0.0, "0"), (float("nan"), "nan")],
)
def test_three_significant_digits(value: float, text: str) -> None:
    assert wording.number(value) == text


@pytest.mark.parametrize(
    ("gain", "low", "high", "text"),
    [
        (0.021, 0.015, 0.027, "0.021 ± 0.006"),
        (0.0001, -0.0039, 0.0041, "0.000 ± 0.004"),
        (120.0, 100.0, 140.0, "120 ± 20"),
        (1.0, 1.0, 1.0, "1.00 ± 0.00"),
        (-1.1e35, -2e35, -2e34, "-1.1e+35 ± 9e+34"),
        (2e-9, 1e-9, 3e-9, "2.0e-09 ± 1e-09"),
    ],
)
def test_a_gain_has_as_many_digits_as_its_interval_deserves(gain: float, low: float, high: float, text: str) -> None:
    progress = Progress("loss", Verdict.SLOW, None, gain, low, high, 10)
    assert wording.gain(progress) == text


def test_an_event_at_one_step_is_at_it_and_not_since_it() -> None:
    _, spikes = SICK.findings
    assert wording.finding_headline(spikes) == "loss-spikes since step 700 (likely)"
    assert wording.finding_headline(replace(spikes, last_step=700)) == "loss-spikes at step 700 (likely)"


@pytest.mark.parametrize("verdict", list(Verdict))
@pytest.mark.parametrize("reason", [None, *Reason])
def test_every_verdict_with_every_reason_has_a_sentence(verdict: Verdict, reason: Reason | None) -> None:
    progress = replace(SICK.progress, verdict=verdict, reason=reason)
    assert len(wording.progress_sentence(replace(SICK, progress=progress))) > 10
    assert wording.progress_word(replace(SICK, progress=progress))


@pytest.mark.parametrize(("gain", "word"), [(-0.001, "creeping up"), (-0.5, "rising")])
def test_a_loss_creeps_up_or_rises(gain: float, word: str) -> None:
    progress = Progress("loss", Verdict.REGRESSING, None, gain, 2 * gain, gain / 2, 10, level=1.0)
    assert wording.progress_sentence(replace(SICK, progress=progress)).startswith(word)


def test_of_a_loss_that_became_nan_no_level_and_no_progress_is_told() -> None:
    _, spikes = SICK.findings
    lost = replace(SICK, findings=(replace(spikes, name="learning-rate-too-high", severity=Severity.ERROR),))
    assert "loss 2.31" in wording.headline(lost)
    lost = replace(lost, findings=(replace(lost.findings[0], consequences=("non-finite-loss",)),))
    assert "2.31" not in wording.headline(lost)
    assert wording.progress_sentence(lost) == "no progress to judge: the loss is not finite any more"
    assert wording.progress_word(lost) == "not finite"


def test_a_long_run_whose_last_stretch_is_short_is_not_said_to_need_fewer_points_than_it_has() -> None:
    progress = replace(UNDETERMINED.progress, points=652, points_needed=8, since_step=1650)
    sentence = wording.progress_sentence(replace(UNDETERMINED, progress=progress))
    assert sentence == "652 points, but too few since step 1,650, where another stretch begins: a verdict needs about 8"


def test_too_few_points_say_until_when_to_wait() -> None:
    run = replace(UNDETERMINED, first_step=10, last_step=180)
    expected = "18 points; a verdict on progress needs about 60 (every 10 steps: until step 600)"
    assert wording.progress_sentence(run) == expected


def test_no_date_is_promised_that_is_far_beyond_what_was_seen() -> None:
    progress = replace(UNDETERMINED.progress, points_needed=71_147)
    sentence = wording.progress_sentence(replace(UNDETERMINED, progress=progress))
    assert sentence == "18 points: too few and too noisy for a verdict on progress"


def test_the_worst_finding_is_never_an_accepted_one_or_a_note() -> None:
    plateau, spikes = SICK.findings
    accepted = replace(plateau, state="accepted")
    assert wording.worst_open_finding(replace(SICK, findings=(accepted, spikes))) is None
    assert wording.worst_open_finding(SICK) is plateau
    assert wording.worst_open_finding(HEALTHY) is None


def test_the_whole_run_is_one_clause() -> None:
    assert wording.headline(SICK).startswith(wording.finding_headline(SICK.findings[0]))
    assert wording.headline(HEALTHY) == wording.progress_sentence(HEALTHY)


def test_what_going_on_would_bring_is_from_the_last_step_on() -> None:
    progress = replace(SICK.progress, gain=0.021, gain_low=0.015, gain_high=0.027, horizon_steps=3100)
    run = replace(SICK, last_step=12400, progress=progress)
    assert wording.continuation(run) == "12,400 → 15,500: gain 0.021 ± 0.006"
    assert wording.continuation(replace(run, progress=replace(progress, gain=None))) is None


def test_an_onset_is_dated_as_closely_as_it_is_known() -> None:
    finding = replace(SICK.findings[0], first_step=1400, last_step=4990, begins_by=1500)
    assert wording.onset(finding) == "began between steps 1,400 and 1,500"
    assert wording.onset(replace(finding, begins_by=None)) == "since step 1,400"
    assert wording.onset(replace(finding, begins_by=1400, last_step=1400)) == "at step 1,400"
    assert wording.onset(replace(finding, first_step=None, begins_by=None)) == ""


def test_success_is_a_size_and_a_time() -> None:
    assert wording.success(Verify("val/loss", "down", 0.0231, 1200)) == "val/loss down by 0.0231 within 1,200 steps"
    assert wording.success(Verify("val/loss", "finite", 0.0, 20)) == "val/loss finite within 20 steps"


def test_every_basis_of_an_expectation_has_words() -> None:
    assert set(wording.BASIS_WORDS) == set(get_args(Basis))
