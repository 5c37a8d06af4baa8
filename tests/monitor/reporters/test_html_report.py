"""The HTML report is one file that needs nothing else, and text from a log stays text in it.

After a wanted change, ``python -m tests.monitor.reporters.test_html_report`` writes the golden files anew; read the
difference before committing it.
"""

from __future__ import annotations

import base64
import hashlib
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from plotly import graph_objects as go
from tests.monitor.reporters.diagnoses import HEALTHY, PLATEAU, SICK, UNDETERMINED, forty

from trainvitals.errors import MissingExtraError
from trainvitals.figures.chart import Chart
from trainvitals.maths.level_change import LevelChange
from trainvitals.model import (
    Cause,
    Diagnosis,
    Evidence,
    Finding,
    FindingOutcome,
    MarkedChange,
    Marker,
    Moved,
    NotAssessed,
    Problem,
    Progress,
    Verify,
)
from trainvitals.reporters import html_report
from trainvitals.reporters.html_report import MOST_CHARTS, MOST_OPEN, check_html_extra, render_html, runs_to_draw

GOLDEN = Path(__file__).parent / "golden"
PLOTLY = "/* plotly.js */"

HOSTILE = (
    "</script><script>alert(1)</script><!--<script>",
    "\"><img src=x onerror=alert(1)>' onmouseover='alert(1)",
    "</title></style><iframe src=//evil.example></iframe>",
    "{{ 7 * 7 }}{% raw %} &lt;b&gt; \x1b[31m\u202egnp.exe\u2028next\ud800",
)


def chart(text: str = "loss") -> Chart:
    figure = go.Figure(go.Scatter(x=[0, 1], y=[2.0, 1.0], name=text), layout={"template": "none", "height": 300})
    return Chart(figure, f"{text} falls from 2 to 1")


def full(text: str) -> Diagnosis:
    """A run in which everything that a log, a plugin or a setting may say is this text."""
    suggestion = replace(
        PLATEAU.interventions[0],
        summary=text,
        how=f"{text}\n{text}",
        expected=text,
        risk=text,
        source=text,
        verify=Verify(text, "down", 1.0, 2),
    )
    causes = (Cause(text, 0.6, (text,), (text,), text), Cause(text, 0.1, (), (text,)))
    found = replace(
        PLATEAU,
        code=text,
        name=text,
        summary=text,
        evidence=(Evidence(text, text),),
        layers=(text,) * 20,
        consequences=(text,),
        causes=causes,
        interventions=(suggestion, suggestion),
    )
    note = replace(found, severity=SICK.findings[1].severity)
    accepted = replace(found, state="accepted", accepted_because=text)
    moved = Moved(text, LevelChange(1.0, 2.0, 0.1))
    change = MarkedChange(Marker(3, text, {text: text}), (FindingOutcome("unknown", found, None, text, moved),))
    return replace(
        SICK,
        id=text,
        path=text,
        name=text,
        findings=(found, note, accepted),
        not_assessed=(NotAssessed(text, text, (text,), text),),
        problems=(Problem(text, text, text, 3),),
        changes=(change,),
    )


CASES: dict[str, tuple[Sequence[Diagnosis], dict[str, Chart]]] = {
    "sick": ([SICK], {SICK.id: chart()}),
    "everything": ([full("some text")], {}),
    "three_runs": ([SICK, HEALTHY, UNDETERMINED], {SICK.id: chart()}),
}


@pytest.fixture(autouse=True)
def small_plotly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(html_report, "_plotly_script", lambda: PLOTLY)


class Parsed(HTMLParser):
    """The elements of a document, its text, and what its scripts say."""

    def __init__(self, document: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, tuple[str, ...]]] = []
        self.attributes: list[tuple[str, str]] = []
        self.scripts: list[tuple[str, str]] = []
        self.text = ""
        self._script: str | None = None
        self.feed(document)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, tuple(name for name, _ in attrs)))
        self.attributes += [(name, value or "") for name, value in attrs]
        self._script = dict(attrs).get("type") or "script" if tag == "script" else None
        if self._script:
            self.scripts.append((self._script, ""))

    def handle_endtag(self, tag: str) -> None:
        self._script = None

    def handle_data(self, data: str) -> None:
        if self._script:
            kind, before = self.scripts[-1]
            self.scripts[-1] = (kind, before + data)
        else:
            self.text += data

    def value(self, name: str) -> list[str]:
        return [value for each, value in self.attributes if each == name]


@pytest.mark.parametrize("name", CASES)
def test_the_report_is_what_the_golden_file_shows(name: str) -> None:
    assert render_html(*CASES[name]) == (GOLDEN / f"{name}.html").read_text(encoding="utf-8")


