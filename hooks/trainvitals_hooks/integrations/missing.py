"""What whoever lacks a framework is told."""

from __future__ import annotations

from trainvitals.errors import MissingExtraError


def missing(package: str) -> MissingExtraError:
    """The error to raise where ``package`` cannot be imported."""
    return MissingExtraError(f"watching a training of {package} needs {package}", hint=f"pip install {package}")
