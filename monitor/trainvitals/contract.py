"""``check_rule``: what every rule must keep, built-in or plugin. Plugin authors run it in their own tests."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from trainvitals.errors import RuleContractError
from trainvitals.model import Finding, Run, Series
from trainvitals.reads import SIGNALS, NotingView
from trainvitals.rules.rule import FAMILIES, PAGE_HEADINGS, NotEnough, Rule

LONG_POINTS = 400


def check_rule(rule_class: type[Rule[Any]]) -> None:
    """Hold a rule against the contract.

    Its code, name, page and thresholds must be complete; on awkward runs (empty, one point, constant, NaN, infinite,
    repeated and backward steps, negative, huge and tiny values) it must not raise, must answer the same twice, must
    not change its input, must read no signal that it does not declare, must give complete findings, and must stay
    silent on a healthy run.

    Raises:
        RuleContractError: the first thing that is not kept, and how to mend it.
    """
    rule = rule_class()
    where = rule_class.__name__
    for check in (_check_identity, _check_page, _check_thresholds):
        check(rule, where)
    for name, run in awkward_runs():
        _check_on_run(rule, run, f"{where} on the run {name!r}")
    _check_healthy(rule, where)


def awkward_runs() -> Iterator[tuple[str, Run]]:
    """Small runs that rules must survive, by name."""
    many = np.arange(LONG_POINTS)
    shapes: dict[str, tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]] = {
        "one point": (many[:1], np.array([1.0])),
        "two points": (many[:2], np.array([2.0, 1.0])),
        "constant": (many, np.full(LONG_POINTS, 0.7)),
        "all zero": (many, np.zeros(LONG_POINTS)),
        "all NaN": (many, np.full(LONG_POINTS, np.nan)),
        "all infinite": (many, np.full(LONG_POINTS, np.inf)),
        "one NaN": (many, np.where(many == 200, np.nan, 2.0 / (1 + many))),
        "ends in NaN": (many, np.where(many > 300, np.nan, 2.0 / (1 + many))),
        "steps go back": (np.concatenate([many, many]), np.tile(2.0 / (1 + many), 2)),
        "one step only": (np.zeros(LONG_POINTS, dtype=np.int64), 1.0 / (1 + many)),
        "negative": (many, -1.0 - many / 100),
        "huge": (many, 1e300 / (1 + many)),
        "tiny": (many, 1e-300 / (1 + many)),
        "negative steps": (many - LONG_POINTS, 1.0 / (1 + many)),
    }
    yield "empty", _run({})
    for name, (step, value) in shapes.items():
        yield name, _run(dict.fromkeys(_TAGS, (step, value)))
        yield f"{name}, loss only", _run({"train/loss": (step, value)})


def healthy_run() -> Run:
    """A run on which nothing at warning or above may be found: a power law with a little noise, val following train."""
    generator = np.random.default_rng(0)
    step = np.arange(1, LONG_POINTS + 1) * 10
    loss = 1.5 + 6.0 * step.astype(float) ** -0.35
    noise = 0.004 * generator.standard_normal((2, LONG_POINTS))
    columns = {
        "train/loss": (step, loss + noise[0]),
        "val/loss": (step[::10], (loss + 0.05 + noise[1])[::10]),
        "learning_rate/group0": (step, np.full(LONG_POINTS, 1e-3)),
        "train/grad_norm": (step, 0.5 + 0.05 * generator.standard_normal(LONG_POINTS)),
    }
    for layer in range(6):
        columns[f"grad_norm/layers.{layer}"] = (step, 0.2 + 0.02 * generator.standard_normal(LONG_POINTS))
        columns[f"weight_norm/layers.{layer}"] = (step, np.full(LONG_POINTS, 10.0) + step / 1e5)
    return _run(columns)


_TAGS = (
    "train/loss",
    "val/loss",
    "learning_rate/group0",
    "train/grad_norm",
    *(f"{kind}/layers.{layer}" for kind in ("grad_norm", "weight_norm", "update_ratio") for layer in range(4)),
)


def _run(columns: dict[str, tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]]) -> Run:
    series = {
        tag: Series(tag, step.astype(np.int64), step.astype(np.float64), value.astype(np.float64))
        for tag, (step, value) in columns.items()
    }
    return Run(id="run", path="", name="run", format="columns", series=series)


def _check_identity(rule: Rule[Any], where: str) -> None:
    _require(bool(re.fullmatch(r"[A-Z]{3}\d{3}", rule.code)), where, f"code {rule.code!r} is not like LOS001")
    _require(rule.code[:3] in FAMILIES, where, f"code {rule.code!r} belongs to none of: {', '.join(FAMILIES)}")
    _require(bool(re.fullmatch(r"[a-z]+(-[a-z]+)*", rule.name)), where, f"name {rule.name!r} is not in kebab case")
    _require(bool(rule.summary.strip()), where, "summary is empty")
    unknown = set(rule.reads) - SIGNALS
    _require(not unknown, where, f"reads {', '.join(sorted(unknown))}, which is no signal")
    _require(bool(rule.interventions), where, "interventions is empty: say what to try")


def _check_page(rule: Rule[Any], where: str) -> None:
    page = type(rule).__doc__ or ""
    for heading in PAGE_HEADINGS:
        body = re.search(rf"^\s*{re.escape(heading)}\n\s*-+\n(.+?)(?=^\s*\S[^\n]*\n\s*-+\n|\Z)", page, re.M | re.S)
        _require(body is not None and bool(body[1].strip()), where, f"the docstring lacks the section {heading!r}")


def _check_thresholds(rule: Rule[Any], where: str) -> None:
    names = [threshold.name for threshold in rule.thresholds]
    _require(len(names) == len(set(names)), where, "two thresholds have the same name")
    for threshold in rule.thresholds:
        complete = bool(threshold.reason.strip()) and bool(threshold.source.strip())
        _require(complete, where, f"threshold {threshold.name} needs a reason and a source")


def _check_on_run(rule: Rule[Any], run: Run, where: str) -> None:
    before = {tag: series.value.copy() for tag, series in run.series.items()}
    first = _attempt(lambda: _findings(rule, run), where)
    second = _attempt(lambda: _findings(rule, copy.copy(run)), where)
    _require(repr(first) == repr(second), where, "two looks at the same run give different findings")
    for tag, value in before.items():
        unchanged = np.array_equal(value, run.series[tag].value, equal_nan=True)
        _require(unchanged, where, f"the rule changed the values of {tag}")
    for finding in first:
        _check_finding(rule, finding, where)
    view = NotingView(run)
    rule.measure(view)
    undeclared = sorted(view.asked_for - set(rule.reads))
    _require(not undeclared, where, f"it reads {', '.join(undeclared)} without saying so in `reads`")


def _check_finding(rule: Rule[Any], finding: Finding, where: str) -> None:
    _require((finding.code, finding.name) == (rule.code, rule.name), where, "a finding carries another rule's name")
    _require(0.0 <= finding.confidence <= 1.0, where, f"confidence {finding.confidence} is outside 0..1")
    _require(bool(finding.summary.strip()), where, "a finding without a summary")
    _require(bool(finding.evidence), where, "a finding without evidence")
    steps = (finding.first_step, finding.last_step)
    ordered = None in steps or finding.first_step <= finding.last_step  # type: ignore[operator]
    _require(ordered, where, f"a finding from step {steps[0]} to {steps[1]}")


def _check_healthy(rule: Rule[Any], where: str) -> None:
    loud = [finding for finding in _findings(rule, healthy_run()) if finding.severity != "info"]
    _require(not loud, where, f"a warning on a healthy run: {loud[0].summary if loud else ''}")


def _findings(rule: Rule[Any], run: Run) -> list[Finding]:
    measurement = rule.measure(NotingView(run))
    return [] if isinstance(measurement, NotEnough) else rule.judge(measurement, rule.limits({}))


def _attempt(look: Callable[[], list[Finding]], where: str) -> list[Finding]:
    try:
        return look()
    except Exception as error:
        raise RuleContractError(f"raised {type(error).__name__}: {error}", where=where) from error


def _require(kept: bool, where: str, broken: str) -> None:
    if not kept:
        raise RuleContractError(broken, where=where, hint="see CONTRIBUTING.md, add a rule")
