"""The settings are those of the files as they are now, however often a page asks."""

from __future__ import annotations

import subprocess
import sys

import pytest
from tests.app.logs import NAN, OF_THE_CHECKOUT, PATIENCE_S, HereAndNow, healthy, until, write

from trainvitals.acceptance import accept, run_pattern
from trainvitals.config import Acceptance
from trainvitals.errors import ConfigError
from trainvitals_app import shared


def test_settings_are_read_again_when_a_file_has_changed_and_only_then(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert shared.config().accepted == ()
    file = tmp_path / "trainvitals.toml"
    file.write_text('ignore = ["plateau"]\n')
    first = shared.config()
    assert [each.finding for each in first.accepted] == ["plateau"]
    assert shared.config() is first
    file.write_text('ignore = ["plateau", "overfitting"]\n')
    assert len(shared.config().accepted) == 2
    below = tmp_path / "below"
    below.mkdir()
    monkeypatch.chdir(below)
    assert len(shared.config().accepted) == 2
    (below / "trainvitals.toml").write_text("colour = 'red'\n")
    for _ in range(2):
        with pytest.raises(ConfigError, match="colour"):
            shared.config()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working folder of a server that judges in its own process."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["main.py"])
    monkeypatch.setattr(shared, "Pool", HereAndNow)
    shared.let_go()
    yield tmp_path
    shared.let_go()


def test_to_accept_a_finding_has_no_run_judged_again(folder):
    for name in "ab":
        write(folder / "runs" / name, [*healthy(300), *[NAN] * 60])
    catalogue = shared.catalogue()
    assert catalogue.wait(PATIENCE_S)
    snapshot = shared.open_runs().snapshot("runs/a")
    jobs = list(catalogue._pool.jobs)
    accept(Acceptance("non-finite-loss", "a drill", run=run_pattern(snapshot.diagnosis.path, "a")), folder)
    assert shared.catalogue() is catalogue
    rows = {row.id: (row.state, row.summary.diagnosis.status.value) for row in catalogue.rows()}
    assert rows == {"runs/a": ("judged", "healthy"), "runs/b": ("judged", "error")}
    assert shared.open_runs().snapshot("runs/a").diagnosis.status == "healthy"
    looked_at_s = catalogue.listing().looked_at_s
    until(lambda: catalogue.listing().looked_at_s > looked_at_s)
    assert catalogue._pool.jobs == jobs


def test_settings_that_judge_otherwise_judge_again(folder):
    write(folder / "runs" / "a", [*healthy(300), *[NAN] * 60])
    before = shared.catalogue()
    assert before.wait(PATIENCE_S)
    (folder / "trainvitals.toml").write_text('select = ["overfitting"]\n')
    after = shared.catalogue()
    assert after is not before
    assert after.wait(PATIENCE_S)
    assert [row.summary.diagnosis.findings for row in after.rows()] == [()]


def test_reading_can_begin_before_streamlit_is_loaded():
    program = "import sys; from trainvitals_app import shared; sys.exit('streamlit' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True, env=OF_THE_CHECKOUT, timeout=PATIENCE_S)
