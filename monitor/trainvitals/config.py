"""Settings: the defaults, and what ``[tool.trainvitals]`` or ``trainvitals.toml`` says. Unknown keys are refused."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal, cast

from trainvitals.errors import ConfigError
from trainvitals.signals import SignalOverrides

FailOn = Literal["never", "warning", "error"]
Purge = Literal["session", "step", "none"]

ANYWHERE = "**/"
"""Before the last folders of a run's path: whatever the ones before them are."""


@dataclass(frozen=True, slots=True)
class Acceptance:
    """A finding that somebody looked at and accepted. It is counted, never hidden.

    Args:
        finding: a rule's name, code or family.
        reason: why it is fine.
        tag: only where the evidence names this tag; shell wildcards are understood.
        run: only in runs with this id, name or path; shell wildcards are understood. After ``**/`` the first folder is
            one by its whole name, wherever it lies: ``**/runs/exp1`` is neither ``otherruns/exp1`` nor ``runs/exp12``.
    """

    finding: str
    reason: str
    tag: str | None = None
    run: str | None = None

    def covers(self, *, names: Iterable[str], tags: Iterable[str], run_names: Iterable[str]) -> bool:
        """Whether a finding with these names, on these tags, in this run is accepted."""
        if self.finding.casefold() not in {name.casefold() for name in names}:
            return False
        if self.tag is not None and not any(fnmatchcase(tag, self.tag) for tag in tags):
            return False
        return self.run is None or any(_is_named(name, self.run) for name in run_names)


def _is_named(name: str, pattern: str) -> bool:
    # What stands first has a folder's border before it, too.
    bordered = f"/{name}" if pattern.startswith(ANYWHERE) else name
    return fnmatchcase(bordered, pattern)


@dataclass(frozen=True, slots=True)
class Config:
    """Everything a person can set.

    Args:
        select: only these rules run; names, codes or families. Empty: all.
        accepted: findings that are counted but no longer open.
        fail_on: from which severity on the command line exits with 1.
        purge: what a restart replaces while reading event files.
        signals: tags whose meaning is told rather than inferred.
        thresholds: rule name to threshold name to value.
    """

    select: tuple[str, ...] = ()
    accepted: tuple[Acceptance, ...] = ()
    fail_on: FailOn = "never"
    purge: Purge = "session"
    signals: SignalOverrides = field(default_factory=SignalOverrides)
    thresholds: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    def with_ignored(self, names: Iterable[str], *, reason: str) -> Config:
        """The same settings with these findings accepted everywhere."""
        added = tuple(Acceptance(finding=name, reason=reason) for name in names)
        return replace(self, accepted=self.accepted + added)


def find_config_file(start: Path) -> Path | None:
    """The nearest ``trainvitals.toml``, or ``pyproject.toml`` with our table, in ``start`` or a folder above it."""
    for folder in (start, *start.parents):
        own = folder / "trainvitals.toml"
        if own.is_file():
            return own
        project = folder / "pyproject.toml"
        if project.is_file() and "trainvitals" in _parse(project).get("tool", {}):
            return project
    return None


def load_config(path: Path) -> Config:
    """Settings from one TOML file.

    Raises:
        ConfigError: the file cannot be read, or a key or value is not understood.
    """
    table = _parse(path)
    if path.name == "pyproject.toml":
        table = table.get("tool", {}).get("trainvitals", {})
    return config_from_table(table, where=str(path))


def config_from_table(table: Mapping[str, Any], *, where: str) -> Config:
    """Settings from a parsed table; names of rules are checked when the rules are chosen.

    Raises:
        ConfigError: a key or value is not understood.
    """
    known = ("select", "ignore", "fail-on", "purge", "train-loss", "val-loss", "learning-rate", "rules", "accept")
    _refuse_unknown(table, known, where)
    signals = SignalOverrides(
        train_loss=_names(table, "train-loss", where),
        val_loss=_names(table, "val-loss", where),
        learning_rate=_names(table, "learning-rate", where),
    )
    config = Config(
        select=_names(table, "select", where),
        accepted=tuple(_acceptance(entry, where) for entry in _tables(table, "accept", where)),
        fail_on=cast(FailOn, _choice(table, "fail-on", ("never", "warning", "error"), where)),
        purge=cast(Purge, _choice(table, "purge", ("session", "step", "none"), where)),
        signals=signals,
        thresholds=_thresholds(table.get("rules", {}), where),
    )
    return config.with_ignored(_names(table, "ignore", where), reason=f"ignored in {Path(where).name}")


def _parse(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"cannot read settings: {error}", where=str(path), hint="check the TOML syntax") from error


def _refuse_unknown(table: Mapping[str, Any], known: Iterable[str], where: str) -> None:
    known = tuple(known)
    for key in table:
        if key not in known:
            close = difflib.get_close_matches(key, known, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known)}"
            raise ConfigError(f"unknown setting {key!r}", where=where, hint=hint)


def _names(table: Mapping[str, Any], key: str, where: str) -> tuple[str, ...]:
    value = table.get(key, ())
    if isinstance(value, str):
        return (value,)
    if not isinstance(value, list | tuple) or not all(isinstance(name, str) for name in value):
        raise ConfigError(f"{key} must be a string or a list of strings", where=where)
    return tuple(value)


def _choice(table: Mapping[str, Any], key: str, choices: tuple[str, ...], where: str) -> str:
    value = table.get(key, choices[0])
    if value not in choices:
        raise ConfigError(f"{key} is {value!r}", where=where, hint=f"one of: {', '.join(choices)}")
    return str(value)


def _tables(table: Mapping[str, Any], key: str, where: str) -> list[Mapping[str, Any]]:
    entries = table.get(key, [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise ConfigError(f"{key} must be a list of tables", where=where, hint=f"write [[tool.trainvitals.{key}]]")
    return entries


def _acceptance(entry: Mapping[str, Any], where: str) -> Acceptance:
    _refuse_unknown(entry, ("finding", "reason", "tag", "run"), where)
    if not all(isinstance(value, str) for value in entry.values()):
        raise ConfigError("finding, reason, tag and run of an accept entry must be strings", where=where)
    if not entry.get("finding") or not entry.get("reason"):
        raise ConfigError("an accept entry needs a finding and a reason", where=where)
    return Acceptance(**entry)


def _thresholds(rules: Any, where: str) -> Mapping[str, Mapping[str, float]]:
    if not isinstance(rules, dict) or not all(isinstance(limits, dict) for limits in rules.values()):
        raise ConfigError("rules must be tables of thresholds", where=where, hint="write [tool.trainvitals.rules.NAME]")
    for rule, limits in rules.items():
        for name, value in limits.items():
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise ConfigError(f"rules.{rule}.{name} must be a number", where=where)
    return {rule: {name: float(value) for name, value in limits.items()} for rule, limits in rules.items()}
