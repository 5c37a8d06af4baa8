"""A finding is accepted from its card, into the settings that the command line reads, and only by whoever sits here."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest
from tests.app.run_page import Here, charts, opened, words
from tests.app.run_page import here as here

from trainvitals import read_run
from trainvitals.config import load_config
from trainvitals_app.findings import acceptance_form


@pytest.fixture
def folder(here: Here, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder of a server that shows an overfitting run, to whoever sits at this machine."""
    here.put(read_run(root / "sample_logs" / "overfitting"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(acceptance_form, "is_open_to_others", lambda address, headers: False)
    return tmp_path


def form() -> AppTest:
    at = opened({"run": "overfitting"})
    at.button_group(key="more-overfitting").set_value("accept").run()
    assert not at.exception
    return at


def submit(at: AppTest) -> None:
    next(each for each in at.button if each.label == "Accept").click().run()
    assert not at.exception


def test_an_accepted_finding_is_shown_with_its_reason(here: Here, folder: Path) -> None:
    at = form()
    at.text_input(key="reason-overfitting").input('it is [fine] "so"')
    submit(at)
    (accepted,) = load_config(folder / "trainvitals.toml").accepted
    assert (accepted.finding, accepted.reason) == ("overfitting", 'it is [fine] "so"')
    assert accepted.run == "**/sample_logs/overfitting"
    here.config = load_config(folder / "trainvitals.toml")
    told = words(opened({"run": "overfitting"}))
    assert 'accepted because] it is [fine] "so"' in told
    assert ":material/warning: sick" not in told


def test_what_was_accepted_is_shown_also_while_paused(here: Here, folder: Path) -> None:
    at = opened({"run": "overfitting", "paused": "yes"})
    before = charts(at)[0]
    at.button_group(key="more-overfitting").set_value("accept").run()
    at.text_input(key="reason-overfitting").input("fine")
    here.known_settings = folder / "trainvitals.toml"
    submit(at)
    assert "accepted because] fine" in words(at)
    assert charts(at)[0] != before


def test_it_can_be_accepted_in_every_run_and_on_one_signal_only(here: Here, folder: Path) -> None:
    at = form()
    at.text_input(key="reason-overfitting").input("fine")
    at.checkbox(key="everywhere-overfitting").check()
    at.selectbox(key="tag-overfitting").select("val_loss")
    submit(at)
    (accepted,) = load_config(folder / "trainvitals.toml").accepted
    assert (accepted.run, accepted.tag) == (None, "val_loss")


def test_without_a_reason_nothing_is_written(here: Here, folder: Path) -> None:
    at = form()
    submit(at)
    assert "needs a reason" in words(at)
    assert not (folder / "trainvitals.toml").exists()


def test_settings_that_cannot_be_understood_are_one_line_and_stay(here: Here, folder: Path) -> None:
    (folder / "trainvitals.toml").write_text("wibble = 1\n")
    at = form()
    at.text_input(key="reason-overfitting").input("fine")
    submit(at)
    assert "unknown setting 'wibble'" in words(at)
    assert (folder / "trainvitals.toml").read_text() == "wibble = 1\n"


def test_nothing_is_written_for_others(here: Here, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acceptance_form, "is_open_to_others", lambda address, headers: True)
    at = form()
    assert "nothing is written from here" in words(at)
    assert "Why is it fine?" not in [each.label for each in at.text_input]


@pytest.mark.parametrize("address", [None, "0.0.0.0", "192.168.0.7", "::", "example.com"])
def test_a_server_that_listens_to_the_network_is_open(address: str | None) -> None:
    assert is_open(address, {})


@pytest.mark.parametrize("header", acceptance_form.PROXY_HEADERS)
def test_a_server_behind_a_proxy_is_open(header: str) -> None:
    assert is_open("127.0.0.1", {header: "10.0.0.1"})


@pytest.mark.parametrize("address", ["127.0.0.1", "localhost", "::1"])
def test_a_server_for_this_machine_alone_is_not(address: str) -> None:
    assert not is_open(address, {"Host": "127.0.0.1:8501"})


is_open = acceptance_form.is_open_to_others
