"""The engine runs every rule apart from the others, and the answer depends on nothing but run and settings."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pytest

from trainvitals.config import Acceptance, Config
from trainvitals.engine import diagnose
from trainvitals.errors import ConfigError, UnknownRuleError
from trainvitals.model import Evidence, Finding, Run, Series, Severity, Status, Verdict
from trainvitals.rules import registry
from trainvitals.rules.rule import NotEnough, Rule, Threshold
from trainvitals.signals import SignalOverrides
from trainvitals.view import RunView


class Loud(Rule[float]):
    """Warns whenever the loss ends above a threshold."""

    code = "LOS901"
    name = "loud"
    summary = "ends high"
    thresholds = (Threshold("highest", 1.0, "a test's choice", "none"),)
    absorbs = ("quiet",)
    interventions = ("lower-learning-rate",)

    def measure(self, view: RunView) -> float | NotEnough:
        loss = view.train_loss
        if loss is None:
            return NotEnough(("train_loss",), "vitals.log(loss=loss)")
        return float(loss.curve.value[-1])

    def judge(self, measurement: float, limits: Mapping[str, float]) -> list[Finding]:
        if measurement <= limits["highest"]:
            return []
        evidence = Evidence("ends high", "train/loss", measurement, limits["highest"])
        return [self.finding(Severity.WARNING, 0.9, "ends high", first_step=0, evidence=(evidence,))]


class Quiet(Rule[int]):
    """Always has a note."""

    code = "LOS902"
    name = "quiet"
    summary = "a note"
    interventions = ("lower-learning-rate",)

    def measure(self, view: RunView) -> int:
        return len(view.run.series)

    def judge(self, measurement: int, limits: Mapping[str, float]) -> list[Finding]:
        return [self.finding(Severity.INFO, 0.5, f"{measurement} tags", first_step=0)]


class Broken(Rule[int]):
    """Raises."""

    code = "GRD901"
    name = "broken"
    summary = "raises"

    def measure(self, view: RunView) -> int:
        raise ZeroDivisionError("as\nplanned")

    def judge(self, measurement: int, limits: Mapping[str, float]) -> list[Finding]:
        raise AssertionError("never reached")


@pytest.fixture(autouse=True)
def three_rules(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    rules = (Broken(), Loud(), Quiet())
    monkeypatch.setattr(registry, "_load", lambda: (rules, ()))
    registry.all_rules.cache_clear()
    registry.broken_plugins.cache_clear()
    yield
    registry.all_rules.cache_clear()
    registry.broken_plugins.cache_clear()


def run_with(columns: Mapping[str, Any]) -> Run:
    series = {
        tag: Series(tag, np.arange(len(value)), np.full(len(value), np.nan), np.asarray(value, dtype=float))
        for tag, value in columns.items()
    }
    return Run("runs/exp1", "somewhere/runs/exp1", "exp1", "columns", series)


HIGH = run_with({"train/loss": np.full(100, 5.0)})
LOW = run_with({"train/loss": np.linspace(3.0, 0.5, 100)})


def test_a_rule_that_raises_is_a_problem_and_the_others_still_run() -> None:
    diagnosis = diagnose(HIGH)
    assert [problem.kind for problem in diagnosis.problems] == ["rule-failed"]
    assert diagnosis.problems[0].where == "broken"
    assert "ZeroDivisionError: as planned" in diagnosis.problems[0].text
    assert [finding.name for finding in diagnosis.findings] == ["loud"]


def test_a_root_takes_in_its_symptom() -> None:
    assert diagnose(HIGH).findings[0].consequences == ("quiet",)


def test_a_missing_signal_is_reported_as_not_assessed() -> None:
    diagnosis = diagnose(run_with({"some/metric": np.ones(5)}))
    assert [(rule.name, rule.missing) for rule in diagnosis.not_assessed] == [("loud", ("train_loss",))]
    assert diagnosis.status is Status.UNDETERMINED


class TooShort(Quiet):
    """Says that there is nothing to judge."""

    code = "RUN901"
    name = "nothing-to-judge"


def test_a_run_with_nothing_to_judge_is_never_called_healthy(monkeypatch: pytest.MonkeyPatch) -> None:
    long_and_fine = run_with({"train/loss": 0.2 + 2.0 / np.sqrt(1 + np.arange(400))})
    assert diagnose(long_and_fine).status is Status.HEALTHY
    monkeypatch.setattr(registry, "_load", lambda: ((TooShort(),), ()))
    registry.all_rules.cache_clear()
    assert diagnose(long_and_fine).status is Status.UNDETERMINED


class TooShortALoss(Quiet):
    """Says that the loss is too short."""

    code = "RUN902"
    name = "nothing-to-judge"

    def judge(self, measurement: int, limits: Mapping[str, float]) -> list[Finding]:
        evidence = Evidence("few points", "train/loss", measurement)
        return [self.finding(Severity.INFO, 0.95, "few points", evidence=(evidence,))]


@pytest.mark.parametrize(("level", "names"), [(3.0, ["loud"]), (0.5, ["nothing-to-judge"])])
def test_a_loss_that_an_alarm_was_raised_about_was_not_too_short(
    monkeypatch: pytest.MonkeyPatch, level: float, names: list[str]
) -> None:
    monkeypatch.setattr(registry, "_load", lambda: ((Loud(), TooShortALoss()), ()))
    registry.all_rules.cache_clear()
    diagnosis = diagnose(run_with({"train/loss": np.full(10, level)}))
    assert [finding.name for finding in diagnosis.findings] == names


@pytest.mark.parametrize(("rise", "status"), [(0.005, Status.HEALTHY), (0.3, Status.UNDETERMINED)])
def test_a_loss_that_gets_much_worse_is_not_called_healthy(rise: float, status: Status) -> None:
    step = np.arange(60)
    loss = 0.5 + np.exp(-step / 3) + rise * np.maximum(0, step - 40) / 20
    diagnosis = diagnose(run_with({"train/loss": loss + np.random.default_rng(0).normal(0, 0.0002, 60)}))
    assert diagnosis.progress.verdict is Verdict.REGRESSING
    assert diagnosis.status is status


def test_the_worst_open_finding_is_the_status() -> None:
    assert diagnose(HIGH).status is Status.WARNING


def test_a_threshold_can_be_set_by_name_and_by_code() -> None:
    for name in ("loud", "LOS901"):
        assert diagnose(HIGH, Config(thresholds={name: {"highest": 9.0}})).findings[0].name == "quiet"


def test_select_runs_only_what_is_named() -> None:
    diagnosis = diagnose(HIGH, Config(select=("quiet",)))
    assert [finding.name for finding in diagnosis.findings] == ["quiet"]
    assert not diagnosis.problems


@pytest.mark.parametrize(
    ("acceptance", "accepted"),
    [
        (Acceptance("loud", "known"), True),
        (Acceptance("LOS901", "known", run="exp*"), True),
        (Acceptance("loss", "known", tag="train/loss"), True),
        (Acceptance("loud", "known", run="exp2"), False),
        (Acceptance("loud", "known", tag="val/*"), False),
    ],
)
def test_an_accepted_finding_is_counted_but_not_open(acceptance: Acceptance, accepted: bool) -> None:
    diagnosis = diagnose(HIGH, Config(accepted=(acceptance,)))
    (loud,) = (finding for finding in diagnosis.findings if finding.name == "loud")
    assert (loud.state, loud.accepted_because) == (("accepted", "known") if accepted else ("open", None))
    assert (diagnosis.status is Status.WARNING) is not accepted
    assert (loud in diagnosis.open_findings) is not accepted


@pytest.mark.parametrize(
    ("config", "error", "says"),
    [
        (Config(select=("lowd",)), UnknownRuleError, "did you mean loud"),
        (Config(accepted=(Acceptance("nonsense", "r"),)), UnknownRuleError, "nonsense"),
        (Config(thresholds={"loud": {"hihest": 1.0}}), ConfigError, "it has: highest"),
        (Config(thresholds={"qqq": {"highest": 1.0}}), UnknownRuleError, "qqq"),
        (Config(signals=SignalOverrides(train_loss=("train/los",))), ConfigError, "train/los"),
    ],
)
def test_settings_that_name_nothing_are_refused(config: Config, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        diagnose(HIGH, config)


class Particular(Quiet):
    """Knows better than its rule what to try."""

    code = "LOS903"
    name = "particular"

    def judge(self, measurement: int, limits: Mapping[str, float]) -> list[Finding]:
        return [self.finding(Severity.INFO, 0.5, "a note", to_try=("check-wiring", "no-such-thing"))]


def test_a_finding_may_say_itself_what_to_try(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_load", lambda: ((Particular(), Quiet()), ()))
    registry.all_rules.cache_clear()
    diagnosis = diagnose(HIGH)
    tried = {finding.name: [s.name for s in finding.interventions] for finding in diagnosis.findings}
    assert tried == {"particular": ["check-wiring"], "quiet": ["lower-learning-rate"]}
    assert [(problem.kind, problem.where) for problem in diagnosis.problems] == [("unknown-intervention", "particular")]


class Stuck(Quiet):
    """A symptom."""

    code = "LOS904"
    name = "plateau"
    interventions = ("stop-and-keep-best", "check-wiring")


class Vanishing(Quiet):
    """A mechanism that explains it."""

    code = "GRD904"
    name = "vanishing-gradients"
    interventions = ("check-wiring", "better-initialisation")


def test_what_helps_against_the_cause_is_suggested_first_and_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_load", lambda: ((Vanishing(), Stuck()), ()))
    registry.all_rules.cache_clear()
    (plateau,) = (finding for finding in diagnose(LOW).findings if finding.name == "plateau")
    assert [cause.name for cause in plateau.causes] == ["vanishing-gradients"]
    names = [suggestion.name for suggestion in plateau.interventions]
    assert names == ["check-wiring", "better-initialisation", "stop-and-keep-best"]


class SurelyVanishing(Vanishing):
    """The same, so sure that it is the root."""

    def judge(self, measurement: int, limits: Mapping[str, float]) -> list[Finding]:
        return [self.finding(Severity.WARNING, 0.9, "a mechanism", first_step=0)]


class RuledOut(Quiet):
    """A mechanism that a number rules out."""

    code = "LRS904"
    name = "learning-rate-too-low"
    interventions = ("stop-and-keep-best",)

    def judge(self, measurement: int, limits: Mapping[str, float]) -> list[Finding]:
        return []

    def rule_out(self, measurement: int, limits: Mapping[str, float]) -> Evidence:
        return Evidence("it moves by 1e-3 a step")


def test_what_only_helps_against_a_cause_that_is_ruled_out_is_not_suggested(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_load", lambda: ((SurelyVanishing(), Stuck(), RuledOut()), ()))
    registry.all_rules.cache_clear()
    (plateau,) = (finding for finding in diagnose(LOW).findings if finding.name == "plateau")
    assert [cause.name for cause in plateau.causes] == ["vanishing-gradients", "learning-rate-too-low"]
    assert plateau.causes[1].evidence_against == ("it moves by 1e-3 a step",)
    names = [suggestion.name for suggestion in plateau.interventions]
    assert names == ["check-wiring", "better-initialisation"]


def test_the_same_answer_twice_and_in_any_order_of_tags() -> None:
    generator = np.random.default_rng(3)
    columns = {f"tag{index}": generator.normal(size=50) for index in range(12)}
    columns |= {"train/loss": np.linspace(3.0, 1.5, 100), "val/loss": np.linspace(3.0, 1.6, 100)}
    tags = list(columns)
    expected = repr(diagnose(run_with(columns)))
    for seed in range(5):
        random.Random(seed).shuffle(tags)
        assert repr(diagnose(run_with({tag: columns[tag] for tag in tags}))) == expected
