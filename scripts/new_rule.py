"""Start a new rule: ``python scripts/new_rule.py GRD907 saturated-gates``.

Writes the rule's file with the headings of its page, its test, and its line in the registry, and says what to do next.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from trainvitals.rules.rule import FAMILIES, PAGE_HEADINGS

ROOT = Path(__file__).resolve().parents[1]
RULES = ROOT / "monitor" / "trainvitals" / "rules"
REGISTRY = RULES / "registry.py"
TESTS = ROOT / "tests" / "monitor" / "rules"

RULE = '''"""{code}: in one line, what is wrong."""

from __future__ import annotations

from collections.abc import Mapping

from trainvitals.model import Evidence, Finding, Severity
from trainvitals.rules.rule import NotEnough, Rule, Threshold
from trainvitals.view import RunView


class {cls}(Rule[float]):
    """In one line, what is wrong.

{page}
    """

    code = "{code}"
    name = "{name}"
    summary = ""
    reads = ()
    thresholds = (Threshold("limit", 1.0, reason="", source=""),)
    interventions = ()

    def measure(self, view: RunView) -> float | NotEnough:
        raise NotImplementedError

    def judge(self, measurement: float, limits: Mapping[str, float]) -> list[Finding]:
        if measurement <= limits["limit"]:
            return []
        evidence = Evidence("what was measured", value=measurement, threshold=limits["limit"])
        return [self.finding(Severity.WARNING, 0.9, "what is wrong, with numbers", evidence=(evidence,))]
'''

TEST = '''"""{name}: found where it is, and nowhere else."""

from __future__ import annotations

import pytest

from trainvitals import Config, check_rule, diagnose
from trainvitals.rules.{folder}.{module} import {cls}
from trainvitals.synth import SHAPES, healthy_run, sick_run

ONLY_THIS = Config(select=("{name}",))


def test_the_rule_keeps_the_contract():
    check_rule({cls})


@pytest.mark.parametrize("shape", SHAPES)
def test_nothing_is_found_in_a_healthy_run(shape):
    diagnosis = diagnose(healthy_run(shape).run, ONLY_THIS)
    assert (diagnosis.findings, diagnosis.problems) == ((), ())


def test_it_is_found_from_the_step_on_at_which_it_begins():
    sick = sick_run("{name}")
    (finding,) = diagnose(sick.run, ONLY_THIS).findings
    assert abs(finding.first_step - sick.truth.onset_step) <= 80
'''

NEXT = """
Next:
  1. write the page: the text under each heading of the class's docstring (`trainvitals explain {name}` prints it)
  2. write measure() and judge(); give every threshold its reason and source
  3. name in `interventions` what to try: files of monitor/trainvitals/interventions/
  4. teach the fault to monitor/trainvitals/synth/faults.py, under the name {name}
  5. pytest {test}
     says what is still missing, one thing at a time
  6. add `{name}` to CHANGELOG.md, renew docs/recording.md (scripts/recording.py, needs torch), then `make test`"""


class Existing(NamedTuple):
    """A rule that is in the tree already."""

    code: str
    name: str
    module: str


def main() -> None:
    """Check that code and name are free, then write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("code", help=f"a family ({', '.join(FAMILIES)}) and three digits, such as GRD907")
    parser.add_argument("name", help="the problem, in kebab case, such as saturated-gates")
    arguments = parser.parse_args()
    complaint = refusal(arguments.code, arguments.name)
    if complaint:
        parser.error(complaint)
    write(arguments.code, arguments.name)


def refusal(code: str, name: str) -> str | None:
    """Why a rule cannot have this code and name, or None where it can."""
    if not re.fullmatch(r"[A-Z]{3}\d{3}", code) or code[:3] not in FAMILIES:
        return f"code {code!r} is not a family ({', '.join(FAMILIES)}) followed by three digits"
    if not re.fullmatch(r"[a-z]+(-[a-z]+)*", name):
        return f"name {name!r} is not in kebab case"
    for rule in existing():
        if code == rule.code:
            return f"{code} is taken by {rule.name}; the next free code is {_next_free(code[:3])}"
        if name == rule.name:
            return f"{name} is taken by {rule.code}"
    return None


def existing() -> Iterator[Existing]:
    """The rules in the tree, as their files say."""
    for path in sorted(RULES.glob("*/*.py")):
        source = path.read_text(encoding="utf-8")
        code, name = (re.search(rf'^    {key} = "(.+)"$', source, re.M) for key in ("code", "name"))
        if code and name:
            yield Existing(code[1], name[1], f"{path.parent.name}.{path.stem}")


def write(code: str, name: str) -> None:
    """Write rule, test and registry line, and say what to do next."""
    folder, module = FAMILIES[code[:3]].replace("-", "_"), name.replace("-", "_")
    cls = "".join(word.capitalize() for word in name.split("-"))
    page = "\n\n".join(f"    {heading}\n    {'-' * len(heading)}" for heading in PAGE_HEADINGS)
    rule, test = RULES / folder / f"{module}.py", TESTS / folder / f"test_{module}.py"
    registry = _registered(code, f"{folder}.{module}", cls)
    rule.parent.mkdir(exist_ok=True)
    test.parent.mkdir(parents=True, exist_ok=True)
    package = rule.parent / "__init__.py"
    if not package.exists():
        package.write_text(f'"""Rules about {FAMILIES[code[:3]]}, one a file."""\n', encoding="utf-8")
    rule.write_text(RULE.format(code=code, name=name, cls=cls, page=page), encoding="utf-8")
    test.write_text(TEST.format(name=name, folder=folder, module=module, cls=cls), encoding="utf-8")
    REGISTRY.write_text(registry, encoding="utf-8")
    for path in (rule, test, REGISTRY):
        print(f"wrote {path.relative_to(ROOT)}")
    print(NEXT.format(name=name, test=test.relative_to(ROOT)))


def _next_free(family: str) -> str:
    taken = {int(rule.code[3:]) for rule in existing() if rule.code.startswith(family)}
    return f"{family}{max(taken, default=0) + 1:03d}"


def _registered(code: str, module: str, cls: str) -> str:
    """The registry with a line for this rule, behind the last one that comes before it in the order of families."""
    families = list(FAMILIES)
    codes = {rule.module: rule.code for rule in existing()}
    lines = REGISTRY.read_text(encoding="utf-8").splitlines(keepends=True)
    start = next(number for number, line in enumerate(lines) if line.startswith("BUILT_IN"))
    end = next(number for number, line in enumerate(lines) if number > start and line.startswith(")"))

    def order(rule_code: str) -> tuple[int, str]:
        return families.index(rule_code[:3]), rule_code

    earlier = [
        number
        for number in range(start + 1, end)
        if (found := re.search(r'"([\w.]+)"', lines[number])) and order(codes[found[1]]) < order(code)
    ]
    lines.insert(max(earlier, default=start) + 1, f'    ("{module}", "{cls}"),\n')
    return "".join(lines)


if __name__ == "__main__":
    main()
