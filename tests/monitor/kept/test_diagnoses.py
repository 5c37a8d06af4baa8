"""A verdict is found again for the very files, settings and code that it was made from, and for nothing else."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
from tests.monitor.kept.test_codec import assert_same

from trainvitals.config import Acceptance, Config
from trainvitals.errors import ConfigError, LogError
from trainvitals.eventfile.pending import PendingScalars, pending_path
from trainvitals.eventfile.writer import EventFileWriter
from trainvitals.formats import read as read_module
from trainvitals.formats.discovery import find_runs
from trainvitals.formats.format import RunFiles
from trainvitals.formats.read import named_runs
from trainvitals.kept import KeptDiagnoses, RunSummary, Store, code, diagnoses, state
from trainvitals.kept.state import State
from trainvitals.model import Run
from trainvitals.samples import sample_logs
from trainvitals.signals import SignalOverrides

SICK = "diverging"
PLAIN = Config()


@pytest.fixture(autouse=True)
def finest_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """The files of these tests are younger than what a coarse clock can tell apart."""
    monkeypatch.setattr(state, "COARSEST_CLOCK_S", -3600.0)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "cache.sqlite3")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(sample_logs() / SICK, tmp_path / "runs" / SICK)
    return tmp_path / "runs" / SICK


def only(path: Path) -> RunFiles:
    (files,) = find_runs(path)
    return files


def kept_of(folder: Path, store: Store, config: Config = PLAIN) -> RunSummary | None:
    return KeptDiagnoses(config, store).find(only(folder), "any")


def make(folder: Path, store: Store | None, config: Config = PLAIN) -> RunSummary:
    return KeptDiagnoses(config, store).make(only(folder), "any")


def test_what_is_kept_is_what_was_made(folder: Path, store: Store) -> None:
    assert kept_of(folder, store) is None
    made = make(folder, store)
    assert_same(kept_of(folder, store), made, "")
    assert made.diagnosis.findings


def test_a_run_is_found_under_the_name_that_it_has_this_time(
    folder: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = KeptDiagnoses(Config(), store).make(only(folder), "one")
    monkeypatch.chdir(folder.parent)
    kept = KeptDiagnoses(Config(), store).find(only(Path(SICK)), "another")
    assert kept is not None
    assert (kept.diagnosis.id, kept.diagnosis.path) == ("another", SICK)
    assert_same(replace(kept.diagnosis, id="one", path=str(folder)), made.diagnosis, "")


def test_a_verdict_by_relative_paths_is_the_one_by_absolute_paths(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is kept of a run is the same however one got to it; else it could not be shared."""
    monkeypatch.chdir(sample_logs())
    maker = KeptDiagnoses(Config(), None)
    for path in sorted(path for path in Path().iterdir() if path.is_dir()):
        there, here = maker.make(only(path), "x"), maker.make(only(path.absolute()), "x")
        assert_same(replace(there.diagnosis, path=here.diagnosis.path), here.diagnosis, "")


@pytest.mark.parametrize(
    "config",
    [
        Config(select=("LOS",)),
        Config(purge="none"),
        Config(thresholds={"diverging-loss": {"rise": 3.0}}),
        Config(signals=SignalOverrides(train_loss=("train/loss",))),
    ],
)
def test_other_settings_find_nothing(folder: Path, store: Store, config: Config) -> None:
    make(folder, store)
    assert kept_of(folder, store, config) is None


def test_from_which_severity_on_to_fail_changes_no_verdict(folder: Path, store: Store) -> None:
    make(folder, store)
    assert kept_of(folder, store, Config(fail_on="error")) is not None


ACCEPTED = [
    (),
    (Acceptance("diverging-loss", "a drill"),),
    (Acceptance("LOS", "a drill", run="an?"), Acceptance("LOS", "another drill", run=f"*{SICK}")),
    (Acceptance("LOS", "elsewhere", run="other"),),
]


@pytest.mark.parametrize("before", ACCEPTED)
@pytest.mark.parametrize("now", ACCEPTED)
def test_what_is_accepted_counts_as_it_is_now_and_judges_nothing_again(
    folder: Path, store: Store, before: tuple[Acceptance, ...], now: tuple[Acceptance, ...]
) -> None:
    make(folder, store, Config(accepted=before))
    config = Config(accepted=now)
    assert_same(kept_of(folder, store, config), make(folder, None, config), "")


