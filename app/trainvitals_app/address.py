"""The URL: what a page shows is written there, so that a link shows the same view to someone else.

A page declares what it keeps there as fields, once, at its top level::

    SMOOTHING = number("smoothing", 0.6, least=0.0, most=0.999)
    st.slider("Smoothing", 0.0, 0.999, **bound(SMOOTHING))  # the slider and the URL say the same
    weight = SMOOTHING.get()

Switching pages empties the URL; what stood there is kept for the session and put back by whichever page asks for it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import streamlit as st

T = TypeVar("T")
Window = tuple[float, float]
"""A range of the x-axis, from and to, in the unit of that axis; seconds since the epoch where it is wall time."""

# A browser at the other end of a slow line has heard of what was written into its URL after so long.
HEARD_AFTER_S = 1.0
_KEPT = "address"
_REPLACED = "address-replaced"
_PAGES = "pages"


@dataclass(frozen=True, slots=True)
class Field(Generic[T]):
    """One thing that stands in the URL.

    Args:
        name: the parameter; the same name means the same thing on every page.
        default: what counts while it is not in the URL, or not readable there.
        parse: from the values in the URL, of which there is at least one; raises ValueError.
        write: back to them.
    """

    name: str
    default: T
    parse: Callable[[list[str]], T]
    write: Callable[[T], list[str]]

    def get(self) -> T:
        """What the URL says, or said before the page was switched."""
        values = st.query_params.get_all(self.name)
        if self._is_stale(values):
            values = []
        if values:
            _kept()[self.name] = values
        elif values := _kept().get(self.name, []):
            st.query_params[self.name] = values
        else:
            st.query_params.pop(self.name, None)
        try:
            return self.parse(values) if values else self.default
        except ValueError:
            return self.default

    def set(self, value: T) -> None:
        """Write it into the URL; the default is written by leaving it out."""
        values = self.write(value)
        _replaced()[self.name] = st.query_params.get_all(self.name), time.monotonic()
        if value == self.default or not values:
            _kept().pop(self.name, None)
            st.query_params.pop(self.name, None)
        else:
            _kept()[self.name] = values
            st.query_params[self.name] = values

    def _is_stale(self, values: list[str]) -> bool:
        """Whether the URL is the one that the browser had before it heard of the last ``set``."""
        before, at_s = _replaced().get(self.name, ([], -math.inf))
        return values == before != [] and time.monotonic() - at_s < HEARD_AFTER_S and values != _kept().get(self.name)


def text(name: str, default: str = "") -> Field[str]:
    """Any text."""
    return Field(name, default, lambda values: values[0], lambda value: [value])


def texts(name: str, *, most: int = 8) -> Field[tuple[str, ...]]:
    """Several texts in their order, each once: runs, tags."""
    return Field(name, (), lambda values: tuple(dict.fromkeys(values))[:most], lambda value: list(value[:most]))


def choice(name: str, options: Iterable[str], default: str) -> Field[str]:
    """One of some words."""
    allowed = tuple(options)
    return Field(name, default, lambda values: _one_of(allowed, values[0]), lambda value: [value])


def choices(name: str, options: Iterable[str]) -> Field[tuple[str, ...]]:
    """Some of some words; what is not among them is left out."""
    allowed = tuple(options)
    return Field(name, (), lambda values: tuple(each for each in allowed if each in values), list)


def flag(name: str, default: bool = False) -> Field[bool]:
    """Yes or no."""
    return Field(
        name, default, lambda values: _one_of(("yes", "no"), values[0]) == "yes", lambda on: ["yes" if on else "no"]
    )


def number(name: str, default: float, *, least: float = -math.inf, most: float = math.inf) -> Field[float]:
    """A finite number; what lies outside its bounds is moved to the bound."""
    return Field(
        name,
        default,
        lambda values: min(max(_finite(values[0]), least), most),
        lambda value: [_shortest(value)],
    )


def whole(name: str, default: int | None = None) -> Field[int | None]:
    """A whole number such as a step, or None."""
    return Field(
        name,
        default,
        lambda values: int(_finite(values[0])),
        lambda value: [] if value is None else [str(value)],
    )


def window(name: str) -> Field[Window | None]:
    """A range of an axis, such as ``steps=100:2500``; None is all of it."""
    return Field(name, None, _window, lambda value: [] if value is None else [":".join(map(_shortest, value))])


def bound(field: Field[Any], key: str | None = None, *, shown: Callable[[Any], Any] | None = None) -> dict[str, Any]:
    """The arguments that bind a widget to a field: ``st.text_input("Filter", **bound(FILTER))``.

    Args:
        field: what it shows and changes.
        key: of the widget; the field's name if None.
        shown: from the field's value to the widget's, where they differ: a tuple of texts is a list in a multiselect.
    """
    key = key or f"field-{field.name}"
    value = field.get()
    st.session_state[key] = shown(value) if shown else list(value) if isinstance(value, tuple) else value

    def changed() -> None:
        now = st.session_state[key]
        field.set(tuple(now) if isinstance(now, list) else now)

    return {"key": key, "on_change": changed}


def register(pages: dict[str, Any]) -> None:
    """Tell which pages there are, by name; the entry does so at every run of the script."""
    st.session_state[_PAGES] = pages


def page(name: str) -> Any:
    """A page, for ``st.page_link(page("run"), label=..., query_params={"run": run_id})``."""
    return st.session_state[_PAGES][name]


def go(name: str) -> None:
    """Show another page, now. Set the fields that it should open with before."""
    st.switch_page(page(name))


def _kept() -> dict[str, list[str]]:
    kept: dict[str, list[str]] = st.session_state.setdefault(_KEPT, {})
    return kept


def _replaced() -> dict[str, tuple[list[str], float]]:
    """By name: the values in the URL before the last ``set``, and when that was."""
    replaced: dict[str, tuple[list[str], float]] = st.session_state.setdefault(_REPLACED, {})
    return replaced


def _one_of(allowed: tuple[str, ...], value: str) -> str:
    if value not in allowed:
        raise ValueError(value)
    return value


def _finite(value: str) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(value)
    return number


def _shortest(value: float) -> str:
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(float(value))


def _window(values: list[str]) -> Window:
    low, _, high = values[0].partition(":")
    first, last = sorted((_finite(low), _finite(high)))
    if first == last:
        raise ValueError(values[0])
    return first, last


RUN = text("run")
"""The run that the Run page shows, by its id."""
RUNS = texts("runs")
"""The runs that Curves and Compare show, up to eight."""
STEPS = window("steps")
"""The steps that charts over steps are zoomed to."""
FINDING = text("finding")
"""The finding of the run that charts show, by its key on the Run page."""
