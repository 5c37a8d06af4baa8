"""Writing down that a finding is accepted, and why: one entry in the settings, everything else as it was."""

from __future__ import annotations

import contextlib
import glob
import os
import re
import secrets
import shutil
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from trainvitals.config import ANYWHERE, Acceptance, find_config_file, load_config
from trainvitals.errors import ConfigError
from trainvitals.reporters.visible import is_unsafe

OWN_FILE = "trainvitals.toml"
# An array written in brackets is found by trying where it ends; settings have fewer brackets than this after its name.
MOST_TRIED = 200
# A run is known by its folder and the one above it: enough to tell versions and seeds of two experiments apart.
PARTS_OF_A_PATH = 2
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r"}


def accept(acceptance: Acceptance, folder: Path) -> Path:
    """Add an entry to the settings that count in ``folder``; the file that it was written to.

    That is the file ``find_config_file`` finds, else a new ``trainvitals.toml`` in ``folder``. The file is replaced in
    one go, every other byte of it stays, and it is read again to see that the entry counts.

    Raises:
        ConfigError: finding or reason is empty, the file cannot be understood or written, or somebody else is
            writing to it. It is then as it was.
    """
    if not acceptance.finding.strip() or not acceptance.reason.strip():
        raise ConfigError("an accepted finding needs a reason", hint="say why it is fine")
    found = find_config_file(folder)
    if found is None:
        file, old = folder / OWN_FILE, None
    else:
        # Whoever keeps the settings elsewhere keeps the link.
        file = found.resolve()
        load_config(found)
        old = _bytes_of(file)
    name = file.name if found is None else found.name
    new = with_acceptance((old or b"").decode("utf-8"), acceptance, file_name=name).encode("utf-8")
    _replace(file, old, new)
    if acceptance not in load_config(found or file).accepted:
        raise ConfigError("the entry was written but does not count", where=str(file), hint="look at the file")
    return file


def with_acceptance(text: str, acceptance: Acceptance, *, file_name: str) -> str:
    """The text of a settings file with one more entry, last of those it has; all else is character for character.

    Args:
        text: TOML that can be read, its line ends as they are in the file.
        acceptance: what to add.
        file_name: ``pyproject.toml`` has our settings in a table of their own.

    Raises:
        ConfigError: the entry fits nowhere without writing the file anew.
    """
    table = ("tool", "trainvitals") if file_name == "pyproject.toml" else ()
    wanted = _with_entry(_parsed(text), table, _fields(acceptance))
    for candidate in _candidates(text, ".".join((*table, "accept")), _fields(acceptance)):
        with contextlib.suppress(tomllib.TOMLDecodeError):
            if _parsed(candidate) == wanted:
                return candidate
    raise ConfigError(
        "found no place for an accepted finding in the settings",
        where=file_name,
        hint=f"add it to the others by hand: {_inline(_fields(acceptance))}",
    )


def run_pattern(path: str, name: str) -> str:
    """What an ``Acceptance`` says of one run, so that it is known by its own folder and the one above it.

    Args:
        path: its folder or file.
        name: its name, where several runs lie in one folder.
    """
    root = Path(os.path.normpath(Path(path).absolute()))
    parts = [part for part in root.parts if part != root.anchor]
    parts += [name] if root.is_dir() and name != root.name else []
    return ANYWHERE + glob.escape("/".join(parts[-PARTS_OF_A_PATH:]))


def _parsed(text: str) -> dict[str, Any]:
    """Numbers stay text: a NaN equals nothing."""
    return tomllib.loads(text, parse_float=str)


def _fields(acceptance: Acceptance) -> dict[str, str]:
    fields = {"finding": acceptance.finding, "reason": acceptance.reason}
    fields |= {} if acceptance.tag is None else {"tag": acceptance.tag}
    fields |= {} if acceptance.run is None else {"run": acceptance.run}
    return fields


def _with_entry(settings: dict[str, Any], table: tuple[str, ...], fields: dict[str, str]) -> dict[str, Any]:
    """What the new file must say: the old settings and one more entry at the end of those accepted."""
    inner = settings
    for key in table:
        inner = inner.setdefault(key, {})
    inner.setdefault("accept", []).append(fields)
    return settings


def _candidates(text: str, header: str, fields: dict[str, str]) -> Iterator[str]:
    """Texts with the entry in a place where it may belong, likely ones first; the parser says which one is right."""
    line_end = "\r\n" if "\r\n" in text else "\n"
    entry = [f"[[{header}]]", *(f"{key} = {_quoted(value)}" for key, value in fields.items())]
    unended = line_end if text and not text.endswith("\n") else ""
    between = line_end if text.strip() else ""
    yield text + unended + between + line_end.join(entry) + line_end
    named = re.search(r"\baccept\b", text)
    closing = [match.start() for match in re.finditer(r"\]", text)] if named else []
    for end in [position for position in closing if named and position > named.end()][:MOST_TRIED]:
        for comma in ("", ", "):
            yield f"{text[:end]}{comma}{_inline(fields)}{text[end:]}"


def _inline(fields: dict[str, str]) -> str:
    return "{ " + ", ".join(f"{key} = {_quoted(value)}" for key, value in fields.items()) + " }"


def _quoted(value: str) -> str:
    """A string as TOML has it on one line; what a person could not see, or would be misled by, as its number."""
    return '"' + "".join(_escaped(character) for character in value) + '"'


def _escaped(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    if 0xD800 <= ord(character) <= 0xDFFF:
        raise ConfigError("the reason has a character that is none", hint="write it anew")
    return f"\\U{ord(character):08X}" if is_unsafe(character) else character


def _bytes_of(file: Path) -> bytes | None:
    try:
        return file.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(f"cannot read settings: {error.strerror}", where=str(file)) from error


def _replace(file: Path, old: bytes | None, new: bytes) -> None:
    """Put ``new`` where ``old`` was, in one go; None: where nothing was."""
    if old is not None and not os.access(file, os.W_OK):
        raise ConfigError("the settings are write-protected", where=str(file), hint="let the file be written")
    beside = file.with_name(f".{file.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        try:
            with beside.open("xb") as handle:
                handle.write(new)
                handle.flush()
                os.fsync(handle.fileno())
            if old is not None:
                shutil.copymode(file, beside)
            if _bytes_of(file) != old:
                raise ConfigError("the settings have just changed", where=str(file), hint="try again")
            beside.replace(file)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ConfigError(
            f"cannot write settings: {reason}", where=str(file), hint="is the folder writable?"
        ) from error
