"""The Markdown report fits into an issue, and text from a log is no markup in it.

After a wanted change, ``python -m tests.monitor.reporters.test_markdown_report`` writes the golden files anew; read the
difference before committing it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token
from tests.monitor.reporters.diagnoses import HEALTHY, SICK, UNDETERMINED, forty
from tests.monitor.reporters.test_html_report import full

from trainvitals.model import Diagnosis
from trainvitals.reporters.markdown_report import MOST_CHARACTERS, MOST_ROWS, render_markdown
from trainvitals.reporters.markdown_text import code, code_block, unlinked

GOLDEN = Path(__file__).parent / "golden"
CASES: dict[str, Sequence[Diagnosis]] = {
    "sick": [SICK],
    "everything": [full("some text")],
    "three_runs": [SICK, HEALTHY, UNDETERMINED],
    "forty_runs": forty(),
}

HOSTILE = (
    "</details><script>alert(1)</script><b>",
    "**bold** _it_ ~~gone~~ `code` ``` $x^2$ [a](http://evil.example) ![b](//evil.example/x.png) <http://evil.example>",
    "| a | b |\n|---|---|\n# heading\n- item\n> quote\n\n---\n1. one",
    "&lt;b&gt; &amp; \\* \\` \x1b[31m\u202e",
    "``` ~~~ ```",
    "`",
    "a`b``c",
)


def parsed(markdown: str) -> list[Token]:
    tokens = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(markdown)
    return [inner for token in tokens for inner in (token, *(token.children or ()))]


def kinds(markdown: str) -> list[str]:
    """The structure of a document, without how often text goes on after a character that was escaped."""
    return [token.type for token in parsed(markdown) if token.type not in ("text", "text_special")]


@pytest.mark.parametrize("name", CASES)
def test_the_report_is_what_the_golden_file_shows(name: str) -> None:
    assert render_markdown(CASES[name]) == (GOLDEN / f"{name}.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("text", HOSTILE)
def test_text_from_a_log_is_no_markup(text: str) -> None:
    assert kinds(render_markdown([full(text)] * 3)) == kinds(render_markdown([full("text")] * 3))


@pytest.mark.parametrize("text", HOSTILE)
def test_code_is_shown_as_it_is(text: str) -> None:
    line = text.splitlines()[0].replace("\x1b", "").replace("\u202e", "")
    (shown,) = [token for token in parsed(f"a {code(line)} b") if token.type == "code_inline"]
    assert shown.content == line
    (block,) = [token for token in parsed("\n".join(code_block(line, "python"))) if token.type == "fence"]
    assert block.content == line + "\n"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("@somebody", "@&#8203;somebody"),
        ("fixes #12", r"fixes \#&#8203;12"),
        ("group/project!7", "group/project!&#8203;7"),
        ("https://evil.example", "https:&#8203;//evil.example"),
        ("www.evil.example", "www.&#8203;evil.example"),
        ("me@evil.example", "me@&#8203;evil.example"),
        ("train/loss 0.5 at @ # 3:00", r"train/loss 0.5 at @ \# 3:00"),
    ],
)
def test_nobody_is_called_and_nothing_is_linked(text: str, shown: str) -> None:
    assert unlinked(text) == shown


def test_the_sick_run_is_told_from_the_problem_to_what_is_unknown() -> None:
    text = render_markdown([SICK])
    places = [
        text.index(part)
        for part in (
            "### ▲ sick: `runs/exp1`",
            "plateau since step 3,100 (very likely), loss 2.31",
            "**why** vanishing-gradients (very likely)",
            "**try** residual connections or pre-norm",
            "x = x + block(norm(x))",
            "**if you continue** 12,400 → 15,500",
            "Not judged: 1 rules",
        )
    ]
    assert places == sorted(places)


def test_it_fits_into_a_comment_however_many_runs_there_are() -> None:
    runs = [replace(SICK, id=f"sweep/run {i:03d}") for i in range(500)]
    text = render_markdown(runs)
    assert len(text) <= MOST_CHARACTERS + 200
    assert f"and {500 - MOST_ROWS} more runs" in text
    assert "more runs: `trainvitals diagnose PATH --verbose`" in text.splitlines()[-1]


def test_one_run_is_told_however_long_it_is() -> None:
    notes = tuple(replace(SICK.findings[1], summary="x" * 1000) for _ in range(100))
    assert "### " in render_markdown([replace(SICK, findings=notes)])


if __name__ == "__main__":
    for name, case in CASES.items():
        (GOLDEN / f"{name}.md").write_text(render_markdown(case), encoding="utf-8")
