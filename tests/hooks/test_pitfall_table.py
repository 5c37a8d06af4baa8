"""The table of pitfalls names tests that are there."""

from __future__ import annotations

import re

HOOKS = "tests/hooks"


def rows(root):
    table = (root / HOOKS / "README.md").read_text(encoding="utf-8").split("| pitfall | test |")[1]
    return [row.strip("|").rsplit("|", 1) for row in table.strip().splitlines()[1:]]


def test_every_pitfall_has_a_test_that_exists_or_a_reason(root):
    files = {path.name: path.read_text(encoding="utf-8") for path in (root / HOOKS).rglob("test_*.py")}
    assert len(rows(root)) >= 50
    wrong = []
    for pitfall, tested in rows(root):
        named = re.findall(r"`(test_\w+\.py)::(test_\w+)`", tested)
        wrong += [(file, name) for file, name in named if f"def {name}(" not in files.get(file, "")]
        if not named and not tested.strip().startswith("untested: "):
            wrong.append((pitfall, tested))
    assert wrong == []
