"""What is kept comes back the same to the last bit, and whatever cannot be kept says so."""

from __future__ import annotations

import dataclasses
import math
import struct
import typing
from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass, replace
from enum import Enum
from types import UnionType
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.monitor.reporters.diagnoses import HEALTHY, PLATEAU, SICK, UNDETERMINED

from trainvitals import model
from trainvitals.engine import diagnose
from trainvitals.formats import read_run
from trainvitals.kept import RunSummary
from trainvitals.kept.codec import CodecError, _classes, decoded, encoded
from trainvitals.kept.summary import summarise
from trainvitals.maths.level_change import LevelChange
from trainvitals.model import (
    Cause,
    Evidence,
    FindingOutcome,
    MarkedChange,
    Marker,
    Moved,
    Verified,
    Verify,
)
from trainvitals.samples import sample_logs

SAMPLES = sorted(path.name for path in sample_logs().iterdir() if path.is_dir())

CHANGED = replace(
    SICK,
    changes=(
        MarkedChange(
            Marker(900, "intervention", {"name": "lower-lr", "rates": [1e-3, math.nan, None], "deep": {"a": [[], {}]}}),
            (
                FindingOutcome(
                    "worse",
                    PLATEAU,
                    None,
                    moved=Moved("train/loss", LevelChange(-0.0, math.inf, 5e-324)),
                    verified=(Verified(Verify("x", "down", 1.5, 3), ("a",), None, why="too few"),),
                ),
            ),
        ),
    ),
)


def test_every_sample_log_comes_back_the_same() -> None:
    for name in SAMPLES:
        run = read_run(sample_logs() / name)
        assert_same_after_keeping(summarise(run, diagnose(run), 1.5))


@pytest.mark.parametrize("diagnosis", [SICK, HEALTHY, UNDETERMINED, CHANGED])
def test_diagnoses_with_everything_in_them_come_back_the_same(diagnosis: Any) -> None:
    assert_same_after_keeping(RunSummary(diagnosis, math.nan, None, -math.inf, 3, (1.0, math.nan), math.nan))


NUMBERS = st.one_of(
    st.floats(),
    st.integers(),
    st.none(),
    st.booleans(),
    st.floats(width=32).map(np.float32),
    st.floats().map(np.float64),
    st.integers(-(2**63), 2**63 - 1).map(np.int64),
)
TEXTS = st.text(st.characters(exclude_categories=[]))
JSON = st.recursive(NUMBERS | TEXTS, lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner), max_leaves=8)


@given(value=NUMBERS, threshold=NUMBERS, text=TEXTS, details=st.dictionaries(TEXTS, JSON))
def test_whatever_a_rule_or_a_log_may_put_there_comes_back_the_same(
    value: Any, threshold: Any, text: str, details: dict[str, Any]
) -> None:
    evidence = Evidence(text, None, value, threshold, value)
    finding = replace(PLATEAU, evidence=(evidence,), causes=(Cause(text, value, (text,)),), layers=(text, text))
    change = MarkedChange(Marker(3, text, details), ())
    assert_same_after_keeping(RunSummary(replace(SICK, findings=(finding,), changes=(change,)), value))


def test_what_is_of_no_known_type_is_refused() -> None:
    for odd in (object(), {1, 2}, np.zeros(3), b"bytes", 10**5000):
        finding = replace(PLATEAU, evidence=(Evidence("x", None, typing.cast(float, odd)),))
        with pytest.raises(CodecError):
            encoded(RunSummary(replace(SICK, findings=(finding,))))


def test_a_class_that_only_has_the_name_of_ours_is_refused() -> None:
    @dataclass
    class Verify:
        signal: str

    suggestion = replace(PLATEAU.interventions[0], verify=typing.cast(Any, Verify("x")))
    with pytest.raises(CodecError, match="Verify"):
        encoded(RunSummary(replace(SICK, findings=(replace(PLATEAU, interventions=(suggestion,)),))))


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "[]", "null", "17", '{"class":["RunSummary"]}', '{"class":["Path","/"]}', '{"class":[]}', "{}"),
        *('{"enum":["Status"]}', '{"enum":["Status","fine"]}', '{"numpy":["<f8","00"]}', '{"a":1,"b":2}', "[" * 10**5),
    ],
)
def test_a_text_that_is_none_of_ours_is_refused(text: str) -> None:
    with pytest.raises(CodecError):
        decoded(text)


def test_everything_that_a_summary_can_hold_is_known() -> None:
    """A class that is added to the model and not here would silently never be kept."""
    needed = {each.__name__ for each in classes_below(RunSummary, set())}
    assert needed <= _classes().keys()
    assert {"RunSummary", "Diagnosis", "Finding", "Verify", "LevelChange", "Marker", "Severity", "Reason"} <= needed


def test_a_field_that_is_added_is_kept_with_the_others() -> None:
    """Each field of each class in turn, changed, changes what is kept."""
    summary = RunSummary(CHANGED, 1.0, 2, 3.0, 4, (5.0,), 6.0)
    text = encoded(summary)
    for path in fields_below(summary):
        changed = with_mark(summary, path)
        assert encoded(changed) != text, path
        assert_same_after_keeping(changed)


def assert_same_after_keeping(summary: RunSummary) -> None:
    assert_same(decoded(encoded(summary)), summary, "")


def assert_same(one: Any, other: Any, where: str) -> None:
    assert type(one) is type(other), where
    if is_dataclass(one):
        for field in fields(one):
            assert_same(getattr(one, field.name), getattr(other, field.name), f"{where}.{field.name}")
    elif isinstance(one, tuple | list):
        assert len(one) == len(other), where
        for i, (left, right) in enumerate(zip(one, other, strict=True)):
            assert_same(left, right, f"{where}[{i}]")
    elif isinstance(one, dict):
        assert_same(list(one.items()), list(other.items()), where)
    elif isinstance(one, np.generic):
        assert one.tobytes() == other.tobytes(), where
    elif isinstance(one, float):
        assert struct.pack("<d", one) == struct.pack("<d", other) or (math.isnan(one) and math.isnan(other)), where
    else:
        assert one == other, where


def classes_below(kind: Any, seen: set[Any]) -> set[Any]:
    for argument in typing.get_args(kind):
        if typing.get_origin(kind) is not typing.Literal:
            classes_below(argument, seen)
    if isinstance(kind, type) and not isinstance(kind, UnionType) and kind not in seen:
        if is_dataclass(kind):
            seen.add(kind)
            for hint in typing.get_type_hints(kind, localns=vars(model)).values():
                classes_below(hint, seen)
        elif issubclass(kind, Enum):
            seen.add(kind)
    return seen


def fields_below(value: Any) -> Iterator[tuple[Any, ...]]:
    """The way to each field whose value is no dataclass and holds none."""
    if is_dataclass(value):
        for field in fields(value):
            deeper = list(fields_below(getattr(value, field.name)))
            yield from ((field.name, *way) for way in deeper or [()])
    elif isinstance(value, tuple):
        for i, item in enumerate(value):
            if is_dataclass(item):
                yield from ((i, *way) for way in fields_below(item))


def with_mark(value: Any, path: tuple[Any, ...]) -> Any:
    if not path:
        return "marked"
    if isinstance(value, tuple):
        return tuple(with_mark(item, path[1:]) if i == path[0] else item for i, item in enumerate(value))
    return dataclasses.replace(value, **{path[0]: with_mark(getattr(value, path[0]), path[1:])})
