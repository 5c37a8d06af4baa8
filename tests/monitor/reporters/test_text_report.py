"""The text report is what the golden files show: problem first, cause second, one action, what is unknown.

After a wanted change, ``python -m tests.monitor.reporters.test_text_report`` writes the golden files anew; read the
difference before committing it.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console
from tests.monitor.reporters.diagnoses import HEALTHY, PLATEAU, SICK, UNDETERMINED, forty

from trainvitals.model import Diagnosis, Evidence, Problem, Severity
from trainvitals.reporters.text_report import print_text

GOLDEN = Path(__file__).parent / "golden"
CASES: dict[str, tuple[Sequence[Diagnosis], bool]] = {
    "sick": ([SICK], False),
    "sick_verbose": ([SICK], True),
    "healthy": ([HEALTHY], False),
    "undetermined": ([UNDETERMINED], False),
    "three_runs": ([SICK, HEALTHY, UNDETERMINED], False),
    "forty_runs": (forty(), False),
}


def rendered(diagnoses: Sequence[Diagnosis], *, verbose: bool = False, terminal: bool = False) -> str:
    out = io.StringIO()
    console = Console(
        file=out, width=120, force_terminal=terminal, color_system="standard" if terminal else None, markup=False
    )
    print_text(diagnoses, console, verbose=verbose)
    return out.getvalue()


@pytest.mark.parametrize("name", CASES)
def test_the_report_is_what_the_golden_file_shows(name: str) -> None:
    diagnoses, verbose = CASES[name]
    assert rendered(diagnoses, verbose=verbose) == (GOLDEN / f"{name}.txt").read_text(encoding="utf-8")


def test_piped_text_has_no_escape_sequences() -> None:
    assert "\x1b" not in rendered([SICK, HEALTHY, UNDETERMINED])


def test_a_terminal_gets_colours() -> None:
    assert "\x1b[" in rendered([SICK], terminal=True)


def test_one_run_fits_one_screen() -> None:
    assert len(rendered([SICK]).splitlines()) <= 24


def test_escapes_and_markup_in_names_are_shown_and_not_obeyed() -> None:
    hostile = "\x1b[31mred\x07 [bold]markup[/bold] \u202ereversed\r\nnext"
    finding = replace(PLATEAU, summary=hostile, evidence=(Evidence(hostile, hostile),), layers=(hostile,))
    run = replace(SICK, id=hostile, findings=(finding,), problems=(Problem("gap", hostile, hostile),))
    text = rendered([run], verbose=True)
    for character in ("\x1b", "\x07", "\u202e", "\r"):
        assert character not in text
    assert "[bold]markup[/bold]" in text
    assert "\\x1b[31mred\\x07" in text


def test_an_accepted_finding_is_counted_and_its_reason_shown() -> None:
    accepted = replace(PLATEAU, state="accepted", accepted_because="stopped on purpose")
    text = rendered([replace(HEALTHY, findings=(accepted,)), HEALTHY])
    assert "accepted: plateau (stopped on purpose)" in text
    assert "1 accepted finding" in text


def test_a_finding_that_is_the_cause_of_the_worst_is_not_told_twice() -> None:
    cause = replace(PLATEAU, code="GRD001", name="vanishing-gradients", causes=())
    run = replace(SICK, findings=(PLATEAU, cause))
    assert "ALSO" not in rendered([run])
    assert "ALSO   vanishing-gradients since" in rendered([run], verbose=True)


def test_further_findings_are_named_after_the_worst() -> None:
    second = replace(PLATEAU, code="GEN001", name="overfitting", severity=Severity.WARNING, confidence=0.7)
    text = rendered([replace(SICK, findings=(PLATEAU, second))])
    assert text.index("plateau since") < text.index("ALSO   overfitting since")


if __name__ == "__main__":
    GOLDEN.mkdir(exist_ok=True)
    for case, (runs, is_verbose) in CASES.items():
        (GOLDEN / f"{case}.txt").write_text(rendered(runs, verbose=is_verbose), encoding="utf-8")
