"""The measurement of how well tags are understood."""

from __future__ import annotations

from pathlib import Path

import pytest
from benchmarks.signals import COLUMNS, RECALL_BAR, STYLES, Score, Style, labelled_runs, scores_of, style_is_understood


@pytest.mark.parametrize("style", STYLES, ids=[style.name for style in STYLES])
def test_each_style_that_the_peers_were_tried_on_is_understood(style: Style) -> None:
    assert style_is_understood(style)


def test_a_score_names_what_was_missed_and_what_was_wrong() -> None:
    score = Score()
    score.add("run_1", {"a", "b"}, {"b", "c"}, {"d"})
    assert (score.right, score.missed, score.false, score.parts) == (["run_1 b"], ["run_1 a"], ["run_1 c"], ["run_1 d"])
    assert score.recall == 0.5


def test_labels_leave_out_reinforcement_learning(tmp_path: Path) -> None:
    header = "id,labels," + ",".join(COLUMNS.values())
    rows = ["run_1,converged,train|loss;b,val,,", "run_2,plateau;not-a-supervised-loss,x,,,"]
    (tmp_path / "labels.csv").write_text("\n".join([header, *rows]), encoding="utf-8")
    assert list(labelled_runs(tmp_path)) == [
        (
            "run_1",
            {
                "training loss": {"train/loss", "b"},
                "validation loss": {"val"},
                "learning rate": set(),
                "gradient norm": set(),
            },
        )
    ]


@pytest.mark.slow
@pytest.mark.shared
def test_the_bar_holds_on_strangers_logs(shared: Path) -> None:
    scores, _ = scores_of(shared / "real_logs")
    right = sum(len(score.right) for score in scores.values())
    labelled = sum(score.labelled for score in scores.values())
    assert labelled > 0
    assert right / labelled >= RECALL_BAR
