"""The list of runs: what is in it, what is not, and what is told of runs that grow."""

from __future__ import annotations

import shutil

import pytest
from tests.app.logs import NAN, HereAndNow, append, healthy, until, write

from trainvitals.config import Acceptance, Config
from trainvitals.kept import KeptDiagnoses, Store, state
from trainvitals_app.runs import catalogue as catalogue_module
from trainvitals_app.runs.catalogue import Catalogue
from trainvitals_app.serving.roots import find_roots


@pytest.fixture
def listed(tmp_path, monkeypatch):
    """Lists what is at some paths below the folder of the test, looking for news without rest."""
    monkeypatch.setattr(catalogue_module, "LOOK_EVERY_S", 0.01)
    monkeypatch.setattr(catalogue_module, "PAUSE_OVER_COST", 0.0)
    made = []

    def listed(*paths):
        made.append(Catalogue(find_roots(paths or ["."], tmp_path), HereAndNow()))
        return made[-1]

    yield listed
    for catalogue in made:
        catalogue.close()


def test_every_run_is_listed_with_its_verdict_and_values(tmp_path, listed):
    write(tmp_path / "a", healthy(300))
    write(tmp_path / "b", [*healthy(300), *[NAN] * 60])
    catalogue = listed(".")
    assert catalogue.wait(60)
    rows = {row.name: row for row in catalogue.rows()}
    assert {name: row.state for name, row in rows.items()} == {"a": "judged", "b": "judged"}
    assert rows["a"].summary.diagnosis.status == "healthy"
    assert rows["b"].summary.diagnosis.status == "error"
    assert rows["a"].values.last_loss == pytest.approx(healthy(300)[-1])
    assert rows["a"].summary.diagnosis.id == rows["a"].id


def test_values_are_read_before_anything_is_judged(tmp_path, listed):
    write(tmp_path / "a", healthy(300))
    catalogue = listed(".")
    assert catalogue.wait(60)
    assert [job.judge for job in catalogue._pool.jobs] == [False, True]


def test_what_was_kept_is_listed_without_asking_any_process(tmp_path, monkeypatch):
    monkeypatch.setattr(state, "COARSEST_CLOCK_S", -3600.0)
    write(tmp_path / "a", healthy(300))
    write(tmp_path / "b", [*healthy(300), *[NAN] * 60])
    kept = KeptDiagnoses(Config(), Store(tmp_path / "cache" / "kept.sqlite3"))
    judged = []
    for pool in (HereAndNow(kept), HereAndNow(kept)):
        catalogue = Catalogue(find_roots(["."], tmp_path), pool)
        assert catalogue.wait(60)
        catalogue.close()
        judged.append(({row.id: row.summary for row in catalogue.rows()}, pool.jobs))
    (made, asked), (recalled, asked_again) = judged
    assert asked != []
    assert asked_again == []
    assert repr(recalled) == repr(made)


def test_a_run_that_cannot_be_read_is_listed_with_the_reason_and_others_are_judged(tmp_path, listed):
    write(tmp_path / "good", healthy(300))
    bad = tmp_path / "bad" / "trainer_state.json"
    bad.parent.mkdir()
    bad.write_text('{"log_history": [')
    catalogue = listed(".")
    assert catalogue.wait(60)
    rows = {row.name: row for row in catalogue.rows()}
    assert rows["good"].state == "judged"
    assert rows["bad"].state == "unreadable"
    assert "trainer_state.json" in rows["bad"].trouble
    assert "\n" not in rows["bad"].trouble


def test_a_path_without_runs_is_told_and_what_appears_there_is_listed(tmp_path, listed):
    catalogue = listed("runs")
    until(lambda: catalogue.listing().troubles != ())
    assert "no such file or folder" in catalogue.listing().troubles[0]
    write(tmp_path / "runs" / "a", healthy(300))
    until(lambda: [row.state for row in catalogue.rows()] == ["judged"])
    assert catalogue.listing().troubles == ()


def test_a_run_that_is_deleted_leaves_the_list(tmp_path, listed):
    write(tmp_path / "a", healthy(300))
    write(tmp_path / "b", healthy(300))
    catalogue = listed(".")
    assert catalogue.wait(60)
    shutil.rmtree(tmp_path / "a")
    until(lambda: [row.name for row in catalogue.rows()] == ["b"])


def test_what_a_link_leads_out_of_the_roots_is_left_out_and_told(tmp_path, listed):
    write(tmp_path / "outside", healthy(300))
    write(tmp_path / "root" / "a", healthy(300))
    (tmp_path / "root" / "linked").symlink_to(tmp_path / "outside")
    catalogue = listed("root")
    assert catalogue.wait(60)
    assert [row.name for row in catalogue.rows()] == ["a"]
    assert "link leads out" in catalogue.listing().troubles[0]


