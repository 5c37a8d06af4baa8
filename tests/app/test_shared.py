"""The settings are those of the files as they are now, however often a page asks."""

from __future__ import annotations

import subprocess
import sys

import pytest
from tests.app.logs import OF_THE_CHECKOUT, PATIENCE_S

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


def test_reading_can_begin_before_streamlit_is_loaded():
    program = "import sys; from trainvitals_app import shared; sys.exit('streamlit' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True, env=OF_THE_CHECKOUT, timeout=PATIENCE_S)
