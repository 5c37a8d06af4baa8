"""The report as one HTML file that needs no network: for an archive, a mail, or somebody without trainvitals.

Everything from a log is text: escaped by the template, and in the data of charts nothing can end a script. The file
itself forbids, by a policy in its head, to load anything or to run any script but its own.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from trainvitals import __version__
from trainvitals.errors import MissingExtraError
from trainvitals.model import Diagnosis, likelihood_in_words
from trainvitals.reporters import wording
from trainvitals.reporters.full_report import RunReport, change_head, change_lines, run_reports
from trainvitals.reporters.run_table import what
from trainvitals.reporters.signs import SEVERITY_SIGNS, STATUS_SIGNS
from trainvitals.reporters.visible import visible

if TYPE_CHECKING:
    from jinja2 import Environment

    from trainvitals.figures.chart import Chart

MOST_OPEN = 6
"""With more runs than this, the sections of runs that are well are folded up, and their losses are not drawn."""
MOST_CHARTS = 30
"""More make a file of more than ten megabytes that takes a browser more than a few seconds."""
LONGEST_NAME = 120

# What would end a script, begin a comment in it, or end a line of it; the same text in JSON.
_IN_A_SCRIPT = {ord(character): f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"}


def check_html_extra() -> None:
    """See whether the packages are there that the report is made with.

    Raises:
        MissingExtraError: one is not.
    """
    try:
        import jinja2  # noqa: F401
        import plotly  # noqa: F401
        import tsdownsample  # noqa: F401
    except ImportError as error:
        raise MissingExtraError(
            f"the HTML report needs {error.name}", hint="pip install 'trainvitals[report]'"
        ) from error


def runs_to_draw(diagnoses: Sequence[Diagnosis]) -> list[Diagnosis]:
    """The runs whose losses are drawn: all of a few, of many the sick ones, up to ``MOST_CHARTS``."""
    reports = [report for report in run_reports(diagnoses) if len(diagnoses) <= MOST_OPEN or report.is_sick]
    return [report.diagnosis for report in reports[:MOST_CHARTS]]


def render_html(diagnoses: Sequence[Diagnosis], charts: Mapping[str, Chart]) -> str:
    """The whole document.

    Args:
        diagnoses: of the runs to report.
        charts: the losses of some of them, by the id of the run.

    Raises:
        MissingExtraError: a package is not installed.
    """
    check_html_extra()
    environment = _environment()
    reports = run_reports(diagnoses)
    drawn = {report.anchor: charts[report.diagnosis.id] for report in reports if report.diagnosis.id in charts}
    scripts = [_plotly_script(), _resource("report.js")] if drawn else []
    return environment.get_template("report.html").render(
        title=_title(reports),
        count=wording.count_of_runs(diagnoses),
        version=__version__,
        style=_markup(_resource("report.css")),
        scripts=[_markup(script) for script in scripts],
        policy=_policy(scripts),
        reports=reports,
        alone=len(reports) == 1,
        are_many=len(reports) > MOST_OPEN,
        not_drawn=_not_drawn(reports, len(drawn)),
        charts={anchor: _chart(chart) for anchor, chart in drawn.items()},
    )


def _title(reports: Sequence[RunReport]) -> str:
    if len(reports) == 1:
        return f"{wording.run_name(reports[0].diagnosis)}: {reports[0].status_word}"
    return wording.count_of_runs([report.diagnosis for report in reports])


def _not_drawn(reports: Sequence[RunReport], drawn: int) -> str:
    """Why some runs have no chart; empty where that is not because of their number."""
    sick = sum(report.is_sick for report in reports)
    if len(reports) <= MOST_OPEN:
        return ""
    if sick > drawn == MOST_CHARTS:
        return f"The losses of {drawn} of the {sick} sick runs are drawn; a report of fewer runs draws the others."
    return "The losses of sick runs are drawn; a report of fewer runs draws those of the others, too."


def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("trainvitals.reporters"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "step": wording.step,
        "number": wording.number,
        "likelihood": likelihood_in_words,
        "severity_sign": SEVERITY_SIGNS.__getitem__,
        "status_sign": STATUS_SIGNS.__getitem__,
        "change_head": change_head,
        "change_lines": change_lines,
        "loss_level": wording.loss_level,
        "progress_word": wording.progress_word,
        "onset": wording.onset,
        "success": wording.success,
        "basis": wording.BASIS_WORDS.__getitem__,
        "what": what,
        "extent": wording.extent,
        "worst": wording.worst_open_finding,
        "run_name": lambda diagnosis: wording.run_name(diagnosis, longest=LONGEST_NAME),
    }
    return environment


def _shown(value: Any) -> Any:
    """What the template is about to write: text of a log on one line, with nothing in it that is not seen."""
    return visible(value) if type(value) is str else value


def _chart(chart: Chart) -> Mapping[str, Any]:
    data = _markup(chart.figure.to_json().translate(_IN_A_SCRIPT))
    return {"alt": chart.alt, "height_px": chart.figure.layout.height or 450, "data": data}


def _plotly_script() -> str:
    from plotly.offline import get_plotlyjs

    script: str = get_plotlyjs()
    return script


def _policy(scripts: Sequence[str]) -> str:
    """Nothing is loaded, nothing is sent, and no script runs but these. Plotly sets styles and makes images itself."""
    hashes = " ".join(f"'sha256-{_digest(script)}'" for script in scripts) or "'none'"
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data: blob:; "
        "base-uri 'none'; form-action 'none'"
    )


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")


def _resource(name: str) -> str:
    return (files("trainvitals.reporters") / "templates" / name).read_text(encoding="utf-8")


def _markup(text: str) -> Any:
    """Our own text, which the template takes as it is."""
    from markupsafe import Markup

    return Markup(text)
