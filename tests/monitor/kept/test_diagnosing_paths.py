"""``diagnose`` says the same, to the byte, whether it judges or remembers."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from trainvitals.config import Config
from trainvitals.kept import KeptDiagnoses, state
from trainvitals.kept.store import ENVIRONMENT, FILE_NAME, Store
from trainvitals.samples import sample_logs
from trainvitals.session import diagnose_paths

Diagnose = Callable[..., tuple[str, str]]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(state, "COARSEST_CLOCK_S", -3600.0)
    monkeypatch.setenv(ENVIRONMENT, str(tmp_path / "cache"))
    return tmp_path / "cache" / FILE_NAME


@pytest.fixture
def diagnose(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Diagnose:
    def call(*arguments: str | Path) -> tuple[str, str]:
        from trainvitals.cli import main

        monkeypatch.setattr(sys, "argv", ["trainvitals", "diagnose", *map(str, arguments)])
        main()
        captured = capsys.readouterr()
        return captured.out, captured.err

    return call


def judge_nothing(kept: KeptDiagnoses, *given: object) -> None:
    raise AssertionError("judged although it was kept")


@pytest.mark.parametrize("options", [(), ("--verbose",), ("--format", "json")])
def test_the_second_report_is_the_first_and_judges_nothing(
    diagnose: Diagnose, cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, options: tuple[str, ...]
) -> None:
    (tmp_path / "broken.csv").write_text("a,b\nx,y\n")
    paths = [sample_logs(), tmp_path / "broken.csv", tmp_path / "nowhere"]
    cold = diagnose(*paths, "--no-cache", *options)
    assert not cache.exists()
    filling = diagnose(*paths, *options)
    assert cache.exists()
    make = KeptDiagnoses.make
    monkeypatch.setattr(KeptDiagnoses, "make", lambda kept, files, run_id: _only_broken(make, kept, files, run_id))
    warm = diagnose(*paths, *options)
    assert cold == filling == warm
    assert "broken.csv" in warm[1]
    assert "nowhere" in warm[1]


def _only_broken(make: Callable[..., object], kept: KeptDiagnoses, files: object, run_id: str) -> object:
    assert run_id == "broken.csv", "judged although it was kept"
    return make(kept, files, run_id)


def test_without_the_cache_nothing_is_read_from_it_or_written_to_it(diagnose: Diagnose, cache: Path) -> None:
    diagnose(sample_logs() / "healthy")
    before = cache.read_bytes()
    cache.write_bytes(b"garbage")
    diagnose(sample_logs() / "healthy", "--no-cache")
    assert cache.read_bytes() == b"garbage"
    cache.write_bytes(before)


def test_an_unusable_cache_changes_nothing(diagnose: Diagnose, cache: Path) -> None:
    cold = diagnose(sample_logs() / "healthy")
    cache.write_bytes(b"garbage")
    assert diagnose(sample_logs() / "healthy") == cold
    cache.unlink()
    cache.mkdir()
    assert diagnose(sample_logs() / "healthy") == cold


@pytest.mark.slow
def test_several_processes_fill_what_one_reads(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each process has a clock of its own, so the samples must have rested."""
    store = Store(tmp_path / "store.sqlite3")
    monkeypatch.setattr(state, "COARSEST_CLOCK_S", 2.0)
    paths = [str(sample_logs())]
    cold = diagnose_paths(paths, Config(), jobs=2, store=store, on_error=pytest.fail)
    monkeypatch.setattr(KeptDiagnoses, "make", judge_nothing)
    assert repr(diagnose_paths(paths, Config(), jobs=2, store=store, on_error=pytest.fail)) == repr(cold)


def test_runs_beside_others_of_the_same_name_are_told_apart(cache: Path, tmp_path: Path) -> None:
    """The id of a run depends on what is read beside it."""
    store = Store(tmp_path / "store.sqlite3")
    for parent in ("a", "b"):
        (tmp_path / parent / "run").mkdir(parents=True)
        rows = "".join(f"{step},{2 / step}\n" for step in range(1, 80))
        (tmp_path / parent / "run" / "log.csv").write_text("step,train_loss\n" + rows)
    one = [str(tmp_path / "a" / "run")]
    both = [*one, str(tmp_path / "b" / "run")]

    def ids(paths: list[str]) -> list[str]:
        return [found.id for found in diagnose_paths(paths, Config(), store=store, on_error=pytest.fail)]

    alone, together = ids(one), ids(both)
    assert alone == ["run"]
    assert together == ["a/run", "b/run"]
    assert (ids(one), ids(both)) == (alone, together)