def test_files_are_given_only_by_the_id_of_a_run_and_while_they_lie_inside(tmp_path, listed):
    write(tmp_path / "outside", healthy(300))
    write(tmp_path / "root" / "a", healthy(300))
    catalogue = listed("root")
    assert catalogue.wait(60)
    (row,) = catalogue.rows()
    assert catalogue.files(row.id) is not None
    for path in (str(tmp_path / "outside"), f"{row.id}/../../outside", "../outside"):
        assert catalogue.files(path) is None
    catalogue.close()
    (tmp_path / "root" / "a" / "metrics.csv").unlink()
    (tmp_path / "root" / "a" / "metrics.csv").symlink_to(tmp_path / "outside" / "metrics.csv")
    assert catalogue.files(row.id) is None


def test_what_the_first_verdict_says_is_no_news_but_what_follows_is(tmp_path, listed):
    run = write(tmp_path / "a", healthy(300))
    write(tmp_path / "b", [*healthy(300), *[NAN] * 60])
    catalogue = listed(".")
    assert catalogue.wait(60)
    number, changes = catalogue.changes_since(None)
    assert changes == []
    append(run, [NAN] * 30)
    until(lambda: catalogue.changes_since(number)[1] != [])
    latest, (change,) = catalogue.changes_since(number)
    assert (change.run, change.kind, change.finding.name) == (catalogue.rows()[0].id, "opened", "non-finite-loss")
    assert catalogue.changes_since(latest) == (latest, [])


def test_the_findings_of_a_run_that_begins_meanwhile_are_news(tmp_path, listed):
    write(tmp_path / "a", healthy(300))
    catalogue = listed(".")
    assert catalogue.wait(60)
    number, _ = catalogue.changes_since(None)
    write(tmp_path / "b", [*healthy(300), *[NAN] * 60])
    until(lambda: catalogue.changes_since(number)[1] != [])
    assert [change.finding.name for change in catalogue.changes_since(number)[1]] == ["non-finite-loss"]


def test_the_same_list_is_given_as_long_as_nothing_changes(tmp_path, listed):
    run = write(tmp_path / "a", healthy(300))
    catalogue = listed(".")
    assert catalogue.wait(60)
    before = catalogue.listing()
    assert catalogue.rows() is before.rows
    append(run, healthy(100, first=300))
    until(lambda: catalogue.listing().version != before.version)
    assert catalogue.rows()[0].version > before.rows[0].version


NAN_IS_FINE = Acceptance("non-finite-loss", "a drill", run="*/b")


def test_what_is_accepted_counts_at_once_and_no_run_at_rest_is_looked_at_again(tmp_path, listed):
    write(tmp_path / "a", healthy(300))
    for name in "bc":
        write(tmp_path / name, [*healthy(300), *[NAN] * 60])
    catalogue = listed(".")
    assert catalogue.wait(60)
    number, _ = catalogue.changes_since(None)
    jobs = list(catalogue._pool.jobs)
    before = catalogue.listing()
    catalogue.accept((NAN_IS_FINE,))
    after = catalogue.listing()
    assert {row.name: row.state for row in after.rows} == dict.fromkeys("abc", "judged")
    assert {row.name: row.summary.diagnosis.status.value for row in after.rows} == {
        "a": "healthy",
        "b": "healthy",
        "c": "error",
    }
    assert after.version != before.version
    catalogue.accept(())
    assert [row.summary.diagnosis for row in catalogue.rows()] == [row.summary.diagnosis for row in before.rows]
    looked_at_s = catalogue.listing().looked_at_s
    until(lambda: catalogue.listing().looked_at_s > looked_at_s)
    assert catalogue._pool.jobs == jobs
    assert catalogue.changes_since(number)[1] == []


def test_what_was_accepted_meanwhile_counts_in_a_verdict_that_comes_later(tmp_path, listed):
    run = write(tmp_path / "b", healthy(300))
    catalogue = listed(".")
    assert catalogue.wait(60)
    catalogue.accept((NAN_IS_FINE,))
    number, _ = catalogue.changes_since(None)
    append(run, [NAN] * 60)
    until(lambda: catalogue.rows()[0].summary.diagnosis.last_step == 359)
    (row,) = catalogue.rows()
    assert {finding.state for finding in row.summary.diagnosis.findings if finding.name == "non-finite-loss"} == {
        "accepted"
    }
    assert catalogue.changes_since(number)[1] == []
