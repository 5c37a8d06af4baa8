"""What one process tells another about a finding is what the other understands."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
from tests.monitor.reporters.diagnoses import PLATEAU, SICK, SPIKES

from trainvitals import diagnose, read_run
from trainvitals.live.changes import Change
from trainvitals.model import Evidence
from trainvitals.reporters.json_report import to_document
from trainvitals.reporters.live_json import (
    Final,
    Standing,
    Told,
    change_line,
    final_line,
    finding_of,
    read_line,
    standing_line,
)


@pytest.mark.parametrize("sample", ["diverging", "vanishing-gradients", "overfitting", "restarted"])
def test_a_finding_comes_back_as_it_was(root: Path, sample: str) -> None:
    diagnosis = diagnose(read_run(root / "sample_logs" / sample))
    (run,) = json.loads(json.dumps(to_document([diagnosis]), allow_nan=False))["runs"]
    expected = [replace(finding, begins_by=None, to_try=()) for finding in diagnosis.findings]
    # As text, because a value that is NaN does not equal itself.
    assert repr([finding_of(document) for document in run["findings"]]) == repr(expected)
    assert expected


def test_numbers_that_json_has_not_come_back_too() -> None:
    finding = replace(SPIKES, evidence=(Evidence("the loss is infinite", "train/loss", math.inf, -math.inf, 3),))
    told = read_line(change_line(Change("run", "opened", finding, None, 3, 1.0), "text").encode())
    assert isinstance(told, Told)
    assert told.finding == finding


def test_every_line_is_read_back() -> None:
    change = Change("run", "worsened", PLATEAU, SPIKES, 12400, 1.5)
    lines = [
        change_line(change, "14:03:22 \x1b[31mplateau\x1b[0m"),
        standing_line(SICK, [PLATEAU, SPIKES], verdict="sick: plateau", summary="**sick**\n- plateau"),
        final_line([SICK], cpu_s=1.25),
    ]
    assert all(line.count("\n") == 1 and line.endswith("\n") for line in lines)
    assert [read_line(line.encode()) for line in lines] == [
        Told("worsened", PLATEAU, "14:03:22 \x1b[31mplateau\x1b[0m"),
        Standing("sick: plateau", (PLATEAU, SPIKES), "**sick**\n- plateau"),
        Final(1.25),
    ]


@pytest.mark.parametrize("line", [b"", b"hello", b"[]", b"{}", b'{"kind": "opened"}', b"\xff", b'{"kind": 3}', b"null"])
def test_any_other_line_is_none_of_them(line: bytes) -> None:
    assert read_line(line) is None
