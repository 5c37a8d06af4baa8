"""Generated data for the exam: nothing is downloaded, and the truth about every example is known.

A ``Data`` gives training batches and holds a validation set. Where ``examples`` is set it is a finite training set,
gone through in shuffled epochs; else every batch is fresh.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Generator, Tensor
from torch.nn import functional

Pair = tuple[Tensor, Tensor]


@dataclass
class Data:
    """One task.

    Args:
        kind: ``classes`` (cross entropy), ``numbers`` (squared error) or ``text`` (cross entropy of the next token).
        validation: inputs and targets, never trained on.
        draw: fresh examples, so many.
        examples: the finite training set, if there is one.
        shuffled: whether each epoch has an order of its own.
    """

    kind: str
    validation: Pair
    draw: Callable[[int, Generator], Pair]
    outputs: int
    examples: Pair | None = None
    shuffled: bool = True
    place: int = 0
    order: Tensor | None = None

    def batch(self, size: int, generator: Generator) -> Pair:
        """The next training batch."""
        if self.examples is None:
            return self.draw(size, generator)
        x, y = self.examples
        if self.order is None or self.place + size > len(x):
            self.order = torch.randperm(len(x), generator=generator) if self.shuffled else torch.arange(len(x))
            self.place = 0
        chosen = self.order[self.place : self.place + size]
        self.place += size
        return x[chosen], y[chosen]

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        if self.kind == "numbers":
            return functional.mse_loss(output, target)
        return functional.cross_entropy(output.flatten(0, -2), target.flatten())

    def finite(self, count: int, generator: Generator) -> Data:
        """The same task with a training set of so many examples."""
        return replace(self, examples=self.draw(count, generator))


def spirals(generator: Generator, *, classes: int = 3, noise: float = 0.2, flipped: float = 0.0) -> Data:
    """Points on interleaved spirals in the plane; ``flipped`` is the share of random labels."""

    def draw(count: int, generator: Generator) -> Pair:
        label = torch.randint(classes, (count,), generator=generator)
        radius = 0.1 + 0.9 * torch.rand(count, generator=generator)
        angle = 3 * math.pi * radius + label * 2 * math.pi / classes + noise * torch.randn(count, generator=generator)
        x = torch.stack((radius * angle.cos(), radius * angle.sin()), 1)
        return x, _flip(label, classes, flipped, generator)

    return Data("classes", draw(1000, generator), draw, classes)


def teacher(generator: Generator, *, features: int = 16, noise: float = 0.1) -> Data:
    """What a small fixed network makes of random inputs, plus noise."""
    first = torch.randn(features, 12, generator=generator) / math.sqrt(features)
    second = torch.randn(12, 2, generator=generator) / math.sqrt(12)

    def draw(count: int, generator: Generator) -> Pair:
        x = torch.randn(count, features, generator=generator)
        y = torch.tanh(2 * x @ first) @ second
        return x, y + noise * torch.randn(count, 2, generator=generator)

    return Data("numbers", draw(1000, generator), draw, 2)


def images(generator: Generator, *, classes: int = 6, noise: float = 0.8, side: int = 12, flipped: float = 0.0) -> Data:
    """Gratings whose direction is the class, with random phase and frequency under noise."""
    row, column = torch.meshgrid(torch.arange(side).float(), torch.arange(side).float(), indexing="ij")

    def draw(count: int, generator: Generator) -> Pair:
        label = torch.randint(classes, (count,), generator=generator)
        angle = (label * math.pi / classes + 0.1 * torch.randn(count, generator=generator))[:, None, None]
        phase = (2 * math.pi * torch.rand(count, generator=generator))[:, None, None]
        frequency = (0.9 + 0.3 * torch.rand(count, generator=generator))[:, None, None]
        x = torch.sin(frequency * (angle.cos() * column + angle.sin() * row) + phase)
        x = x + noise * torch.randn(count, side, side, generator=generator)
        return x[:, None], _flip(label, classes, flipped, generator)

    return Data("classes", draw(600, generator), draw, classes)


def recall(generator: Generator, *, symbols: int = 6, length: int = 12, flipped: float = 0.0) -> Data:
    """A sequence of symbols; the first one is to be named at the end."""

    def draw(count: int, generator: Generator) -> Pair:
        sequence = torch.randint(symbols, (count, length), generator=generator)
        return functional.one_hot(sequence, symbols).float(), _flip(sequence[:, 0], symbols, flipped, generator)

    return Data("classes", draw(500, generator), draw, symbols)


def adding(generator: Generator, *, length: int = 16) -> Data:
    """The two marked numbers of a sequence are to be added up."""

    def draw(count: int, generator: Generator) -> Pair:
        numbers = torch.rand(count, length, generator=generator)
        mark = torch.zeros(count, length)
        row = torch.arange(count)
        first = torch.randint(length // 2, (count,), generator=generator)
        second = torch.randint(length // 2, length, (count,), generator=generator)
        mark[row, first] = mark[row, second] = 1.0
        return torch.stack((numbers, mark), 2), (numbers[row, first] + numbers[row, second])[:, None]

    return Data("numbers", draw(500, generator), draw, 1)


def grammar(generator: Generator, *, tokens: int = 20, length: int = 24, spread: float = 1.0) -> Data:
    """Text of a random grammar in which two tokens decide the next; ``spread`` sets how surely."""
    score = 0.9 * torch.randn(tokens, tokens, tokens, generator=generator)
    score = (score + 1.5 * torch.randn(1, tokens, tokens, generator=generator)) / spread
    cumulative = torch.softmax(score, -1).cumsum(-1)

    def write(count: int, generator: Generator) -> Pair:
        text = torch.randint(tokens, (count, length + 1), generator=generator)
        dice = torch.rand(count, length + 1, generator=generator)
        for place in range(2, length + 1):
            below = cumulative[text[:, place - 2], text[:, place - 1]] < dice[:, place : place + 1]
            text[:, place] = below.sum(1).clamp_max(tokens - 1)
        return text[:, :-1], text[:, 1:]

    # Writing costs more than training on it: a large pool, drawn from at random.
    pool = write(4000, generator)

    def draw(count: int, generator: Generator) -> Pair:
        chosen = torch.randint(len(pool[0]), (count,), generator=generator)
        return pool[0][chosen], pool[1][chosen]

    return Data("text", write(96, generator), draw, tokens)


def modular(generator: Generator, *, modulus: int = 23, share: float = 0.6) -> Data:
    """Addition modulo a prime, a part of the table for training: known for late generalisation."""
    first, second = torch.meshgrid(torch.arange(modulus), torch.arange(modulus), indexing="ij")
    x = torch.cat(
        (functional.one_hot(first.flatten(), modulus), functional.one_hot(second.flatten(), modulus)), 1
    ).float()
    y = (first + second).flatten() % modulus
    order = torch.randperm(len(x), generator=generator)
    count = int(share * len(x))
    train, validation = order[:count], order[count:]

    def draw(size: int, generator: Generator) -> Pair:
        chosen = train[torch.randint(count, (size,), generator=generator)]
        return x[chosen], y[chosen]

    return Data("classes", (x[validation], y[validation]), draw, modulus, (x[train], y[train]))


def linear_modes(generator: Generator, *, features: int = 12) -> Data:
    """A linear map with a few strengths far apart: deep linear networks learn it in steps, with saddles between."""
    left, _ = torch.linalg.qr(torch.randn(features, features, generator=generator))
    right, _ = torch.linalg.qr(torch.randn(features, features, generator=generator))
    strength = torch.zeros(features)
    strength[:3] = torch.tensor((6.0, 2.0, 0.7))
    matrix = left @ torch.diag(strength) @ right

    def draw(count: int, generator: Generator) -> Pair:
        x = torch.randn(count, features, generator=generator)
        return x, x @ matrix.T + 0.02 * torch.randn(count, features, generator=generator)

    return Data("numbers", draw(300, generator), draw, features)


def _flip(label: Tensor, classes: int, share: float, generator: Generator) -> Tensor:
    random = torch.randint(classes, label.shape, generator=generator)
    return torch.where(torch.rand(label.shape, generator=generator) < share, random, label)


DATA = {each.__name__: each for each in (spirals, teacher, images, recall, adding, grammar, modular, linear_modes)}
