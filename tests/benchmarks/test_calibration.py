"""Reliability and Brier score are what an obvious count has, and their intervals know about clusters."""

from __future__ import annotations

import numpy as np
import pytest
from benchmarks.exam.calibration import Claim, brier, by_confidence, by_word, causes_of, table, warnings_of
from benchmarks.intervals import clustered_wilson, wilson

import trainvitals
from trainvitals.model import Cause, Diagnosis, Finding, Progress, Severity, SignalSummary, Status, Verdict


def claims(confidence: float, right: int, wrong: int, cluster: str = "") -> list[Claim]:
    return [Claim(confidence, index < right, cluster or str(index)) for index in range(right + wrong)]


def finding(name: str, severity: Severity, **details: object) -> Finding:
    return Finding("LOS999", name, severity, 0.9, name, **details)  # type: ignore[arg-type]


def diagnosis(*findings: Finding) -> Diagnosis:
    progress = Progress(signal=None, verdict=Verdict.INCONCLUSIVE)
    return Diagnosis("a", "", "a", "csv", 0, 9, 9, Status.WARNING, SignalSummary(), progress, findings)


def test_a_claim_is_right_if_its_name_is_declared_and_infos_claim_nothing() -> None:
    said = diagnosis(
        finding("plateau", Severity.WARNING),
        finding("overfitting", Severity.ERROR),
        finding("noisy-validation", Severity.INFO),
        finding("forgetting", Severity.WARNING, state="accepted"),
    )
    assert [claim.right for claim in warnings_of(said, {"plateau"}, "task")] == [True, False]
    assert [claim.right for claim in warnings_of(said, (), "healthy")] == [False, False]


def test_causes_that_are_told_of_warnings_are_claims_and_those_ruled_out_are_none() -> None:
    told = (Cause("dead-units", 0.7, ("seen",)), Cause("converged", 0.2, ("seen",)))
    causes = (*told, Cause("noise-floor", 0.01, (), ("ruled out",)))
    said = diagnosis(finding("plateau", Severity.WARNING, causes=causes), finding("x", Severity.INFO, causes=causes))
    assert [(claim.confidence, claim.right) for claim in causes_of(said, {"dead-units"}, "task")] == [
        (0.7, True),
        (0.2, False),
    ]


def test_claims_are_grouped_by_confidence_with_their_share_and_its_interval() -> None:
    rows = by_confidence([*claims(0.72, 6, 4), *claims(0.98, 9, 1), *claims(1.0, 1, 0)])
    assert [(row.label, row.right, row.count) for row in rows] == [("0.7-0.8", 6, 10), ("0.95-1", 10, 11)]
    assert (rows[0].low, rows[0].high) == pytest.approx(wilson(6, 10))
    assert rows[0].confidence == pytest.approx(0.72)


def test_a_bound_belongs_to_the_surer_group_and_nothing_falls_out() -> None:
    rows = by_confidence([Claim(confidence, True, "a") for confidence in (0.0, 0.8, 0.9, 1.0)])
    assert [row.label for row in rows] == ["0-0.1", "0.8-0.9", "0.9-0.95", "0.95-1"]


def test_each_word_carries_what_it_kept() -> None:
    rows = by_word([*claims(0.99, 5, 0), *claims(0.7, 3, 1), *claims(0.9, 7, 2), *claims(0.2, 1, 5)])
    assert [(row.label, row.right, row.count) for row in rows] == [
        ("possible", 1, 6),
        ("likely", 3, 4),
        ("very likely", 7, 9),
        ("certain", 5, 5),
    ]


def test_brier_is_the_mean_squared_distance_and_the_base_rate_is_its_reference() -> None:
    said = [*claims(0.8, 8, 2), *claims(0.6, 3, 7)]
    score = brier(said)
    assert score.score == pytest.approx((8 * 0.2**2 + 2 * 0.8**2 + 3 * 0.4**2 + 7 * 0.6**2) / 20)
    assert score.of_base_rate == pytest.approx(11 / 20 * 9 / 20)
    assert score.low < score.score < score.high


def test_what_is_right_in_one_task_and_wrong_in_another_leaves_the_score_wide_open() -> None:
    independent = brier([*claims(0.9, 20, 0), *claims(0.9, 0, 20)])
    clustered = brier([*claims(0.9, 20, 0, "a"), *claims(0.9, 0, 20, "b")])
    assert clustered.high - clustered.low > 2 * (independent.high - independent.low)
    rows = by_confidence([*claims(0.9, 20, 0, "a"), *claims(0.9, 0, 20, "b")])
    assert rows[0].high - rows[0].low > wilson(20, 40)[1] - wilson(20, 40)[0]


def test_the_interval_of_the_score_covers_as_often_as_it_says() -> None:
    generator = np.random.default_rng(5)
    truth, covered = 0.7 * 0.3**2 + 0.3 * 0.7**2, 0
    for _ in range(100):
        said = [Claim(0.7, bool(right), str(index)) for index, right in enumerate(generator.random(80) < 0.7)]
        score = brier(said)
        covered += score.low <= truth <= score.high
    assert 85 <= covered <= 100


def test_independent_trials_have_wilsons_interval_and_none_leave_all_open() -> None:
    hits = [index % 3 == 0 for index in range(30)]
    assert clustered_wilson(hits, [str(index) for index in range(30)]) == pytest.approx(wilson(10, 30))
    assert clustered_wilson([], []) == (0.0, 1.0)


def test_the_table_has_words_tenths_and_the_score() -> None:
    lines = list(table([*claims(0.99, 5, 0), *claims(0.7, 3, 1)]))
    assert "| likely | 0.70 | 3 of 4 (75 %, 30-95 %) |" in lines
    assert "| 0.95-1 | 0.99 | 5 of 5 (100 %, 57-100 %) |" in lines
    assert lines[-1].startswith("Brier score 0.")
    assert list(table([])) == ["no claims"]


def test_nothing_said_has_no_score() -> None:
    with pytest.raises(ValueError, match="no claims"):
        brier([])


def test_a_real_diagnosis_can_be_marked() -> None:
    step = np.arange(400)
    run = trainvitals.Run.from_columns({"step": step, "train_loss": np.full(400, 2.0)})
    said = trainvitals.diagnose(run)
    assert [claim.right for claim in warnings_of(said, {"not-learning"}, "made")] == [True]
