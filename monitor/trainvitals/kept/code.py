"""Which code judges: another version of it, an edited checkout or another plugin may come to another verdict."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from functools import cache
from importlib.metadata import EntryPoint, PackageNotFoundError, entry_points, version
from importlib.util import find_spec
from pathlib import Path

import trainvitals
from trainvitals.rules.registry import ENTRY_POINT

# Their results are part of a verdict, the last digits at least.
LIBRARIES = ("numpy", "scipy", "pandas", "tensorboard")


def fingerprint() -> tuple[str, ...]:
    """What tells this code from any other: versions, and the size and time of each source file, plugins included."""
    files = _stamps(Path(trainvitals.__file__).parent)
    plugins = (part for plugin in _plugins() for part in _of_plugin(plugin))
    return (trainvitals.__version__, sys.version, *map(_version, LIBRARIES), *files, *plugins)


@cache
def digest_of_code() -> str:
    """The fingerprint in a word.

    Taken once in a process, which goes on with the code it has loaded whatever becomes of the files.
    """
    return hashlib.sha256(repr(fingerprint()).encode("utf-8", errors="surrogatepass")).hexdigest()


@cache
def has_plugins() -> bool:
    """Whether rules of others are installed, which may read of a run what ours do not."""
    return bool(_plugins())


@cache
def _plugins() -> tuple[EntryPoint, ...]:
    return tuple(entry_points(group=ENTRY_POINT))


def _of_plugin(plugin: EntryPoint) -> Iterator[str]:
    yield f"{plugin.name}={plugin.value} {plugin.dist.version if plugin.dist else ''}"
    try:
        spec = find_spec(plugin.module.partition(".")[0])
    except (ImportError, ValueError):
        return
    if spec is None:
        return
    for folder in spec.submodule_search_locations or ():
        yield from _stamps(Path(folder))
    if spec.submodule_search_locations is None and spec.origin is not None:
        yield _stamp(Path(spec.origin), spec.name)


def _stamps(folder: Path) -> Iterator[str]:
    paths = sorted(path for path in folder.rglob("*") if path.suffix != ".pyc")
    return (_stamp(path, path.relative_to(folder).as_posix()) for path in paths if not path.is_dir())


def _stamp(path: Path, name: str) -> str:
    try:
        status = path.stat()
    except OSError:
        return name
    return f"{name} {status.st_size} {status.st_mtime_ns}"


def _version(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        return ""
