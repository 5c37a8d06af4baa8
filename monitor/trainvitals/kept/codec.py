"""A summary as JSON and back, the same to the last bit: what was kept must print as what was just found.

Numbers keep their type, NumPy's included, since reports may show two types differently. What has no type of JSON is an
object with one key that says what it is; a class is written by its name and the values of its fields in order.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from typing import Any

import numpy as np

from trainvitals import model
from trainvitals.kept.summary import RunSummary
from trainvitals.maths.level_change import LevelChange


class CodecError(ValueError):
    """A value cannot be kept, or a text is none of ours."""


def encoded(summary: RunSummary) -> str:
    """The summary as JSON in ASCII.

    Raises:
        CodecError: something in it is of no type that can be kept, as a plugin may put there.
    """
    try:
        return json.dumps(_plain(summary), allow_nan=False, separators=(",", ":"))
    except (ValueError, TypeError, RecursionError) as error:
        raise CodecError(f"cannot be kept: {error}") from error


def decoded(text: str) -> RunSummary:
    """The summary that was encoded.

    Raises:
        CodecError: the text is none that ``encoded`` wrote.
    """
    try:
        summary = json.loads(text, object_hook=_special)
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        raise CodecError(f"cannot be understood: {error}") from error
    if not isinstance(summary, RunSummary):
        raise CodecError("no summary")
    return summary


@cache
def _classes() -> Mapping[str, type[Any]]:
    """What may be written by name: the frozen values of the house, and nothing else."""
    of_model = [getattr(model, name) for name in model.__all__]
    known = [RunSummary, LevelChange, *(each for each in of_model if isinstance(each, type))]
    return {each.__name__: each for each in known if is_dataclass(each) or issubclass(each, Enum)}


def _plain(value: Any) -> Any:
    if value is None or type(value) in (bool, int, str):
        return value
    if type(value) is float:
        return value if math.isfinite(value) else {"float": repr(value)}
    if type(value) is tuple:
        return [_plain(item) for item in value]
    if type(value) is list:
        return {"list": [_plain(item) for item in value]}
    if type(value) is dict:
        return {"dict": [[_plain(key), _plain(item)] for key, item in value.items()]}
    if isinstance(value, np.generic) and value.dtype.kind in "biuf":
        return {"numpy": [value.dtype.str, value.tobytes().hex()]}
    name = type(value).__name__
    if _classes().get(name) is not type(value):
        raise CodecError(f"{name} cannot be kept")
    if isinstance(value, Enum):
        return {"enum": [name, value.value]}
    return {"class": [name, *(_plain(getattr(value, field.name)) for field in fields(value))]}


def _special(written: dict[str, Any]) -> Any:
    ((kind, content),) = written.items()
    return _READ[kind](content)


class _List:
    """A list that is one; JSON knows one kind of sequence, and what stands as that is a tuple."""

    def __init__(self, written: list[Any]) -> None:
        self.content = [_value(item) for item in written]


def _value(content: Any) -> Any:
    if type(content) is list:
        return tuple(_value(item) for item in content)
    return content.content if type(content) is _List else content


def _class(content: list[Any]) -> Any:
    name, *values = content
    made = _classes()[name]
    if len(values) != len(fields(made)):
        raise CodecError(f"{name} has other fields")
    return made(*map(_value, values))


def _numpy(content: list[str]) -> Any:
    kind, data = content
    return np.frombuffer(bytes.fromhex(data), np.dtype(kind))[0]


_READ: Mapping[str, Callable[[Any], Any]] = {
    "float": float,
    "list": _List,
    "dict": lambda content: {_value(key): _value(item) for key, item in content},
    "numpy": _numpy,
    "enum": lambda content: _classes()[content[0]](content[1]),
    "class": _class,
}
