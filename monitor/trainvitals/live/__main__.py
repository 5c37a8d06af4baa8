"""``python -m trainvitals.live FOLDER``: changes as JSON lines for the process that started it; see ``child``."""

from __future__ import annotations

import os
import signal
import sys

import click

from trainvitals.live.companion import REFUSED, SHARE


@click.command()
@click.argument("folder", metavar="FOLDER")
@click.option("--interval", metavar="S", type=click.FloatRange(0.1, 3600), default=1.0, help="Look every S s.")
@click.option("--ignore", metavar="NAME|CODE|FAMILY", multiple=True, help="Accept these findings. Repeatable.")
@click.option("--alone", is_flag=True, help="Only the run of FOLDER itself, none in folders below it.")
@click.option("--share", metavar="P", type=click.FloatRange(1e-4, 1), default=SHARE, help="Take this part of a core.")
@click.option("--colour", is_flag=True, help="The texts are for a terminal.")
@click.option("--parent", metavar="PID", type=int, help="End when this is no longer the parent, whatever stdin says.")
def main(
    folder: str,
    interval: float,
    ignore: tuple[str, ...],
    alone: bool,
    share: float,
    colour: bool,
    parent: int | None,
) -> None:
    """Follow FOLDER and write its changes as lines of JSON until stdin is closed."""
    # Ctrl-C is the parent's, also while all this loads.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    from trainvitals.errors import TrainvitalsError
    from trainvitals.live.child import serve
    from trainvitals.live.follower import Follower
    from trainvitals.session import settings

    try:
        follower = Follower(folder, settings(ignore=ignore), share=share, alone=alone)
        parent = parent or os.getppid()
        serve(follower, sys.stdin.fileno(), sys.stdout, interval_s=interval, colour=colour, parent=parent)
    except TrainvitalsError as error:
        click.echo(f"trainvitals: {error.message()}", err=True)
        sys.exit(REFUSED)
    except BrokenPipeError:
        # Nobody reads any more. Python would complain once more when it flushes stdout while closing.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


main()
