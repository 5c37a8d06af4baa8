"""Data sets that a generator can make: spirals to tell apart, a teacher to imitate, a text to continue."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from samples.network import Array, Network

if TYPE_CHECKING:
    from numpy.typing import NDArray

CHARACTERS = "abcdefghijklmnopqrstuvwxyz "
CONTEXT = 4


@dataclass(frozen=True)
class Data:
    """Inputs ``[N, width]`` and targets, ``[N]`` classes or ``[N, outputs]`` numbers."""

    inputs: Array
    targets: NDArray[np.int64] | Array

    def __len__(self) -> int:
        return len(self.inputs)

    def take(self, index: NDArray[np.int64] | slice) -> Data:
        """Some of the examples."""
        return Data(self.inputs[index], self.targets[index])

    def batch(self, rng: np.random.Generator, size: int) -> Data:
        """``size`` examples at random."""
        return self.take(rng.integers(0, len(self), size))


def spirals(rng: np.random.Generator, count: int, *, classes: int, turns: float, noise: float) -> Data:
    """Points in the plane on one arm a class."""
    labels = rng.integers(0, classes, count)
    radius = np.sqrt(rng.uniform(0.02, 1.0, count))
    angle = 2.0 * np.pi * (turns * radius + labels / classes)
    points = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return Data(2.0 * points + noise * rng.standard_normal((count, 2)), labels)


def imitation(rng: np.random.Generator, count: int, *, width: int, hidden: int, noise: float) -> Data:
    """Random inputs and what a fixed random network answers to them."""
    teacher = Network(rng, [width, hidden, 1], "tanh", gain=1.5)
    inputs = rng.standard_normal((count, width))
    answer = teacher.outputs(inputs)[-1]
    return Data(inputs, answer + noise * rng.standard_normal(answer.shape))


def text(rng: np.random.Generator, count: int, *, words: int = 300) -> Data:
    """The ``CONTEXT`` characters before each character of a text in an invented language, one-hot, and that character.

    Words are syllables strung together; the n-th of them is used with a frequency like 1/n, as in real languages.
    """
    consonants, vowels = "bcdfghjklmnprstvz", "aeiou"
    vocabulary = [
        "".join(rng.choice(list(consonants)) + rng.choice(list(vowels)) for _ in range(rng.integers(1, 4)))
        for _ in range(words)
    ]
    frequency = 1.0 / np.arange(1, words + 1)
    letters = ""
    while len(letters) < count + CONTEXT:
        letters += " ".join(rng.choice(vocabulary, 500, p=frequency / frequency.sum())) + " "
    codes = np.array([CHARACTERS.index(letter) for letter in letters[: count + CONTEXT]])
    one_hot = np.eye(len(CHARACTERS))[codes]
    windows = [one_hot[offset : offset + count] for offset in range(CONTEXT)]
    return Data(np.concatenate(windows, axis=1), codes[CONTEXT:])
