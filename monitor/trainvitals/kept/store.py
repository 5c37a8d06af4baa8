"""One SQLite file of texts, for several processes at once. It may be lost at any time and never gives a wrong answer.

Every row carries a digest of its own, so that a damaged file gives nothing rather than something else. What the system
refuses (a folder that is read-only, a store that others hold locked, a full disk) means not found, or not kept.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import sys
import time
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

ENVIRONMENT = "TRAINVITALS_CACHE"
"""A folder for the store; empty: nothing is kept."""
FILE_NAME = "diagnoses.sqlite3"

LAYOUT = 1
"""Raised when the table changes. A store of another layout is begun anew."""

MOST_ROWS = 4000
MOST_BYTES = 64 << 20
KEPT_SHARE = 0.9
"""How much of a full store stays when the rows that were not used for longest are dropped."""
USE_NOTED_EVERY_S = 3600.0
"""Reading writes nothing as long as it was noted within this time that the row is in use."""
LOCK_WAITED_FOR_S = 1.0
COMPRESSION = 1

FAILURES = (OSError, sqlite3.Error, ValueError, MemoryError)
"""Of a damaged file SQLite says things that are no text, and asks for memory that nobody has."""
DAMAGED = (sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
"""The first is what a table gives that is not the one we made."""
PRIMARY_CODE = 0xFF
"""What of an error's number says what it is; the rest says more of it."""

_CREATE = """
    CREATE TABLE kept (place TEXT PRIMARY KEY, state TEXT, body BLOB, digest BLOB, size INTEGER, used_at_s REAL);
    CREATE INDEX by_use ON kept (used_at_s, size);
"""
_DROP = """
    DELETE FROM kept WHERE place IN (
        SELECT place FROM (
            SELECT place, row_number() OVER newest AS rows, sum(size) OVER newest AS bytes FROM kept
            WINDOW newest AS (ORDER BY used_at_s DESC, place ROWS UNBOUNDED PRECEDING)
        ) WHERE rows > ? OR bytes > ?
    )
"""


@dataclass(frozen=True, slots=True)
class Store:
    """Texts by place, each for one state of what is there. Opens its file anew each time, so that any number of
    threads and processes may share it.

    Args:
        file: where it is, or will be.
    """

    file: Path

    def find(self, place: str, state: str) -> str | None:
        """The text that was kept of this place in this very state, if there is one."""
        row = None
        with suppress(*FAILURES):
            if self.file.stat().st_size:
                with self._opened() as connection:
                    row = connection.execute(
                        "SELECT body, digest, used_at_s FROM kept WHERE place = ? AND state = ?", (place, state)
                    ).fetchone()
        if row is None:
            return None
        body, digest, used_at_s = row
        if not isinstance(body, bytes) or digest != _digest(place, state, body):
            return None
        if not isinstance(used_at_s, float) or abs(time.time() - used_at_s) > USE_NOTED_EVERY_S:
            self._note_use(place)
        with suppress(zlib.error, UnicodeDecodeError):
            return zlib.decompress(body).decode()
        return None

    def keep(self, place: str, state: str, text: str) -> None:
        """Keep a text of this place in this state, in place of any other state of it."""
        body = zlib.compress(text.encode(), COMPRESSION)
        row = (place, state, body, _digest(place, state, body), len(body), time.time())
        with suppress(*FAILURES):
            self.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            try:
                self._write(row)
            except (sqlite3.DatabaseError, ValueError) as error:
                if _is_damage(error):
                    self.file.unlink()
                    self._write(row)

    def _write(self, row: tuple[object, ...]) -> None:
        with self._opened() as connection:
            connection.execute("BEGIN IMMEDIATE")
            if connection.execute("PRAGMA user_version").fetchone() != (LAYOUT,):
                _begin_anew(connection)
            connection.execute("INSERT OR REPLACE INTO kept VALUES (?, ?, ?, ?, ?, ?)", row)
            _drop_what_is_too_much(connection)
            connection.execute("COMMIT")

    def _note_use(self, place: str) -> None:
        with suppress(*FAILURES), self._opened() as connection:
            connection.execute("UPDATE kept SET used_at_s = ? WHERE place = ?", (time.time(), place))

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self.file, timeout=LOCK_WAITED_FOR_S, isolation_level=None)) as connection:
            # A machine that loses its power may damage the file; that costs the diagnoses in it, and nothing waits.
            connection.execute("PRAGMA synchronous = OFF")
            yield connection


def default_store() -> Store | None:
    """The store of this user, or in the folder that ``TRAINVITALS_CACHE`` names; None where it is empty."""
    told = os.environ.get(ENVIRONMENT)
    if told is not None:
        return Store(Path(told).expanduser() / FILE_NAME) if told.strip() else None
    with suppress(RuntimeError):
        return Store(_cache_folder() / "trainvitals" / FILE_NAME)
    return None


def _cache_folder() -> Path:
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    told = os.environ.get("XDG_CACHE_HOME", "")
    return Path(told) if told.startswith("/") else Path.home() / ".cache"


def _is_damage(error: Exception) -> bool:
    """Whether another file in its place would be better: not where it is locked, read-only or the disk is full."""
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & PRIMARY_CODE in DAMAGED


def _begin_anew(connection: sqlite3.Connection) -> None:
    tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    for (name,) in tables:
        quoted = name.replace('"', '""')
        connection.execute(f'DROP TABLE "{quoted}"')
    for statement in _CREATE.split(";"):
        connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {LAYOUT}")


def _drop_what_is_too_much(connection: sqlite3.Connection) -> None:
    rows, size = connection.execute("SELECT count(*), sum(size) FROM kept").fetchone()
    if rows <= MOST_ROWS and size <= MOST_BYTES:
        return
    connection.execute(_DROP, (KEPT_SHARE * MOST_ROWS, KEPT_SHARE * MOST_BYTES))


def _digest(place: str, state: str, body: bytes) -> bytes:
    return hashlib.sha256(f"{place} {state} ".encode() + body).digest()
