"""Reading a file of a run as a whole, with one clear line where that fails."""

from __future__ import annotations

import errno
import stat
from pathlib import Path

from trainvitals.errors import LogError

HINT = "give a log file, a run folder or a folder of runs"


def read_bytes(path: Path) -> bytes:
    """The bytes of a file.

    Raises:
        LogError: it cannot be read, or it is empty.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise LogError("not a regular file", where=str(path), hint=HINT)
        data = path.read_bytes()
    except OSError as error:
        raise unreadable(path, error) from None
    if not data:
        raise _empty(path)
    return data


def read_head(path: Path, count: int = 16 * 1024) -> bytes:
    """The first bytes of a file.

    Raises:
        LogError: it cannot be read, or it is empty.
    """
    try:
        with path.open("rb") as file:
            head = file.read(count)
    except OSError as error:
        raise unreadable(path, error) from None
    if not head:
        raise _empty(path)
    return head


def _empty(path: Path) -> LogError:
    return LogError("the file is empty", where=str(path), hint="nothing was recorded yet; was the run just started?")


def unreadable(path: Path, error: OSError) -> LogError:
    """One line that says why the system does not let us read a path."""
    reasons = {
        errno.ENOENT: ("no such file or folder", "check the path"),
        errno.ENOTDIR: ("no such file or folder", "check the path"),
        errno.EACCES: ("no permission to read it", "check its access rights"),
        errno.EPERM: ("no permission to read it", "check its access rights"),
        errno.ELOOP: ("a symbolic link that leads back to itself", "give the folder it should lead to"),
        errno.ENAMETOOLONG: ("the name is too long", "check the path"),
    }
    what, hint = reasons.get(error.errno or 0, (f"cannot be read: {error.strerror or type(error).__name__}", HINT))
    return LogError(what, where=str(path), hint=hint)
