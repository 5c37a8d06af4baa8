"""Runs side by side have names that are short and tell them apart."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainvitals_app.parts.several_runs import short_names

ids = st.lists(st.lists(st.sampled_from("abc"), min_size=1, max_size=4).map("/".join), max_size=8, unique=True)


@pytest.mark.parametrize(
    ("run_ids", "names"),
    [
        ([], []),
        (["logs/a"], ["logs/a"]),
        (["logs/a", "logs/b"], ["a", "b"]),
        (["logs/a/version_0", "logs/b/version_0"], ["a", "b"]),
        (["logs/a/0", "logs/a/1", "logs/b/0"], ["a/0", "a/1", "b/0"]),
        (["logs/a", "logs/a/b"], ["a", "b"]),
        (["a", "b/a"], ["a", "b"]),
    ],
)
def test_names_are_as_short_as_tells_them_apart(run_ids: list[str], names: list[str]) -> None:
    assert short_names(run_ids) == names


@given(ids)
def test_every_name_is_another_one_and_none_is_empty(run_ids: list[str]) -> None:
    names = short_names(run_ids)
    assert len(set(names)) == len(run_ids)
    assert all(names)
