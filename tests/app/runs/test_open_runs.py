"""Runs that pages look into: shared, read on while they grow, and no more of them than memory bears."""

from __future__ import annotations

import threading

import pytest
from tests.app.logs import NAN, HereAndNow, append, healthy, until, write

from trainvitals.config import Acceptance, Config
from trainvitals.errors import LogError
from trainvitals_app.runs import catalogue as catalogue_module
from trainvitals_app.runs import open_runs as open_runs_module
from trainvitals_app.runs.catalogue import Catalogue
from trainvitals_app.runs.open_runs import OpenRuns
from trainvitals_app.serving.roots import find_roots


@pytest.fixture
def opened(tmp_path, monkeypatch):
    monkeypatch.setattr(catalogue_module, "LOOK_EVERY_S", 0.01)
    monkeypatch.setattr(open_runs_module, "READ_EVERY_S", 0.01)
    catalogue = Catalogue(find_roots(["."], tmp_path), HereAndNow())
    opened = OpenRuns(catalogue, Config())
    yield opened
    opened.close()
    catalogue.close()


def the_id(opened, name):
    catalogue = opened._catalogue
    until(lambda: any(row.name == name and row.state != "waiting" for row in catalogue.rows()))
    return next(row.id for row in catalogue.rows() if row.name == name)


def test_a_run_comes_read_understood_and_diagnosed(tmp_path, opened):
    write(tmp_path / "a", healthy(300))
    run_id = the_id(opened, "a")
    snapshot = opened.snapshot(run_id)
    assert snapshot.run.id == snapshot.diagnosis.id == run_id
    assert snapshot.run.points == 300
    assert snapshot.signals.train_loss == ("train_loss",)
    assert snapshot.diagnosis.status == "healthy"
    assert snapshot.trouble is None
    assert snapshot.updated_at_s == pytest.approx((tmp_path / "a" / "metrics.csv").stat().st_mtime)


def test_as_long_as_nothing_changes_everybody_gets_the_same(tmp_path, opened):
    write(tmp_path / "a", healthy(300))
    run_id = the_id(opened, "a")
    got = []
    threads = [threading.Thread(target=lambda: got.append(opened.snapshot(run_id))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 4
    assert all(snapshot is got[0] for snapshot in got)


def test_a_run_that_grows_is_read_on_and_what_opens_is_told(tmp_path, opened):
    run = write(tmp_path / "a", healthy(300))
    run_id = the_id(opened, "a")
    before = opened.snapshot(run_id)
    append(run, [NAN] * 30)
    until(lambda: opened.snapshot(run_id).changes != ())
    after = opened.snapshot(run_id)
    assert after.run.points == 330
    assert after.version > before.version
    assert [(change.kind, change.finding.name) for change in after.changes] == [("opened", "non-finite-loss")]
    assert before.changes == ()


def test_what_is_no_run_here_is_one_clear_error(tmp_path, opened):
    write(tmp_path / "a", healthy(300))
    the_id(opened, "a")
    for name in ("b", "../a", str(tmp_path)):
        with pytest.raises(LogError, match="no such run"):
            opened.snapshot(name)


def test_a_run_that_cannot_be_read_says_why_each_time(tmp_path, opened):
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "trainer_state.json").write_text("{")
    run_id = the_id(opened, "bad")
    for _ in range(2):
        with pytest.raises(LogError, match=r"trainer_state\.json"):
            opened.snapshot(run_id)


def test_what_was_read_stays_when_the_files_are_gone(tmp_path, opened):
    run = write(tmp_path / "a", healthy(300))
    run_id = the_id(opened, "a")
    opened.snapshot(run_id)
    (run / "metrics.csv").unlink()
    until(lambda: opened.snapshot(run_id).trouble is not None)
    assert opened.snapshot(run_id).run.points == 300


def test_runs_that_were_asked_for_longest_ago_are_let_go(tmp_path, opened, monkeypatch):
    for name in "abc":
        write(tmp_path / name, healthy(300))
    ids = [the_id(opened, name) for name in "abc"]
    monkeypatch.setattr(open_runs_module, "MOST_OPEN", 2)
    for run_id in (ids[0], ids[1], ids[0], ids[2]):
        opened.snapshot(run_id)
    until(lambda: list(opened._open) == [ids[0], ids[2]])
    one = opened.size_bytes / 2
    assert one == 300 * 24
    monkeypatch.setattr(open_runs_module, "MOST_BYTES", one)
    until(lambda: list(opened._open) == [ids[2]])


def test_what_is_accepted_counts_at_once_and_after_the_run_has_grown(tmp_path, opened):
    run = write(tmp_path / "a", [*healthy(300), *[NAN] * 30])
    run_id = the_id(opened, "a")
    before = opened.snapshot(run_id)
    assert before.diagnosis.status == "error"
    opened.accept((Acceptance("non-finite-loss", "a drill"),))
    after = opened.snapshot(run_id)
    assert (after.diagnosis.status, after.run) == ("healthy", before.run)
    assert after.version > before.version
    append(run, [NAN] * 30)
    until(lambda: opened.snapshot(run_id).diagnosis.last_step == 359)
    grown = opened.snapshot(run_id)
    assert (grown.diagnosis.status, grown.changes) == ("healthy", ())
    opened.accept(())
    assert opened.snapshot(run_id).diagnosis.status == "error"
