"""The store gives back what was kept or nothing: never an error, never something else."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from trainvitals.kept import store as store_module
from trainvitals.kept.store import ENVIRONMENT, FILE_NAME, Store, default_store

TEXT = "what was found\n" * 300


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "cache" / FILE_NAME)


def test_what_was_kept_is_found_for_its_place_and_state_only(store: Store) -> None:
    assert store.find("a", "1") is None
    store.keep("a", "1", TEXT)
    assert store.find("a", "1") == TEXT
    assert store.find("a", "2") is None
    assert store.find("b", "1") is None


def test_a_place_has_one_state(store: Store) -> None:
    store.keep("a", "1", "then")
    store.keep("a", "2", "now")
    assert store.find("a", "1") is None
    assert store.find("a", "2") == "now"


def test_the_rows_that_were_not_used_for_longest_are_dropped(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "MOST_ROWS", 10)
    clock = Clock(monkeypatch)
    for i in range(10):
        store.keep(str(i), "1", TEXT)
    clock.now_s += 2 * store_module.USE_NOTED_EVERY_S
    assert store.find("0", "1") == TEXT
    store.keep("10", "1", TEXT)
    found = [i for i in range(11) if store.find(str(i), "1")]
    assert found == [0, 3, 4, 5, 6, 7, 8, 9, 10]


def test_the_store_stays_below_its_size(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "MOST_BYTES", 200_000)
    for i in range(100):
        store.keep(str(i), "1", os.urandom(5000).hex())
        assert store.file.stat().st_size < 400_000
    assert store.find("99", "1") is not None
    assert store.find("0", "1") is None


def test_a_row_larger_than_all_room_does_no_harm(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.keep("a", "1", TEXT)
    monkeypatch.setattr(store_module, "MOST_BYTES", 1000)
    store.keep("b", "1", os.urandom(5000).hex())
    assert store.find("b", "1") is None


@pytest.mark.parametrize("size", [0, 1, 100, 4096, 5000, 9000])
def test_a_truncated_file_gives_nothing_and_is_begun_anew(store: Store, size: int) -> None:
    for i in range(20):
        store.keep(str(i), "1", os.urandom(2000).hex())
    with store.file.open("r+b") as file:
        file.truncate(size)
    for i in range(20):
        store.find(str(i), "1")
    for i in range(3):
        store.keep("new", str(i), TEXT)
    assert store.find("new", "2") == TEXT


def test_garbage_in_place_of_the_file_gives_nothing_and_is_begun_anew(store: Store) -> None:
    store.file.parent.mkdir()
    store.file.write_bytes(bytes(range(256)) * 64)
    assert store.find("a", "1") is None
    store.keep("a", "1", TEXT)
    assert store.find("a", "1") == TEXT


def test_any_damaged_byte_gives_the_text_or_nothing(store: Store) -> None:
    store.keep("a", "1", TEXT)
    whole = store.file.read_bytes()
    for at in (*range(200), *range(200, len(whole), 97)):
        store.file.write_bytes(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
        assert store.find("a", "1") in (TEXT, None)
        assert store.find("b", "1") is None
        store.keep("b", "1", TEXT)
        assert store.find("b", "1") in (TEXT, None)


@pytest.mark.parametrize("body", [None, 7, "text", b"", b"garbage", b"\x78\x9c"])
@pytest.mark.parametrize("used_at_s", [None, "never", 0.0])
def test_a_row_that_somebody_else_wrote_gives_nothing(store: Store, body: object, used_at_s: object) -> None:
    store.keep("a", "1", TEXT)
    with closing(sqlite3.connect(store.file)) as connection:
        connection.execute("UPDATE kept SET body = ?, used_at_s = ?, size = 'much'", (body, used_at_s))
        connection.commit()
    assert store.find("a", "1") is None
    store.keep("b", "1", TEXT)
    assert store.find("b", "1") == TEXT


def test_a_row_of_another_place_is_not_taken_for_this_one(store: Store) -> None:
    store.keep("a", "1", TEXT)
    with closing(sqlite3.connect(store.file)) as connection:
        connection.execute("UPDATE kept SET place = 'b'")
        connection.commit()
    assert store.find("b", "1") is None


@pytest.mark.parametrize("layout", [0, 999])
def test_a_store_of_another_layout_gives_nothing_and_is_begun_anew(store: Store, layout: int) -> None:
    store.file.parent.mkdir()
    with closing(sqlite3.connect(store.file)) as connection:
        connection.execute("CREATE TABLE kept (place TEXT, body TEXT)")
        connection.execute("INSERT INTO kept VALUES ('a', 'old')")
        connection.execute(f"PRAGMA user_version = {layout}")
        connection.commit()
    assert store.find("a", "1") is None
    store.keep("a", "1", TEXT)
    assert store.find("a", "1") == TEXT


def test_another_table_under_our_layout_is_begun_anew(store: Store) -> None:
    store.file.parent.mkdir()
    with closing(sqlite3.connect(store.file)) as connection:
        connection.execute("CREATE TABLE kept (place TEXT)")
        connection.execute(f"PRAGMA user_version = {store_module.LAYOUT}")
        connection.commit()
    assert store.find("a", "1") is None
    store.keep("a", "1", TEXT)
    assert store.find("a", "1") == TEXT


def test_a_locked_store_gives_nothing_and_loses_nothing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "LOCK_WAITED_FOR_S", 0.01)
    store.keep("a", "1", TEXT)
    with closing(sqlite3.connect(store.file, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        assert store.find("a", "1") is None
        store.keep("b", "1", TEXT)
        other.execute("COMMIT")
    assert store.find("a", "1") == TEXT
    assert store.find("b", "1") is None


@pytest.mark.parametrize("kind", ["file-as-folder", "folder-as-file", "no-folder"])
def test_where_nothing_can_be_written_nothing_is_kept(tmp_path: Path, kind: str) -> None:
    if kind == "file-as-folder":
        (tmp_path / "cache").write_text("a file")
    elif kind == "folder-as-file":
        (tmp_path / "cache" / FILE_NAME).mkdir(parents=True)
    file = Path("/proc/nowhere") / FILE_NAME if kind == "no-folder" else tmp_path / "cache" / FILE_NAME
    store = Store(file)
    store.keep("a", "1", TEXT)
    assert store.find("a", "1") is None


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="nothing is read-only to the administrator")
def test_a_store_in_a_folder_that_is_read_only_is_still_read(store: Store) -> None:
    store.keep("a", "1", TEXT)
    store.file.chmod(0o400)
    store.file.parent.chmod(0o500)
    try:
        store.keep("b", "1", TEXT)
        assert store.find("a", "1") == TEXT
        assert store.find("b", "1") is None
    finally:
        store.file.parent.chmod(0o700)


def test_threads_share_it(store: Store) -> None:
    def work(worker: int) -> bool:
        for i in range(20):
            store.keep(f"{worker}", str(i), TEXT + str(i))
        return store.find(f"{worker}", "19") == TEXT + "19"

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, range(4)))


WRITER = """
import sys
from pathlib import Path
from trainvitals.kept.store import Store
store, me = Store(Path(sys.argv[1])), sys.argv[2]
print("begun", flush=True)
for i in range(int(sys.argv[3])):
    store.keep(f"{me}-{i % 50}", "1", f"{me}-{i % 50} " * 500)
