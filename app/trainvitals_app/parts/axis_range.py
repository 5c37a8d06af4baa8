"""The range of an axis, typed: what a box drawn in a chart does, for those who do not draw."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime

import streamlit as st

from trainvitals.figures.x_axes import AXIS_TITLES, AxisKind
from trainvitals_app import address, text

LONGEST = 40
_TIME = "%Y-%m-%d %H:%M:%S"


def show(
    key: str, zoom: address.Field[address.Window | None], whole: Callable[[], address.Window], kind: AxisKind = "step"
) -> None:
    """Draw the button that unfolds the two ends.

    Args:
        key: unique on the page.
        zoom: where the range goes.
        whole: where the axis begins and ends, for an end that is left empty.
        kind: of the axis; the time of day is read and written as a date with a time, in UTC.
    """
    with st.popover("Range", icon=":material/arrow_range:", key=f"range-{key}", type="tertiary"):
        with st.form(f"range-form-{key}", border=False):
            now = zoom.get()
            ends = ("", "") if now is None else tuple(_written(end, kind) for end in now)
            hint = "2026-01-31 18:30:00" if kind == "wall" else ""
            typed = [
                # Another range is another field, so that what was typed before does not come back.
                st.text_input(f"{name} {AXIS_TITLES[kind]}", end, LONGEST, key=f"{key}-{name}-{end}", placeholder=hint)
                for name, end in zip(("From", "To"), ends, strict=True)
            ]
            st.caption("Left empty: the beginning, the end.")
            is_asked = st.form_submit_button("Show")
        if not is_asked:
            return
        try:
            window = range_of(typed[0], typed[1], whole(), kind)
        except ValueError as error:
            st.warning(text.markdown(str(error)))
            return
        zoom.set(window)
        st.rerun()


def range_of(first: str, last: str, whole: address.Window, kind: AxisKind) -> address.Window | None:
    """The range between two ends as they were typed; None where both are empty.

    Raises:
        ValueError: an end cannot be read, or there is nothing between them; in a line for a person.
    """
    if not first.strip() and not last.strip():
        return None
    low, high = (_read(end, other, kind) for end, other in zip((first, last), whole, strict=True))
    if low == high:
        raise ValueError("the range begins where it ends")
    return min(low, high), max(low, high)


def _read(typed: str, empty: float, kind: AxisKind) -> float:
    if not typed.strip():
        return empty
    try:
        if kind == "wall":
            return datetime.fromisoformat(typed.strip()).replace(tzinfo=UTC).timestamp()
        value = float(typed.replace(",", "").replace("_", ""))
    except (ValueError, OverflowError):
        value = math.nan
    if not math.isfinite(value):
        example = "a time such as 2026-01-31 18:30:00" if kind == "wall" else "a number"
        raise ValueError(f"{typed.strip()!r} is not {example}")
    return value


def _written(value: float, kind: AxisKind) -> str:
    if kind == "wall":
        return datetime.fromtimestamp(value, UTC).strftime(_TIME)
    return f"{value:.0f}" if abs(value) < 1e15 and value == int(value) else f"{value:.6g}"