def test_something_is_accepted_of_a_run_by_the_name_that_it_has_this_time(folder: Path, store: Store) -> None:
    kept = KeptDiagnoses(Config(accepted=(Acceptance("LOS", "a drill", run="drill*"),)), store)
    kept.make(only(folder), "drill-1")
    states = {}
    for run_id in ("drill-2", "real-1"):
        found = kept.find(only(folder), run_id)
        assert found is not None
        states[run_id] = {finding.state for finding in found.diagnosis.findings}
    assert "accepted" in states["drill-2"]
    assert states["real-1"] == {"open"}


def test_with_plugins_the_name_counts(folder: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "has_plugins", lambda: True)
    kept = KeptDiagnoses(Config(), store)
    kept.make(only(folder), "one")
    assert kept.find(only(folder), "one") is not None
    assert kept.find(only(folder), "another") is None


def append(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"\0" * 16)


def rewrite_in_place(path: Path) -> None:
    status = path.stat()
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def replace_by_a_copy(path: Path) -> None:
    copy = path.with_name("copy")
    shutil.copy2(path, copy)
    copy.replace(path)


def touch(path: Path) -> None:
    os.utime(path)


def add_another_file(path: Path) -> None:
    shutil.copy2(path, path.with_name(path.name + ".2"))


def begin_pending_scalars(path: Path) -> None:
    pending_path(path).write_bytes(b"TVPEND1\n")


@pytest.mark.parametrize(
    "change",
    [append, rewrite_in_place, replace_by_a_copy, touch, add_another_file, begin_pending_scalars],
)
def test_a_change_of_the_files_makes_the_verdict_void(
    folder: Path, store: Store, change: Callable[[Path], None]
) -> None:
    (path,) = (path for path in folder.iterdir() if "tfevents" in path.name)
    make(folder, store)
    assert kept_of(folder, store) is not None
    time.sleep(0.02)
    change(path)
    assert kept_of(folder, store) is None


def test_losses_that_wait_in_mapped_memory_make_the_verdict_void(tmp_path: Path, store: Store) -> None:
    """Stores to mapped memory leave size and time of the file as they were."""
    folder = tmp_path / "run"
    now_s = time.time()
    with EventFileWriter(folder) as writer:
        for step in range(50):
            writer.write_scalars(step, {"train/loss": 1.0 / (step + 1)}, now_s + step)
        writer.flush()
        try:
            pending = PendingScalars(writer.path)
        except OSError:
            pytest.skip("no file system for mapped files")
        try:
            pending.begin(("train/loss",))
            for step in (50, 51):
                assert pending.take(step, now_s, {"train/loss": 0.5})
                assert kept_of(folder, store) is None
                assert make(folder, store).last_loss_step == step
                assert kept_of(folder, store) is not None
        finally:
            pending.close()


def test_a_file_of_another_format_beside_it_makes_the_verdict_void(tmp_path: Path, store: Store) -> None:
    """The run may be told better there, or be read from there where the first holds nothing to judge."""
    shutil.copytree(sample_logs() / "healthy", tmp_path / "healthy")
    make(tmp_path / "healthy", store)
    (tmp_path / "healthy" / "metrics.csv").write_text("step,train_loss\n1,2\n2,1.5\n")
    assert only(tmp_path / "healthy").alternatives
    assert kept_of(tmp_path / "healthy", store) is None