"""


def test_two_processes_keep_all_that_they_found(store: Store) -> None:
    processes = [writer(store, name, rounds=50) for name in ("one", "two")]
    assert [(process.communicate(timeout=60)[0], process.returncode) for process in processes] == [("begun\n", 0)] * 2
    for name in ("one", "two"):
        for i in range(50):
            assert store.find(f"{name}-{i}", "1") == f"{name}-{i} " * 500


@pytest.mark.slow
def test_a_process_that_is_killed_while_it_writes_leaves_a_sound_store(store: Store) -> None:
    for delay in range(5):
        process = writer(store, "killed", rounds=10**6)
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        found, until_s = 0, time.monotonic() + 60
        while found <= delay and time.monotonic() < until_s:
            found = sum(store.find(f"killed-{i}", "1") is not None for i in range(50))
        process.kill()
        process.wait(60)
        process.stdout.close()
        for i in range(50):
            assert store.find(f"killed-{i}", "1") in (None, f"killed-{i} " * 500)
        store.keep("after", str(delay), TEXT)
        assert store.find("after", str(delay)) == TEXT


def test_where_the_store_is_can_be_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(ENVIRONMENT, str(tmp_path))
    assert default_store() == Store(tmp_path / FILE_NAME)
    monkeypatch.setenv(ENVIRONMENT, "")
    assert default_store() is None


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="these have their own folder")
def test_without_being_told_it_is_in_the_cache_folder_of_the_user(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv(ENVIRONMENT, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_store() == Store(tmp_path / "trainvitals" / FILE_NAME)
    monkeypatch.setenv("XDG_CACHE_HOME", "not/absolute")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert default_store() == Store(tmp_path / "home" / ".cache" / "trainvitals" / FILE_NAME)


def writer(store: Store, name: str, rounds: int) -> subprocess.Popen[str]:
    arguments = [sys.executable, "-c", WRITER, str(store.file), name, str(rounds)]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)


class Clock:
    """Time that passes when somebody looks, and when it is told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_s = 1.7e9
        monkeypatch.setattr(store_module.time, "time", self.tick)

    def tick(self) -> float:
        self.now_s += 1
        return self.now_s
