"""What is said on a follower's stdin."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from trainvitals.live.orders import Orders


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        try:
            os.close(end)
        except OSError:
            continue


def test_orders_come_in_pieces_and_several_at_once(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    orders = Orders(reading)
    orders.wait(0)
    assert (orders.in_a_hurry, orders.share, orders.is_over) == (False, None, False)
    os.write(writing, b"lo")
    orders.wait(0)
    assert not orders.in_a_hurry
    os.write(writing, b"ok\nshare 0.5\nshare 0.25\n")
    orders.wait(0)
    assert (orders.in_a_hurry, orders.share, orders.is_over) == (True, 0.25, False)
    orders.wait(0)
    assert (orders.in_a_hurry, orders.share, orders.is_over) == (False, None, False)


@pytest.mark.parametrize("words", [b"share\n", b"share x\n", b"share nan\n", b"share 0\n", b"share 7\n", b"\xff\n\n"])
def test_what_is_not_understood_is_passed_over(pipe: tuple[int, int], words: bytes) -> None:
    reading, writing = pipe
    orders = Orders(reading)
    os.write(writing, words)
    orders.wait(0)
    assert (orders.in_a_hurry, orders.share, orders.is_over) == (False, None, False)


def test_the_end_is_the_end(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    orders = Orders(reading)
    os.close(writing)
    orders.wait(60)
    assert orders.is_over
