"""Which names a piece of code takes from whoever pastes it."""

from __future__ import annotations

import ast
import builtins


def free_names(code: str) -> set[str]:
    """Names that are read and neither made in the code nor built in."""
    tree = ast.parse(code)
    made: set[str] = set(dir(builtins))
    read: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            (read if isinstance(node.ctx, ast.Load) else made).add(node.id)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            made.add(node.name)
        elif isinstance(node, ast.arg):
            made.add(node.arg)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            made |= {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
    return read - made
