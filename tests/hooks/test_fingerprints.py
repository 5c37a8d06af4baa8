"""Fingerprints are what plain arithmetic gives, tell examples apart, and survive the way to the host."""

from __future__ import annotations

import struct

import numpy as np
import pytest
import torch

from trainvitals_hooks.fingerprints import SLOTS, Remembered, fingerprints, joined

pytestmark = pytest.mark.torch

MODULUS = 2**64


def factor(place):
    """Splitmix64, one number after the other."""
    state = (place + 1) * 0x9E3779B97F4A7C15 % MODULUS
    state = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9 % MODULUS
    state = (state ^ (state >> 27)) * 0x94D049BB133111EB % MODULUS
    return (state ^ (state >> 31)) | 1


def by_hand(row, whole):
    total = 0
    for place, value in enumerate(row.tolist()):
        bits = value if whole else struct.unpack("<i", struct.pack("<f", value))[0]
        total = (total + bits * factor(place)) % MODULUS
    return total >> 16


def numbers(values):
    # As on the way to the host: float32, then float64.
    return joined(fingerprints(values).numpy().astype(np.float64))


@pytest.mark.parametrize("whole", [False, True])
def test_the_number_is_what_plain_arithmetic_gives(whole):
    values = torch.randint(-(2**31), 2**31, (20, 37)) if whole else torch.randn(20, 37) * 1e3
    assert numbers(values).tolist() == [by_hand(row, whole) | 1 << 48 for row in values]


@pytest.mark.parametrize(
    "values",
    [
        torch.randn(5000, 3),
        torch.randint(0, 2, (5000, 128)).float(),
        torch.arange(5000).float()[:, None],
        torch.cat((torch.eye(128), 2 * torch.eye(128), 3 * torch.eye(128))),
        torch.randint(0, 50_000, (5000, 8)),
        torch.cartesian_prod(torch.arange(70), torch.arange(70)),
    ],
)
def test_different_examples_have_different_numbers_and_equal_ones_equal(values):
    values = torch.unique(values, dim=0)
    found = numbers(values)
    assert len(set(found.tolist())) == len(values)
    order = torch.randperm(len(values))
    assert numbers(values[order]).tolist() == found[order.numpy()].tolist()


def test_the_order_of_the_elements_counts():
    assert numbers(torch.tensor([[1.0, 2.0]]))[0] != numbers(torch.tensor([[2.0, 1.0]]))[0]


def test_what_is_remembered_is_what_a_set_remembers_as_long_as_it_fits():
    generator = torch.Generator().manual_seed(0)
    remembered, known, wrong = Remembered(), set(), 0
    for _ in range(60):
        batch = torch.randint(0, 1500, (40, 1), generator=generator).float()
        rows = [value.item() for value in batch[:, 0]]
        expected = sum(row in known for row in rows) / len(rows)
        known.update(rows)
        found = remembered.share_seen(fingerprints(batch).numpy().astype(np.float64))
        wrong += abs(found - expected) > 2 / len(rows)
    assert len(known) < SLOTS / 50
    assert wrong == 0


def test_an_example_of_zeros_is_new_at_first():
    remembered = Remembered()
    zeros = fingerprints(torch.zeros(3, 4)).numpy().astype(np.float64)
    assert remembered.share_seen(zeros) == 0
    assert remembered.share_seen(zeros) == 1


def test_more_examples_than_there_is_room_for_are_forgotten_and_take_no_more_room():
    remembered = Remembered()
    for first in range(0, 3 * SLOTS, 4096):
        batch = torch.arange(first, first + 4096).float()[:, None]
        assert remembered.share_seen(fingerprints(batch).numpy().astype(np.float64)) == 0
    early = torch.arange(4096).float()[:, None]
    assert remembered.share_seen(fingerprints(early).numpy().astype(np.float64)) < 0.2
    assert remembered._table.nbytes == 8 * SLOTS
