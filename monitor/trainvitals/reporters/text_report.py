"""The report that a person reads in a terminal; plain text when piped."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from trainvitals.model import Diagnosis
from trainvitals.reporters import wording
from trainvitals.reporters.run_block import RunBlock
from trainvitals.reporters.run_table import run_table

# More runs than this do not fit on a screen as blocks.
MOST_BLOCKS = 6
# Longer lines are hard to read, and the right-hand column would drift away from what it belongs to.
WIDEST = 120


def print_text(diagnoses: Sequence[Diagnosis], console: Console, *, verbose: bool = False) -> None:
    """Print one block a run, or a table where there are many runs, then how many are sick.

    Args:
        console: where to; its width decides where the right-hand column ends.
        verbose: blocks for all, however many, with everything in them.
    """
    if len(diagnoses) > MOST_BLOCKS and not verbose:
        console.print(run_table(diagnoses))
    else:
        for diagnosis in diagnoses:
            for line in RunBlock(diagnosis, width=min(console.width, WIDEST), verbose=verbose).lines():
                console.print(line, soft_wrap=not console.is_terminal)
    if len(diagnoses) > 1:
        console.print()
        console.print(Text(wording.count_of_runs(diagnoses), style="bold"))
