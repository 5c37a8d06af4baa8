"""Every rule keeps the contract, and a rule that does not is told what is broken."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pytest

from trainvitals import read_runs
from trainvitals.contract import awkward_runs, check_rule
from trainvitals.errors import RuleContractError
from trainvitals.interventions.registry import all_interventions
from trainvitals.model import Evidence, Finding, Severity
from trainvitals.reads import NotingView
from trainvitals.rules.loss import plateau
from trainvitals.rules.registry import all_rules
from trainvitals.rules.rule import PAGE_HEADINGS, NotEnough, Rule, Threshold
from trainvitals.samples import sample_logs
from trainvitals.synth import SCENARIOS
from trainvitals.view import RunView

PAGE = "\n\n".join(f"{heading}\n{'-' * len(heading)}\nSomething." for heading in PAGE_HEADINGS)


@pytest.mark.parametrize("rule", all_rules(), ids=lambda rule: rule.name)
def test_every_rule_keeps_the_contract(rule: Rule[Any]) -> None:
    check_rule(type(rule))


@pytest.mark.parametrize("rule", all_rules(), ids=lambda rule: rule.name)
def test_every_rule_suggests_interventions_that_exist(rule: Rule[Any]) -> None:
    assert set(rule.interventions) <= set(all_interventions())


def test_what_a_finding_says_to_try_exists() -> None:
    lists = (value for name, value in vars(plateau).items() if name.startswith("TO_TRY"))
    assert {name for names in lists for name in names} <= set(all_interventions())


@pytest.mark.parametrize("rule", all_rules(), ids=lambda rule: rule.name)
def test_every_rule_absorbs_only_rules_or_names_to_come(rule: Rule[Any]) -> None:
    assert rule.name not in rule.absorbs
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", name) for name in rule.absorbs)


class Sound(Rule[int]):
    __doc__ = f"A rule without faults.\n\n{PAGE}"

    code = "LOS998"
    name = "sound-rule"
    summary = "never finds anything"
    thresholds = (Threshold("limit", 1.0, "why not", "convention"),)
    interventions = ("lower-learning-rate",)

    def measure(self, view: RunView) -> int | NotEnough:
        return len(view.run.series)

    def judge(self, measurement: int, limits: Mapping[str, float]) -> list[Finding]:
        return []


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_no_rule_declares_what_it_never_reads() -> None:
    made = (*(run for _, run in awkward_runs()), *(make().run for make in SCENARIOS.values()))
    runs = (*made, *read_runs([sample_logs()]))
    for rule in all_rules():
        views = [NotingView(run) for run in runs]
        for view in views:
            rule.measure(view)
        assert set().union(*(view.asked_for for view in views)) == set(rule.reads), rule.name


def warn(self: Rule[int], measurement: int, limits: Mapping[str, float], **details: Any) -> list[Finding]:
    details = {"evidence": (Evidence("e"),), **details}
    return [self.finding(Severity.WARNING, 0.5, "summary", **details)] if measurement > 0 else []


def scribble(self: Rule[int], view: RunView) -> int:
    for series in view.run.series.values():
        series.value[:] = 0
    return 0


def count_calls(self: Rule[int], measurement: int, limits: Mapping[str, float]) -> list[Finding]:
    calls.append(1)
    return [self.finding(Severity.INFO, 0.5, f"look {len(calls)}", evidence=(Evidence("e"),))]


calls: list[int] = []

FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "code": ({"code": "loss1"}, "is not like LOS001"),
    "family": ({"code": "XYZ001"}, "belongs to none of"),
    "name": ({"name": "Sound_Rule"}, "kebab case"),
    "no interventions": ({"interventions": ()}, "say what to try"),
    "no page": ({"__doc__": "Nothing here."}, "lacks the section 'What it finds'"),
    "empty section": ({"__doc__": PAGE.replace("Something.", "", 1)}, "lacks the section 'What it finds'"),
    "threshold twice": ({"thresholds": Sound.thresholds * 2}, "the same name"),
    "threshold without reason": ({"thresholds": (Threshold("limit", 1.0, " ", "x"),)}, "needs a reason"),
    "reads nothing known": ({"reads": ("train_los",)}, "reads train_los, which is no signal"),
    "reads in secret": ({"measure": lambda self, view: len(view.losses)}, "it reads train_loss, val_loss without"),
    "reads a tag in secret": (
        {"measure": lambda self, view: len(view.recorded("output/log_z") or ())},
        "it reads output",
    ),
    "raises": ({"measure": lambda self, view: 1 // len(view.run.series)}, "raised ZeroDivisionError"),
    "changes its input": ({"measure": scribble}, "changed the values"),
    "two answers": ({"judge": count_calls}, "two looks"),
    "warns on a healthy run": ({"judge": warn}, "a warning on a healthy run"),
    "no evidence": ({"judge": lambda *a: warn(*a, evidence=())}, "without evidence"),
    "steps reversed": ({"judge": lambda *a: warn(*a, first_step=9, last_step=3)}, "from step 9 to 3"),
    "confidence": ({"judge": lambda self, m, limits: [self.finding(Severity.INFO, 1.5, "s")]}, "outside 0..1"),
}


def test_a_sound_rule_passes() -> None:
    check_rule(Sound)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_faulty_rule_is_told_what_is_broken(fault: str) -> None:
    attributes, says = FAULTS[fault]
    faulty = type("Faulty", (Sound,), {"__doc__": Sound.__doc__, **attributes})
    with pytest.raises(RuleContractError, match=re.escape(says)):
        check_rule(faulty)
