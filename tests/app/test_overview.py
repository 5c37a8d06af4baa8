"""The first page: which run is sick and why, at a glance."""

from __future__ import annotations

import pytest
from tests.app.logs import NAN, healthy, write
from tests.app.showing import ROOT, said, start

from trainvitals_app import shared


@pytest.fixture(autouse=True)
def nothing_shared():
    yield
    shared.let_go()


@pytest.fixture
def two_runs(tmp_path):
    write(tmp_path / "good", healthy(300))
    write(tmp_path / "broken", [*healthy(300), *[NAN] * 60])
    return tmp_path


def shown(at):
    assert not at.exception, at.exception
    return [frame.value for frame in at.dataframe]


def test_the_sick_run_is_on_top_with_what_is_wrong_and_what_to_try(two_runs, monkeypatch):
    at = start(monkeypatch, two_runs).run()
    (table,) = shown(at)
    assert list(table["run"]) == ["broken", "good"]
    assert list(table["status"]) == [["✖ sick"], ["✔ healthy"]]
    (line,) = [part.value for part in at.markdown if "Try" in part.value]
    assert "non\\-finite\\-loss since step 300" in line
    assert at.button_group[0].options == ["1 sick", "1 healthy"]


def test_the_filter_stands_in_the_url_and_leaves_what_matches(two_runs, monkeypatch):
    at = start(monkeypatch, two_runs).run()
    at.text_input[0].set_value("finite").run()
    (table,) = shown(at)
    assert list(table["run"]) == ["broken"]
    assert at.query_params["find"] == "finite"


def test_a_link_shows_the_same_filter(two_runs, monkeypatch):
    at = start(monkeypatch, two_runs, status="healthy").run()
    (table,) = shown(at)
    assert list(table["run"]) == ["good"]
    assert at.button_group[0].value == ["healthy"]


def test_where_nothing_matches_one_click_shows_all(two_runs, monkeypatch):
    at = start(monkeypatch, two_runs, find="nowhere").run()
    assert shown(at) == []
    assert "No run matches" in said(at)
    at.button[0].click().run()
    assert len(shown(at)[0]) == 2


def test_an_empty_folder_says_what_to_do(tmp_path, monkeypatch):
    at = start(monkeypatch, tmp_path).run()
    assert shown(at) == []
    assert "No runs yet" in said(at)
    assert "trainvitals.watch" in at.code[0].value


def test_a_folder_that_is_not_there_is_told_in_a_line(tmp_path, monkeypatch):
    at = start(monkeypatch, tmp_path / "nowhere").run()
    assert "no such file or folder" in said(at)
    assert shown(at) == []


def test_files_that_are_no_logs_are_not_listed_and_torn_ones_say_why(tmp_path, monkeypatch):
    write(tmp_path / "good", healthy(300))
    (tmp_path / "garbage.bin").write_bytes(bytes(range(256)) * 8)
    (tmp_path / "notes.txt").write_text("nothing to see")
    (tmp_path / "torn").mkdir()
    (tmp_path / "torn" / "trainer_state.json").write_text("{")
    (table,) = shown(start(monkeypatch, tmp_path).run())
    assert list(table["run"]) == ["good", "torn"]
    assert list(table["status"]) == [["✔ healthy"], ["⊘ unreadable"]]
    assert "trainer_state.json" in table["problem"][1]


def test_names_that_look_like_markdown_stay_text(tmp_path, monkeypatch):
    name = "**b** [x](http://example.org) <img src=x> :smile: $m$"
    write(tmp_path / name, [*healthy(300), *[NAN] * 60])
    write(tmp_path / "good", healthy(300))
    at = start(monkeypatch, tmp_path).run()
    (table,) = shown(at)
    assert sorted(table["run"])[0].startswith("**b** [x](http:")
    (link,) = [each.proto.label for each in at.get("page_link")]
    assert "<img" not in link.replace("\\", "") or "\\<img" in link
    assert r"\[x\]\(" in link


def test_without_logs_of_ones_own_the_samples_are_shown_and_it_is_said(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    at = start(monkeypatch).run()
    (table,) = shown(at)
    assert len(table) == len(list((ROOT / "sample_logs").glob("*/scenario.toml")))
    assert "Sample runs" in said(at)


def test_settings_that_cannot_be_understood_are_one_line(tmp_path, two_runs, monkeypatch):
    at = start(monkeypatch, two_runs)
    (tmp_path / "trainvitals.toml").write_text("selekt = 1")
    monkeypatch.chdir(tmp_path)
    at.run()
    assert not at.exception
    assert "selekt" in said(at)


def test_while_paused_the_list_stays_as_it_is(two_runs, monkeypatch):
    at = start(monkeypatch, two_runs, paused="yes").run()
    held = at.session_state["overview-held"]
    at.run()
    assert at.session_state["overview-held"] is held
    at.toggle[0].set_value(False).run()
    assert "paused" not in at.query_params
