"""Who may look at the runs: nobody who was not asked for."""

from __future__ import annotations

import pytest
from streamlit import config
from tests.app.logs import healthy, write
from tests.app.showing import said, start

from trainvitals_app import shared
from trainvitals_app.serving import safety


@pytest.fixture(autouse=True)
def nothing_shared():
    yield
    shared.let_go()


@pytest.fixture
def option():
    before = {}

    def set_option(name, value):
        before.setdefault(name, config.get_option(name))
        config.set_option(name, value)

    yield set_option
    for name, value in before.items():
        config.set_option(name, value)


@pytest.fixture
def app(tmp_path, monkeypatch):
    write(tmp_path / "a", healthy(100))
    return start(monkeypatch, tmp_path)


def test_a_server_that_listens_to_all_without_being_told_shows_nothing(app, option):
    option("server.address", None)
    app.run()
    assert "listens to everyone" in said(app)
    assert not app.dataframe


def test_a_server_on_this_machine_shows_the_runs_and_warns_of_nothing(app):
    app.run()
    assert len(app.dataframe) == 1
    assert not app.warning


def test_a_server_that_was_told_to_listen_to_others_says_so_on_each_page(app, option):
    option("server.address", "0.0.0.0")
    app.run()
    assert "Everyone who can reach this machine" in app.warning[0].value
    assert len(app.dataframe) == 1


def test_protection_that_was_switched_off_is_told(app, option):
    option("server.enableCORS", False)
    app.run()
    assert "server.enableCORS" in app.warning[0].value


@pytest.mark.parametrize(
    ("address", "local"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("localhost", True),
        ("::1", True),
        ("unix:///run/app.sock", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.168.1.5", False),
        ("example.org", False),
        ("", False),
    ],
)
def test_which_addresses_only_this_machine_reaches(address, local):
    assert safety.is_local(address) is local


def test_where_people_log_in_nothing_is_shown_before(app):
    app.secrets["auth"] = {"client_id": "x"}
    app.run()
    assert "log in" in said(app)
    assert not app.dataframe
    assert [button.label for button in app.button] == ["Log in"]
