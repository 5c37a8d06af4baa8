"""What the app's benchmark makes of what it has counted, and the logs that it counts on."""

from __future__ import annotations

import pytest
from benchmarks.app_growing import (
    COLUMN_BYTES,
    ROOM_BYTES,
    SCALARS_A_SECOND,
    memory_figure,
    refresh_figures,
    shown_steps,
)
from benchmarks.app_logs import SICK_EVERY, write_runs
from benchmarks.app_server import ScriptRun

from trainvitals import read_runs


def test_the_logs_hold_as_many_runs_and_scalars_as_it_says(tmp_path):
    scalars = write_runs(tmp_path, runs=SICK_EVERY + 1, scalars=2000)
    runs = list(read_runs(tmp_path))
    assert len(runs) == SICK_EVERY + 1
    assert sum(run.points for run in runs) == scalars
    assert scalars == pytest.approx(2000 * len(runs), rel=0.1)


def test_parts_that_are_asked_for_at_once_are_one_refresh():
    runs = [ScriptRun(at_s, at_s + 0.1, 1000) for at_s in (10.0, 10.1, 10.2, 12.0, 12.1, 12.2)]
    time, size = refresh_figures(runs, used_s=0.4)
    assert "2 of them" in time.what
    assert time.measured.startswith("median 300 ms, 95 % within 300 ms; of a processor 200 ms each")
    assert size.measured == "median 3 KB, most 3 KB"
    assert size.held


def test_the_steps_of_a_run_are_more_than_those_of_a_forecast():
    assert shown_steps("healthy: next 2,750 steps should gain\n12,400 steps · 38 layers") == 12400
    assert shown_steps("nothing") == 0


def test_memory_that_grows_no_more_than_the_columns_is_flat():
    columns = int(60 * SCALARS_A_SECOND * COLUMN_BYTES)
    grown = [300_000_000 + i * columns // 11 for i in range(12)]
    assert memory_figure(grown, 60.0).held
    leaking = [300_000_000 + i * (4 * columns + int(ROOM_BYTES)) // 9 for i in range(12)]
    assert not memory_figure(leaking, 60.0).held
