"""What a page shows, read out of its test."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from streamlit.testing.v1 import AppTest

PATIENCE_S = 60


def opened(draw: Callable[[], None], **told: str | list[str]) -> AppTest:
    """A page whose URL says so."""
    test = AppTest.from_function(draw, default_timeout=PATIENCE_S)
    for name, value in told.items():
        test.query_params[name] = value
    test.run()
    assert not test.exception
    return test


def address(test: AppTest, name: str) -> list[str]:
    """What the URL says now."""
    value = test.query_params.get(name, [])
    return [value] if isinstance(value, str) else list(value)


def figures(test: AppTest) -> list[dict[str, Any]]:
    """The figures of all charts."""
    return [json.loads(chart.proto.spec) for chart in test.get("plotly_chart")]


def titles(test: AppTest) -> list[str]:
    """Of the charts; a legend has none."""
    return [each["layout"]["title"]["text"] for each in figures(test) if "title" in each["layout"]]


def names(figure: dict[str, Any]) -> list[str]:
    """Of the traces."""
    return [each["name"] for each in figure["data"]]


def words(test: AppTest) -> str:
    """Everything that is written on the page, outside of charts and tables."""
    return "\n".join(each.value for each in (*test.warning, *test.info, *test.caption, *test.markdown))