def test_a_run_that_grows_while_it_is_read_is_not_kept(
    folder: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_files = read_module.read_files
    (path,) = (path for path in folder.iterdir() if "tfevents" in path.name)

    def read_and_grow(files: RunFiles, purge: Any) -> Run:
        run = read_files(files, purge)
        append(path)
        return run

    monkeypatch.setattr(diagnoses, "read_files", read_and_grow)
    make(folder, store)
    assert kept_of(folder, store) is None


def test_a_run_that_was_written_just_now_is_not_kept(
    folder: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be written again within the same tick of a coarse clock."""
    monkeypatch.setattr(state, "COARSEST_CLOCK_S", 3600.0)
    make(folder, store)
    assert kept_of(folder, store) is None


@pytest.mark.parametrize("kind", ["unreadable-file", "rule-failed"])
def test_a_verdict_that_something_passing_may_have_spoilt_is_not_kept(
    folder: Path, store: Store, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    from trainvitals.model import Problem

    judge = diagnoses.judge
    monkeypatch.setattr(diagnoses, "judge", lambda *given: replace(judge(*given), problems=(Problem(kind, "x", "y"),)))
    make(folder, store)
    assert kept_of(folder, store) is None


def test_other_code_finds_nothing(
    folder: Path, store: Store, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    make(folder, store)
    monkeypatch.setattr(code, "fingerprint", lambda: ("one more file",))
    code.digest_of_code.cache_clear()
    request.addfinalizer(code.digest_of_code.cache_clear)
    assert kept_of(folder, store) is None


def test_the_fingerprint_of_the_code_has_every_source_file(tmp_path: Path) -> None:
    told = code.fingerprint()
    assert any(part.startswith("kept/code.py ") for part in told)
    assert any(part.startswith("rules/loss/plateau.py ") for part in told)
    (tmp_path / "a.py").write_text("1")
    before = list(code._stamps(tmp_path))
    (tmp_path / "a.py").write_text("22")
    assert list(code._stamps(tmp_path)) != before


def test_an_edited_plugin_is_other_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib.metadata import EntryPoint

    monkeypatch.syspath_prepend(tmp_path)
    plugin = EntryPoint("mine", "some_plugin_of_mine.rules:Mine", "trainvitals.rules")
    (tmp_path / "some_plugin_of_mine").mkdir()
    source = tmp_path / "some_plugin_of_mine" / "rules.py"
    source.write_text("1")
    before = list(code._of_plugin(plugin))
    source.write_text("22")
    assert list(code._of_plugin(plugin)) != before
    assert list(code._of_plugin(EntryPoint("gone", "nowhere_to_be_found:X", "trainvitals.rules"))) == [
        "gone=nowhere_to_be_found:X "
    ]


def test_errors_are_raised_each_time_and_kept_never(tmp_path: Path, store: Store, folder: Path) -> None:
    (tmp_path / "log.csv").write_text("a,b\nx,y\n")
    files = RunFiles(tmp_path / "log.csv", "log.csv", "csv", (("", tmp_path / "log.csv"),))
    for _ in range(2):
        with pytest.raises(LogError):
            KeptDiagnoses(Config(), store).summary(files, "log")
    told = Config(signals=SignalOverrides(train_loss=("nowhere",)))
    for _ in range(2):
        with pytest.raises(ConfigError):
            KeptDiagnoses(told, store).summary(only(folder), "x")


def test_without_a_store_everything_is_made_anew(folder: Path) -> None:
    kept = KeptDiagnoses(Config(), None)
    assert kept.find(only(folder), "x") is None
    assert kept.summary(only(folder), "x").diagnosis.id == "x"


@pytest.mark.slow
def test_it_works_in_a_pool_of_processes(store: Store) -> None:
    found = named_runs(sample_logs())
    kept = KeptDiagnoses(Config(), store)
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        made = list(pool.map(kept.summary, found.values(), found))
    assert [summary.diagnosis.id for summary in made] == list(found)
    assert State.of(next(iter(found.values()))).grew_at_s == made[0].grew_at_s


def test_the_state_tells_when_the_newest_file_grew(tmp_path: Path) -> None:
    for name, at_s in (("a.csv", 1e9), ("b.csv", 2e9)):
        (tmp_path / name).write_text("x")
        os.utime(tmp_path / name, (at_s, at_s))
    files = RunFiles(tmp_path, "x", "csv", (("", tmp_path / "a.csv"), ("", tmp_path / "b.csv")))
    assert State.of(files).grew_at_s == pytest.approx(2e9)
    gone = State.of(RunFiles(tmp_path, "x", "csv", (("", tmp_path / "nowhere"),)))
    assert gone.stamps == (None,)
    assert gone.grew_at_s != gone.grew_at_s
