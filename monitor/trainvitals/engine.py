"""From a run to its diagnosis: every rule once, each on its own, in the order of their codes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from trainvitals.absorption import absorb
from trainvitals.accepted import with_accepted
from trainvitals.causes import SIGNATURES, causes_of_slowness, explain_findings
from trainvitals.config import Config
from trainvitals.errors import ConfigError
from trainvitals.identity import NOTHING_TO_JUDGE
from trainvitals.interventions.registry import all_interventions
from trainvitals.marked_changes import marked_changes
from trainvitals.model import (
    Diagnosis,
    Evidence,
    Finding,
    NotAssessed,
    Problem,
    Progress,
    Run,
    Severity,
    Status,
    Suggestion,
)
from trainvitals.rules.registry import all_rules, broken_plugins, find_rule, select_rules
from trainvitals.rules.rule import NotEnough, Rule
from trainvitals.signals import understand
from trainvitals.view import RunView


def diagnose(run: Run, config: Config | None = None) -> Diagnosis:
    """What is wrong with a run, since when, why, how sure, what could not be judged, and what to try.

    The same run and settings give the same diagnosis, whatever the order of tags and rules. A rule that raises
    becomes a problem of the diagnosis; the others still run. What an intervention marked in the run has done is judged
    by diagnosing the parts before and after it.

    Raises:
        ConfigError: the settings name a tag, a rule or a threshold that does not exist.
    """
    config = config or Config()
    return with_accepted(judge(run, config), config.accepted)


def judge(run: Run, config: Config) -> Diagnosis:
    """The diagnosis of a run before anybody accepts anything of it.

    Raises:
        ConfigError: as for ``diagnose``.
    """
    check_settings(config)
    return replace(_judged(run, config), changes=marked_changes(run, lambda part: _judged(part, config)))


def _judged(run: Run, config: Config) -> Diagnosis:
    signals = understand(run, config.signals)
    view = RunView(run, signals, config.thresholds)
    rules = select_rules(config.select)
    outcome = _apply(rules, view)
    found = _without_what_an_alarm_refutes(outcome.findings)
    findings = absorb(found, {rule.name: rule.absorbs for rule in rules}, view.span_steps)
    findings = explain_findings(findings, view, outcome.ruled_out)
    slow_because = causes_of_slowness(view.progress, findings, view, outcome.ruled_out)
    beside = {finding.name: finding for finding in findings}
    findings = tuple(_with_interventions(finding, beside, view, outcome.problems) for finding in findings)
    status = _status_when_clear(findings, view.progress, supervised=signals.supervised)
    diagnosis = Diagnosis(
        id=run.id,
        path=run.path,
        name=run.name,
        format=run.format,
        first_step=run.first_step,
        last_step=run.last_step,
        points=run.points,
        status=status,
        signals=signals.summary(),
        progress=replace(view.progress, causes=slow_because),
        findings=tuple(sorted(findings, key=_worst_first)),
        not_assessed=tuple(outcome.not_assessed),
        problems=(*run.problems, *broken_plugins(), *outcome.problems),
        status_when_clear=status,
    )
    return with_accepted(diagnosis, ())


def check_settings(config: Config) -> None:
    """Refuse settings that name a rule or a threshold that does not exist.

    Raises:
        UnknownRuleError: a name stands for no rule.
        ConfigError: a threshold that the rule does not have.
    """
    if config.select:
        select_rules(config.select)
    for acceptance in config.accepted:
        select_rules((acceptance.finding,))
    for name, settings in config.thresholds.items():
        rule = find_rule(name)
        try:
            rule.limits(settings)
        except KeyError as unknown:
            known = ", ".join(threshold.name for threshold in rule.thresholds)
            raise ConfigError(
                f"rule {rule.name} has no threshold {unknown.args[0]!r}", where=f"rules.{name}", hint=f"it has: {known}"
            ) from None


@dataclass(slots=True)
class _Outcome:
    """What the rules said; ``ruled_out`` has what was measured and is not the case, by rule."""

    findings: list[Finding] = field(default_factory=list)
    ruled_out: dict[str, Evidence] = field(default_factory=dict)
    not_assessed: list[NotAssessed] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def _apply(rules: Iterable[Rule[Any]], view: RunView) -> _Outcome:
    outcome = _Outcome()
    for rule in rules:
        try:
            measurement = rule.measure(view)
            if isinstance(measurement, NotEnough):
                if measurement.missing:
                    missing = NotAssessed(rule.code, rule.name, measurement.missing, measurement.how)
                    outcome.not_assessed.append(missing)
                continue
            limits = rule.limits(view.settings_of(rule))
            found = rule.judge(measurement, limits)
            outcome.findings.extend(found)
            if not found and (number := rule.rule_out(measurement, limits)) is not None:
                outcome.ruled_out[rule.name] = number
        except Exception as error:  # a broken rule, ours or a plugin's, must not take the diagnosis with it
            outcome.problems.append(_broken("rule-failed", rule.name, error))
    return outcome


def _without_what_an_alarm_refutes(findings: Sequence[Finding]) -> list[Finding]:
    """All findings but one that says too little was logged of a signal that another raises an alarm about."""
    alarmed = frozenset(tag for finding in findings if finding.severity is not Severity.INFO for tag in finding.signals)
    return [finding for finding in findings if finding.name != NOTHING_TO_JUDGE or not finding.signals & alarmed]


def _with_interventions(
    finding: Finding, beside: Mapping[str, Finding], view: RunView, problems: list[Problem]
) -> Finding:
    """What helps against the likely causes of a finding, then what helps against the finding itself.

    Of the latter, what only helps against a cause that a number rules out is left out.
    """
    suggestions: dict[str, Suggestion] = {}
    for name, reason in _to_try(finding, beside):
        suggestion = None if name in suggestions else _suggestion(name, view, reason, problems)
        if suggestion is not None:
            suggestions[name] = suggestion
    return replace(finding, interventions=tuple(suggestions.values()))


def _to_try(finding: Finding, beside: Mapping[str, Finding]) -> Iterator[tuple[str, Finding]]:
    """Names of interventions, the best first, each with the finding that it is for."""
    root = finding.root
    likely = [cause.name for cause in finding.causes if not cause.is_ruled_out and cause.name != finding.name]
    for name in likely if root is None else [each for each in likely if each == root.name]:
        if name in beside:
            yield from ((each, beside[name]) for each in beside[name].to_try or _interventions_of(name))
        elif root is not None:
            yield from ((each, finding) for each in _interventions_of(name))
    useless: set[str] = set()
    if root is not None and root.name != finding.name:
        useless.update(*(_interventions_of(cause.name) for cause in finding.causes if cause.is_ruled_out))
    yield from ((each, finding) for each in finding.to_try or _interventions_of(finding.name) if each not in useless)


def _interventions_of(name: str) -> tuple[str, ...]:
    """What helps against a finding or a cause of this name."""
    of_rules = next((rule.interventions for rule in all_rules() if rule.name == name), None)
    return of_rules or (SIGNATURES[name].to_try if name in SIGNATURES else ())


def _suggestion(name: str, view: RunView, finding: Finding, problems: list[Problem]) -> Suggestion | None:
    intervention = all_interventions().get(name)
    if intervention is None:
        problems.append(Problem("unknown-intervention", finding.name, f"there is no intervention {name!r}"))
        return None
    try:
        return intervention.suggest(view, finding)
    except Exception as error:  # as for rules: the other suggestions still count
        problems.append(_broken("intervention-failed", name, error))
        return None


def _broken(kind: str, name: str, error: Exception) -> Problem:
    text = " ".join(f"{type(error).__name__}: {error}".split())
    return Problem(kind, name, f"{text}; please report it, with the log if you can")


def _status_when_clear(findings: Sequence[Finding], progress: Progress, *, supervised: bool) -> Status:
    too_little = any(finding.name == NOTHING_TO_JUDGE for finding in findings)
    judged = supervised and progress.judged and not too_little
    # A loss that gets much worse, of which no rule is sure, is neither sick nor healthy.
    return Status.HEALTHY if judged and not progress.gets_much_worse else Status.UNDETERMINED


def _worst_first(finding: Finding) -> tuple[int, float, str, int]:
    return (-finding.severity.rank, -finding.confidence, finding.code, finding.first_step or 0)
