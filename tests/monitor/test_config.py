"""Settings are read from the nearest file, and what is not understood is refused with one helpful line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from trainvitals.config import Acceptance, Config, config_from_table, find_config_file, load_config
from trainvitals.errors import ConfigError


def test_an_empty_table_is_the_defaults() -> None:
    assert config_from_table({}, where="x") == Config()


def test_every_setting_arrives_where_it_belongs() -> None:
    table = {
        "select": ["loss", "GRD001"],
        "ignore": "plateau",
        "fail-on": "error",
        "purge": "step",
        "train-loss": "Loss/train",
        "val-loss": ["Loss/val"],
        "learning-rate": [],
        "rules": {"plateau": {"minimum_gain": 1}},
        "accept": [{"finding": "loss-spikes", "run": "exp*", "tag": "train/*", "reason": "known bad shard"}],
    }
    config = config_from_table(table, where="pyproject.toml")
    assert config.select == ("loss", "GRD001")
    assert config.fail_on == "error"
    assert config.purge == "step"
    assert config.signals.train_loss == ("Loss/train",)
    assert config.signals.val_loss == ("Loss/val",)
    assert config.thresholds == {"plateau": {"minimum_gain": 1.0}}
    assert config.accepted == (
        Acceptance("loss-spikes", "known bad shard", tag="train/*", run="exp*"),
        Acceptance("plateau", "ignored in pyproject.toml"),
    )


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ({"selct": []}, "did you mean 'select'"),
        ({"qqq": 1}, "known: select"),
        ({"select": [1]}, "list of strings"),
        ({"fail-on": "sometimes"}, "never, warning, error"),
        ({"purge": "all"}, "session, step, none"),
        ({"accept": {"finding": "plateau"}}, "list of tables"),
        ({"accept": [{"finding": "plateau"}]}, "needs a finding and a reason"),
        ({"accept": [{"finding": "plateau", "reason": "x", "stage": "y"}]}, "unknown setting 'stage'"),
        ({"accept": [{"finding": "plateau", "reason": 3}]}, "must be strings"),
        ({"rules": {"plateau": 3}}, "tables of thresholds"),
        ({"rules": {"plateau": {"minimum_gain": "much"}}}, "must be a number"),
        ({"rules": {"plateau": {"minimum_gain": True}}}, "must be a number"),
    ],
)
def test_what_is_not_understood_is_refused_in_one_line(table: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        config_from_table(table, where="trainvitals.toml")
    assert says in refusal.value.message()
    assert refusal.value.message().startswith("trainvitals.toml: ")
    assert "\n" not in refusal.value.message()


def test_the_nearest_file_wins_and_a_foreign_pyproject_is_passed_over(tmp_path: Path) -> None:
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    (tmp_path / "pyproject.toml").write_text("[tool.trainvitals]\nselect = ['loss']\n")
    (tmp_path / "a" / "pyproject.toml").write_text("[tool.other]\nx = 1\n")
    assert find_config_file(inner) == tmp_path / "pyproject.toml"
    own = inner / "trainvitals.toml"
    own.write_text("select = ['plateau']\n")
    assert find_config_file(inner) == own
    assert load_config(own).select == ("plateau",)
    assert load_config(tmp_path / "pyproject.toml").select == ("loss",)


def test_broken_toml_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "trainvitals.toml").write_text("select = [")
    with pytest.raises(ConfigError, match="cannot read settings"):
        load_config(tmp_path / "trainvitals.toml")


@pytest.mark.parametrize(
    ("acceptance", "covered"),
    [
        (Acceptance("plateau", "r"), True),
        (Acceptance("PLATEAU", "r"), True),
        (Acceptance("loss", "r"), True),
        (Acceptance("overfitting", "r"), False),
        (Acceptance("plateau", "r", tag="train/*"), True),
        (Acceptance("plateau", "r", tag="val/*"), False),
        (Acceptance("plateau", "r", run="exp?"), True),
        (Acceptance("plateau", "r", run="exp1", tag="train/*"), True),
        (Acceptance("plateau", "r", run="other"), False),
    ],
)
def test_an_acceptance_covers_by_name_tag_and_run(acceptance: Acceptance, covered: bool) -> None:
    names = ("plateau", "LOS005", "loss", "LOS")
    assert acceptance.covers(names=names, tags=["train/loss"], run_names=["runs/exp1", "exp1"]) is covered


@pytest.mark.parametrize(
    ("pattern", "covered"),
    [
        ("**/runs/exp", ["runs/exp", "/home/me/runs/exp", "../runs/exp"]),
        ("**/exp", ["runs/exp", "/home/me/runs/exp", "../runs/exp", "xruns/exp", "exp"]),
        ("**/runs/*", ["runs/exp", "/home/me/runs/exp", "../runs/exp", "runs/exp2", "runs/exp/version_0"]),
        ("*runs/exp", ["runs/exp", "/home/me/runs/exp", "../runs/exp", "xruns/exp"]),
        ("*/exp", ["runs/exp", "/home/me/runs/exp", "../runs/exp", "xruns/exp"]),
        ("runs/exp", ["runs/exp"]),
    ],
)
def test_a_pattern_of_runs_is_one_of_folders_by_their_whole_names_only_where_it_says_so(
    pattern: str, covered: list[str]
) -> None:
    paths = ["runs/exp", "/home/me/runs/exp", "../runs/exp", "xruns/exp", "runs/exp2", "runs/exp/version_0", "exp"]
    acceptance = Acceptance("plateau", "r", run=pattern)
    assert [path for path in paths if acceptance.covers(names=["plateau"], tags=[], run_names=[path])] == covered
