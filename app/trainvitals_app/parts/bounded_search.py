"""A person's regular expression over many texts, in a process that the system ends when that takes too long.

Python's own engine holds up every thread while it searches, and of some expressions, `(a+)+$` for one, it would search
for years. An engine with a limit of its own would read some expressions otherwise: `{i}`, `[[:alpha:]]`.
"""

from __future__ import annotations

import json
import subprocess
import sys
from functools import lru_cache

from trainvitals.errors import TrainvitalsError

# Of processor time, so that a machine that does much else makes no search too long; then also where the system cannot
# count that, and for whatever else may go wrong.
MOST_CPU_S = 0.5
MOST_WALL_S = 10.0
# Pages are drawn again every few seconds, mostly with the same expression and the same tags.
MOST_REMEMBERED = 32
# Without these a search takes no longer than the expression times the text.
BRANCHING = frozenset("*+?{(|")

_PROGRAM = """
import json, re, signal, sys
expression, texts = json.load(sys.stdin)
if hasattr(signal, "setitimer"):
    signal.setitimer(signal.ITIMER_VIRTUAL, float(sys.argv[1]))
found = re.compile(expression, re.IGNORECASE)
json.dump([found.search(text) is not None for text in texts], sys.stdout)
"""


@lru_cache(MOST_REMEMBERED)
def search(expression: str, texts: tuple[str, ...]) -> tuple[bool, ...] | None:
    """In which texts the expression is found, whatever the case; None where to find that out takes too long.

    Args:
        expression: one that ``re`` compiles.
        texts: where to look.

    Raises:
        TrainvitalsError: the process did not start, or failed.
    """
    command = [sys.executable, "-I", "-S", "-c", _PROGRAM, str(MOST_CPU_S)]
    asked = json.dumps([expression, texts]).encode("ascii")
    try:
        done = subprocess.run(
            command, input=asked, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=MOST_WALL_S, check=False
        )
    except subprocess.TimeoutExpired:
        return None
    except OSError as error:
        raise TrainvitalsError(f"the search did not start: {error.strerror}") from error
    if done.returncode < 0:
        return None
    if done.returncode > 0:
        raise TrainvitalsError("the search failed", hint="is there enough memory?")
    return tuple(json.loads(done.stdout))
