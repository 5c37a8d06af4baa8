"""The command line: click commands and nothing else. Every import that costs time waits until its command runs."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from trainvitals import __version__
from trainvitals.errors import TrainvitalsError

if TYPE_CHECKING:
    from rich.console import Console

EXIT_FINDINGS = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="trainvitals")
def cli() -> None:
    """Vital signs for training runs: what is wrong, since when, why, and what to try."""


@cli.command()
@click.argument("paths", metavar="PATH...", nargs=-1, required=True)
@click.option(
    "--format",
    "output_format",
    type=click.Choice(["text", "json", "html", "markdown"]),
    default="text",
    show_default=True,
)
@click.option("--output", metavar="FILE", help="Write the report to FILE instead of the terminal.")
@click.option("--select", metavar="NAME|CODE|FAMILY", multiple=True, help="Only these rules. Repeatable.")
@click.option("--ignore", metavar="NAME|CODE|FAMILY", multiple=True, help="Accept these findings. Repeatable.")
@click.option("--fail-on", type=click.Choice(["never", "warning", "error"]), help="Exit 1 from this severity on.")
@click.option("--train-loss", metavar="TAG", multiple=True, help="The training loss. Repeatable.")
@click.option("--val-loss", metavar="TAG", multiple=True, help="A validation loss. Repeatable.")
@click.option("--learning-rate", metavar="TAG", multiple=True, help="The learning rate. Repeatable.")
@click.option("--jobs", metavar="N", type=click.IntRange(1, 256), default=1, show_default=True, help="Processes.")
@click.option("--no-cache", is_flag=True, help="Read and judge all anew; keep nothing for the next time.")
@click.option("--verbose", is_flag=True, help="All evidence, all suggestions with code, all that was not judged.")
def diagnose(
    paths: tuple[str, ...],
    output_format: str,
    output: str | None,
    jobs: int,
    no_cache: bool,
    verbose: bool,
    **told: Any,
) -> None:
    """Say what is wrong with the runs at PATH: log files, run folders, or folders of runs.

    Exit status: 0 done; 1 findings at or above --fail-on; 2 bad usage, or nothing readable at PATH.
    """
    from trainvitals.kept import default_store
    from trainvitals.session import diagnose_paths, exceeds, settings

    if output_format == "html":
        from trainvitals.reporters.html_report import check_html_extra

        check_html_extra()
        if output is None and sys.stdout.isatty():
            raise click.UsageError("an HTML report is for a browser: give --output FILE")
    config = settings(**told)
    store = None if no_cache else default_store()
    diagnoses = diagnose_paths(paths, config, jobs=jobs, store=store, on_error=_complain)
    if not diagnoses:
        sys.exit(EXIT_USAGE)
    if output_format == "json":
        from trainvitals.reporters.json_report import render_json

        _write(render_json(diagnoses), output)
    elif output_format == "markdown":
        from trainvitals.reporters.markdown_report import render_markdown

        _write(render_markdown(diagnoses), output)
    elif output_format == "html":
        from trainvitals.reporters.html_report import render_html, runs_to_draw
        from trainvitals.session import loss_charts

        charts = loss_charts(paths, runs_to_draw(diagnoses), config, on_error=_complain)
        _write(render_html(diagnoses, charts), output)
    else:
        from trainvitals.reporters.text_report import print_text

        _print(lambda console: print_text(diagnoses, console, verbose=verbose), output)
    if exceeds(diagnoses, config.fail_on):
        sys.exit(EXIT_FINDINGS)


@cli.command()
@click.argument("path", metavar="PATH")
@click.option(
    "--interval", metavar="S", type=click.FloatRange(0.1, 3600), default=1.0, show_default=True, help="Look every S s."
)
@click.option("--until-idle", metavar="S", type=click.FloatRange(min=0), help="Stop when nothing grew for S s.")
@click.option("--select", metavar="NAME|CODE|FAMILY", multiple=True, help="Only these rules. Repeatable.")
@click.option("--ignore", metavar="NAME|CODE|FAMILY", multiple=True, help="Accept these findings. Repeatable.")
@click.option("--train-loss", metavar="TAG", multiple=True, help="The training loss. Repeatable.")
@click.option("--val-loss", metavar="TAG", multiple=True, help="A validation loss. Repeatable.")
@click.option("--learning-rate", metavar="TAG", multiple=True, help="The learning rate. Repeatable.")
def follow(path: str, interval: float, until_idle: float | None, **told: Any) -> None:
    """Follow the growing runs at PATH: a line for each finding that opens, worsens or is resolved.

    PATH need not hold a run yet. Ctrl-C ends with the report of diagnose. Exit status: 0 done; 2 bad usage, or no run.
    """
    from trainvitals.live.follower import Follower
    from trainvitals.live.terminal import follow_in_terminal
    from trainvitals.session import settings

    follower = Follower(path, settings(**told))
    console = _console()
    follow_in_terminal(follower, console, interval_s=interval, until_idle_s=until_idle)
    if follower.diagnoses:
        from trainvitals.reporters.text_report import print_text

        print_text(follower.diagnoses, console)
    for trouble in follower.troubles:
        _complain(trouble)
    if not follower.diagnoses:
        sys.exit(EXIT_USAGE)


@cli.command()
@click.argument("before", metavar="BEFORE")
@click.argument("after", metavar="AFTER")
@click.option("--format", "output_format", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option("--output", metavar="FILE", help="Write the report to FILE instead of the terminal.")
@click.option("--select", metavar="NAME|CODE|FAMILY", multiple=True, help="Only these rules. Repeatable.")
@click.option("--ignore", metavar="NAME|CODE|FAMILY", multiple=True, help="Accept these findings. Repeatable.")
def compare(before: str, after: str, output_format: str, output: str | None, **told: Any) -> None:
    """Compare two runs: what became of each finding and of what was promised to help, since which step the curves
    differ, what was set differently.

    Exit status: 0 done; 2 bad usage, or one of the two is not readable as one run.
    """
    from trainvitals.comparison import compare as compare_runs
    from trainvitals.formats import read_run
    from trainvitals.session import settings

    config = settings(**told)
    old, new = (read_run(path, purge=config.purge) for path in (before, after))
    comparison = compare_runs(old, new, config)
    if output_format == "json":
        from trainvitals.reporters.json_report import render_comparison

        _write(render_comparison(comparison), output)
    else:
        from trainvitals.reporters.comparison_report import print_comparison

        _print(lambda console: print_comparison(comparison, console), output)


@cli.command()
@click.argument("path", metavar="PATH")
@click.option("--train-loss", metavar="TAG", multiple=True, help="The training loss. Repeatable.")
@click.option("--val-loss", metavar="TAG", multiple=True, help="A validation loss. Repeatable.")
@click.option("--learning-rate", metavar="TAG", multiple=True, help="The learning rate. Repeatable.")
def signals(path: str, **told: Any) -> None:
    """Show what was found at PATH and how each tag was understood."""
    from trainvitals.formats import read_runs
    from trainvitals.reporters.signals_report import print_signals
    from trainvitals.session import settings
    from trainvitals.signals import understand

    config = settings(**told)
    runs = list(read_runs([path], purge=config.purge, on_error=_complain))
    if not runs:
        sys.exit(EXIT_USAGE)
    for run in runs:
        understood = understand(run, config.signals)
        _print(lambda console, run=run, understood=understood: print_signals(run, understood, console), None)


@cli.command()
def rules() -> None:
    """List the rules: code, name, family, what each finds."""
    from trainvitals.reporters.rules_report import print_rules
    from trainvitals.rules.registry import all_rules

    _print(lambda console: print_rules(all_rules(), console), None)


@cli.command()
@click.argument("name", metavar="NAME|CODE")
def explain(name: str) -> None:
    """Print the page of a rule: what it finds, why it matters, how, false alarms, what to try, sources.

    Causes that no rule finds by itself, such as labels-without-signal, have a shorter one.
    """
    from trainvitals.reporters.rule_page import page_of
    from trainvitals.reporters.rules_report import print_page

    page = page_of(name)
    _print(lambda console: print_page(page, console), None)


@cli.command()
@click.argument("paths", metavar="[PATH]...", nargs=-1)
@click.option("--port", metavar="N", type=click.IntRange(1, 65535), help="Default: the first free one from 8501 on.")
@click.option("--no-browser", is_flag=True, help="Open no browser.")
def app(paths: tuple[str, ...], port: int | None, no_browser: bool) -> None:
    """Show the runs at PATH in a browser: which are sick, since when, why, and what to try. Grows with them.

    Without PATH, those in ./runs, ./lightning_logs and ./logs, else the samples. Only this machine can see them:
    docs/remote.md says how to look from another one. Needs pip install 'trainvitals[app]'.
    """
    from trainvitals_app.serving.launch import launch

    launch(paths, port=port, browser=not no_browser)


@cli.command()
@click.argument("scenario", metavar="[SCENARIO]", required=False)
def demo(scenario: str | None) -> None:
    """Train a small model that goes wrong, diagnose it, follow the advice, and show it healthy. Needs torch.

    The runs are written to runs/demo/. Exit status: 0 done; 1 the second run is not healthy; 2 bad usage.

    \b
    SCENARIO is one of:
      vanishing-gradients (the default)
      non-finite-loss
      parameters-not-updated
      learning-rate-exhausted
      overfitting
    """
    from trainvitals.demo import find_scenario, play

    if not play(find_scenario(scenario), _console()):
        sys.exit(EXIT_FINDINGS)


def main() -> None:
    """Entry point: our own errors become one line on stderr and exit status 2, never a traceback."""
    try:
        cli.main(standalone_mode=False)
    except click.exceptions.Abort:
        sys.exit(EXIT_INTERRUPTED)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except TrainvitalsError as error:
        _complain(error)
        sys.exit(EXIT_USAGE)
    except BrokenPipeError:
        # The reader of our output went away, as `| head` does; Python would complain once more while closing.
        sys.stdout = None
        sys.exit(0)


def _complain(error: TrainvitalsError) -> None:
    from trainvitals.reporters.visible import visible

    click.echo(f"trainvitals: {visible(error.message())}", err=True)


def _write(text: str, output: str | None) -> None:
    if output is None:
        click.echo(text, nl=False)
        return
    try:
        with open(output, "w", encoding="utf-8") as file:  # noqa: PTH123 - pathlib would cost an import for nothing
            file.write(text)
    except OSError as error:
        raise click.UsageError(f"cannot write {output}: {error.strerror}") from error


def _print(show: Any, output: str | None) -> None:
    """Let ``show`` print on a console: the terminal, a pipe, or a file."""
    import io

    from rich.console import Console

    if output is None:
        show(_console())
        return
    buffer = io.StringIO()
    show(Console(file=buffer, width=WIDTH_WITHOUT_TERMINAL, markup=False, highlight=False, emoji=False))
    _write(buffer.getvalue(), output)


# A pipe or file has no width of its own; this one fits the report's right-hand column.
WIDTH_WITHOUT_TERMINAL = 120


def _console() -> Console:
    from rich.console import Console

    width = None if sys.stdout.isatty() else WIDTH_WITHOUT_TERMINAL
    return Console(width=width, markup=False, highlight=False, emoji=False)
