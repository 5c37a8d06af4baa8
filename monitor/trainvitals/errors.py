"""One tree of errors, each saying what happened, where, and what to try."""

from __future__ import annotations


class TrainvitalsError(Exception):
    """The root of everything this package raises on purpose.

    Args:
        what: what happened, in one clause without a final full stop.
        where: the file, tag or setting it happened at.
        hint: what the person can try next.
    """

    def __init__(self, what: str, *, where: str | None = None, hint: str | None = None) -> None:
        self.what = what
        self.where = where
        self.hint = hint
        super().__init__(self.message())

    def message(self) -> str:
        """The whole message on one line: ``where: what (hint)``."""
        prefix = f"{self.where}: " if self.where else ""
        suffix = f" ({self.hint})" if self.hint else ""
        return " ".join(f"{prefix}{self.what}{suffix}".split())


class LogError(TrainvitalsError):
    """A path cannot be read as a training log."""


class ConfigError(TrainvitalsError):
    """A setting is unknown, of the wrong type, or out of range."""


class UnknownRuleError(TrainvitalsError):
    """A rule name, code or family that no registered rule has."""


class RuleContractError(TrainvitalsError):
    """A rule does not keep the contract that ``check_rule`` tests."""


class MissingExtraError(TrainvitalsError):
    """An optional dependency is needed for what was asked."""
