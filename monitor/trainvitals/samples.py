"""Where the sample logs are: beside the package when installed, at the top of a checkout."""

from __future__ import annotations

from pathlib import Path

from trainvitals.errors import LogError


def sample_logs() -> Path:
    """The folder of sample logs.

    Raises:
        LogError: this installation came without them.
    """
    package = Path(__file__).resolve().parent
    for folder in (package / "sample_logs", package.parents[1] / "sample_logs"):
        if folder.is_dir():
            return folder
    raise LogError("the sample logs are missing", where=str(package), hint="reinstall trainvitals, or use a checkout")