def test_the_report_tells_what_the_diagnosis_has() -> None:
    text = Parsed(render_html([SICK], {})).text
    for expected in (
        "plateau since step 3,100 (very likely), loss 2.31",
        "train/loss has been flat at 2.31",
        "vanishing-gradients",
        "the last four layers learn normally",
        "x = x + block(norm(x))",
        "initialise for the activation in use",
        "12,400 → 15,500: gain 0.000 ± 0.004",
        "3 spikes that recovered",
        "log a second validation suite",
        "records with a wrong checksum were skipped (2 times)",
    ):
        assert expected in text


@pytest.mark.parametrize("text", HOSTILE)
def test_text_from_a_log_changes_no_element_and_no_attribute(text: str) -> None:
    harmless = Parsed(render_html([full("text")] * 8, {"text": chart("text")}))
    hostile = Parsed(render_html([full(text)] * 8, {text: chart(text)}))
    assert hostile.elements == harmless.elements
    assert len(hostile.scripts) == len(harmless.scripts)
    assert [kind for kind, _ in hostile.scripts] == [kind for kind, _ in harmless.scripts]


@pytest.mark.parametrize("text", HOSTILE)
def test_the_data_of_a_chart_is_the_same_after_the_page_was_read(text: str) -> None:
    document = Parsed(render_html([replace(SICK, id="run")], {"run": chart(text)}))
    (data,) = [content for kind, content in document.scripts if kind == "application/json"]
    assert "<" not in data
    assert json.loads(data) == json.loads(chart(text).figure.to_json())


def test_control_characters_are_shown_and_not_obeyed() -> None:
    document = render_html([full(HOSTILE[-1])], {})
    for character in ("\x1b", "\u202e", "\u2028", "\ud800"):
        assert character not in document
    assert r"\x1b[31m\u202egnp.exe" in Parsed(document).text


def test_every_script_is_named_in_the_policy_and_nothing_is_loaded() -> None:
    document = Parsed(render_html([SICK, HEALTHY], {SICK.id: chart()}))
    (policy,) = [value for value in document.value("content") if value.startswith("default-src")]
    scripts = [content for kind, content in document.scripts if kind == "script"]
    assert len(scripts) == 2
    for script in scripts:
        assert f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'" in policy
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe-eval" not in policy
    assert not document.value("src")
    assert all(target.startswith("#run-") for target in document.value("href"))
    assert not [name for name, _ in document.attributes if name.startswith("on")]


def test_a_report_without_charts_has_no_script() -> None:
    document = Parsed(render_html([SICK], {}))
    assert document.scripts == []
    assert "script-src 'none'" in document.value("content")[0]


def test_each_chart_is_told_in_words() -> None:
    document = Parsed(render_html([SICK], {SICK.id: chart("a curve")}))
    assert "a curve falls from 2 to 1" in document.value("aria-label")
    assert "a curve falls from 2 to 1" in document.text


def test_of_many_runs_the_sick_ones_are_drawn_and_it_says_so() -> None:
    runs = forty()
    drawn = runs_to_draw(runs)
    assert {run.status for run in drawn} == {SICK.status}
    text = Parsed(render_html(runs, {run.id: chart() for run in drawn})).text
    assert "The losses of sick runs are drawn" in text
    assert text.count("sweep/lr01") == 2
    many = [replace(SICK, id=f"run {i:03d}") for i in range(100)]
    assert len(runs_to_draw(many)) == MOST_CHARTS
    text = Parsed(render_html(many, {run.id: chart() for run in runs_to_draw(many)})).text
    assert f"The losses of {MOST_CHARTS} of the 100 sick runs are drawn" in text


def test_of_a_few_runs_all_are_drawn() -> None:
    runs = [replace(HEALTHY, id=f"run {i}") for i in range(MOST_OPEN)]
    assert runs_to_draw(runs) == runs


def test_no_report_of_no_runs_and_of_no_numbers_fails() -> None:
    assert "0 runs" in render_html([], {})
    empty = Progress(None, HEALTHY.progress.verdict)
    bare = Finding("X", "bare", PLATEAU.severity, 0.1, "")
    run = replace(HEALTHY, first_step=None, last_step=None, progress=empty, findings=(bare,), id="")
    assert "bare" in render_html([run, run], {})


@pytest.mark.slow
def test_the_size_is_plotly_once_and_some_kilobytes_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    from plotly.offline import get_plotlyjs

    base = len(get_plotlyjs())
    one = render_html([SICK], {SICK.id: chart()})
    assert one.count("plotly.js v") == get_plotlyjs().count("plotly.js v")
    assert len(one) - base < 50_000
    many = [replace(SICK, id=f"run {i:03d}") for i in range(200)]
    assert len(render_html(many, {run.id: chart() for run in many[:20]})) - base < 200 * 20_000


@pytest.mark.parametrize("missing", ["jinja2", "plotly", "tsdownsample"])
def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(MissingExtraError, match=rf"needs {missing} \(pip install 'trainvitals\[report\]'\)"):
        check_html_extra()


if __name__ == "__main__":
    html_report._plotly_script = lambda: PLOTLY
    for name, case in CASES.items():
        (GOLDEN / f"{name}.html").write_text(render_html(*case), encoding="utf-8")
