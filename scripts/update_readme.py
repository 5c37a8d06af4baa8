"""Renew the outputs that README shows: ``python scripts/update_readme.py [--check]``.

A block that follows ``<!-- output of: COMMAND -->`` is replaced with what that command prints; with ``--check`` nothing
changes, and the exit status is 1 if a block is out of date.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
BLOCK = re.compile(r"(<!-- output of: trainvitals (.+?) -->\n```\w*\n)(.*?)(```\n)", re.S)
COLUMNS = "120"


def main() -> None:
    """Renew the blocks, or say that they are out of date."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 if a block is out of date")
    arguments = parser.parse_args()
    before = README.read_text(encoding="utf-8")
    after = renewed(before)
    if arguments.check and after != before:
        sys.exit("README.md is out of date: run scripts/update_readme.py")
    if after != before:
        README.write_text(after, encoding="utf-8")


def renewed(text: str) -> str:
    """The document with every block as its command prints it now."""
    return BLOCK.sub(lambda block: block[1] + output(shlex.split(block[2])) + block[4], text)


def output(arguments: list[str]) -> str:
    """What the command line prints when its output is no terminal."""
    result = subprocess.run(
        [sys.executable, "-m", "trainvitals", *arguments],
        cwd=ROOT,
        env=os.environ | {"COLUMNS": COLUMNS, "PYTHONPATH": str(ROOT / "monitor")},
        capture_output=True,
        text=True,
        check=True,
    )
    lines = [line.rstrip() for line in result.stdout.strip("\n").splitlines()]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
