"""A training that goes wrong, its diagnosis, the advice followed, and the run that is healthy then."""

from __future__ import annotations

import io
from contextlib import redirect_stderr
from pathlib import Path
from typing import TYPE_CHECKING

from trainvitals.errors import ConfigError, MissingExtraError, TrainvitalsError
from trainvitals.samples import sample_logs

if TYPE_CHECKING:
    from rich.console import Console

    from trainvitals.model import Diagnosis
    from trainvitals_hooks.demo.scenario import Scenario

FOLDER = Path("runs") / "demo"


def scenarios() -> dict[str, Scenario]:
    """Every scenario by name.

    Raises:
        MissingExtraError: torch is not installed.
    """
    try:
        from trainvitals_hooks.demo.registry import SCENARIOS
    except ModuleNotFoundError as missing:
        if missing.name != "torch":
            raise
        hint = f"pip install 'trainvitals[torch]'; without it: trainvitals diagnose {sample_logs()}"
        raise MissingExtraError("the demo trains a model and needs torch", hint=hint) from None
    return SCENARIOS


def find_scenario(name: str | None) -> Scenario:
    """The scenario of this name, the first one where none is given.

    Raises:
        MissingExtraError: torch is not installed.
        ConfigError: there is none of this name.
    """
    known = scenarios()
    if name is None:
        return next(iter(known.values()))
    if name not in known:
        raise ConfigError(f"no scenario {name!r}", hint=f"there are: {', '.join(known)}")
    return known[name]


def play(scenario: Scenario, console: Console, *, seed: int = 0) -> bool:
    """Train, diagnose, follow the advice, train again, compare; whether all of it came out as promised.

    Raises:
        TrainvitalsError: the first run was not found to be what it is.
    """
    from rich.text import Text

    from trainvitals.comparison import compare
    from trainvitals.formats import read_run
    from trainvitals.reporters.comparison_report import print_comparison

    def title(text: str) -> None:
        console.print(Text(text, style="bold"))

    title(f"1  A training goes wrong: {scenario.story}")
    sick = _train(scenario, "sick", None, console, seed)
    diagnosis = _diagnosed(sick, console)
    found = next((each for each in diagnosis.findings if scenario.name in (each.name, *each.consequences)), None)
    advice = {} if found is None else {each.name: each for each in found.interventions}
    if scenario.remedy not in advice:
        raise TrainvitalsError(f"{scenario.name} was not found", where=str(sick), hint="please report this run")
    followed, place = advice[scenario.remedy], list(advice).index(scenario.remedy) + 1
    title(f"\n2  The advice is followed, suggestion {place} of {len(advice)}: {followed.summary}")
    mended = _train(scenario, "mended", followed.how, console, seed)
    outcome = _diagnosed(mended, console)
    title("\n3  Before and after")
    print_comparison(compare(read_run(str(sick)), read_run(str(mended))), console)
    console.print()
    console.print(Text(f"Both in TensorBoard: tensorboard --logdir {FOLDER / scenario.name}"))
    others = ", ".join(name for name in scenarios() if name != scenario.name)
    console.print(Text(f"trainvitals demo SCENARIO shows more: {others}"))
    return outcome.status.value == "healthy"


def _train(scenario: Scenario, which: str, advice: str | None, console: Console, seed: int) -> Path:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from trainvitals_hooks.demo.scenario import train

    columns = (TextColumn("   training"), BarColumn(), MofNCompleteColumn(), TextColumn("steps"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress, redirect_stderr(io.StringIO()):
        steps = progress.add_task("", total=scenario.steps)
        return train(
            scenario, FOLDER / scenario.name / which, lambda: progress.advance(steps), advice=advice, seed=seed
        )


def _diagnosed(folder: Path, console: Console) -> Diagnosis:
    from trainvitals.engine import diagnose
    from trainvitals.formats import read_run
    from trainvitals.reporters.text_report import print_text

    diagnosis = diagnose(read_run(str(folder)))
    print_text([diagnosis], console)
    return diagnosis
