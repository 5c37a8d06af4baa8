"""What every test shares: where the repository is, what is installed, and what an absence means."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"
UNDER_CI = os.environ.get("CI", "").lower() not in ("", "0", "false")
CHROMIUM = shutil.which("chromium")
ABSENT = "absent here: "

# The diagnoses that are kept for whoever runs the tests are none of their business.
os.environ["TRAINVITALS_CACHE"] = ""

# A deadline would measure the machine. Under CI the examples are the same every time: what lands is judged by the
# change, not by luck; elsewhere new examples are tried.
settings.register_profile("house", deadline=None, derandomize=UNDER_CI)
settings.load_profile("house")


@dataclass(frozen=True)
class Need:
    """What a marked test needs.

    Args:
        what: in words. present: whether it is here.
        installable: whether CI could have installed it; its absence there is then a failure.
    """

    what: str
    present: bool
    installable: bool


NEEDS = {
    "torch": Need("torch", find_spec("torch") is not None, installable=True),
    "browser": Need("Chromium driven by playwright", bool(CHROMIUM and find_spec("playwright")), installable=True),
    "shared": Need("the labelled real logs", (SHARED / "real_logs" / "labels.csv").is_file(), installable=False),
}


@pytest.fixture(scope="session")
def root() -> Path:
    """The root of the repository."""
    return ROOT


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of labelled real logs beside the repository; only for tests marked ``shared``."""
    return SHARED


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker, need in NEEDS.items():
        if need.present or item.get_closest_marker(marker) is None:
            continue
        if need.installable and UNDER_CI:
            pytest.fail(f"{need.what} is not installed; under CI this is a failure, not a skip", pytrace=False)
        pytest.skip(ABSENT + need.what)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reasons = [
        str(report.longrepr[-1])
        for report in terminalreporter.stats.get("skipped", [])
        if isinstance(report.longrepr, tuple)
    ]
    for need in NEEDS.values():
        count = sum(reason.endswith(ABSENT + need.what) for reason in reasons)
        if count:
            terminalreporter.write_line(f"skipped {count} tests that need {need.what}")
    if not NEEDS["torch"].present:
        files = len(list((ROOT / "tests" / "hooks").rglob("test_*.py")))
        terminalreporter.write_line(f"skipped {files} files of tests/hooks, which need torch")
