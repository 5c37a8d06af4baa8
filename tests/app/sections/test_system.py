"""The system section draws what was recorded of the machine, and nothing else."""

import numpy as np
from streamlit.testing.v1 import AppTest
from tests.app.sections.snapshots import chart_texts, snapshot, words

from trainvitals import Run, tags
from trainvitals_app.sections import system

STEP = np.arange(60)


def run_of(**columns):
    everything = {"step": STEP, "train/loss": np.linspace(2, 1, 60)}
    return Run.from_columns(everything | {tag: np.full(60, value) for tag, value in columns.items()}, name="made")


def page():
    from tests.app.sections.snapshots import snapshot
    from tests.app.sections.test_system import run_of

    from trainvitals import tags
    from trainvitals_app.sections import system

    columns = {tags.STEP_TIME_S: 0.1, tags.DATA_TIME_S: 0.08, tags.FORWARD_TIME_S: 0.02, tags.MEMORY_BYTES: 2e9}
    columns |= {tags.of_rank(tags.STEP_TIME_S, rank): 0.1 + 0.1 * rank for rank in range(3)}
    system.section(snapshot(run_of(**columns)))


def test_each_chart_stands_below_its_title_and_what_it_says():
    at = AppTest.from_function(page)
    at.run()
    assert not at.exception
    assert len(chart_texts(at)) == 3
    said = words(at).replace("\\", "")
    for title in ("Time of a step", "Time of a step, by rank", "Memory"):
        assert f"**{title}**" in said
    assert all(text in said for text in chart_texts(at))


def test_it_appears_only_where_something_was_recorded():
    assert system.has_signals(snapshot(run_of(**{tags.MEMORY_BYTES: 1.0})))
    assert not system.has_signals(snapshot(run_of()))
