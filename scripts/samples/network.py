"""A fully connected network with its gradients written out, and Adam: just enough to train for real."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Sequence

Array = NDArray[np.float64]
Activation = Literal["tanh", "relu"]


class Network:
    """Linear layers with one activation between them.

    Args:
        rng: for the first weights. sizes: width of the input, of each hidden layer, and of the output.
        activation: between the layers. gain: of the first weights, over one root of the fan-in.
    """

    def __init__(
        self, rng: np.random.Generator, sizes: Sequence[int], activation: Activation, gain: float = 1.0
    ) -> None:
        self.activation = activation
        self.weights = [
            gain * rng.standard_normal((fan_in, fan_out)) / np.sqrt(fan_in)
            for fan_in, fan_out in itertools.pairwise(sizes)
        ]
        self.biases = [np.zeros(fan_out) for fan_out in sizes[1:]]

    @property
    def parameters(self) -> list[Array]:
        """Weight and bias of each layer, in that order, input side first."""
        return [array for pair in zip(self.weights, self.biases, strict=True) for array in pair]

    def outputs(self, inputs: Array) -> list[Array]:
        """The input, then what each layer makes of it: ``[N, width]`` each."""
        values = [inputs]
        for index, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            linear = values[-1] @ weight + bias
            values.append(linear if index == len(self.weights) - 1 else self._activate(linear))
        return values

    def gradients(self, values: list[Array], output_gradient: Array) -> list[Array]:
        """Of every parameter, in the order of ``parameters``; ``values`` as ``outputs`` gave them."""
        found: list[Array] = []
        upstream = output_gradient
        for index in range(len(self.weights) - 1, -1, -1):
            found[:0] = [values[index].T @ upstream, upstream.sum(axis=0)]
            if index:
                upstream = (upstream @ self.weights[index].T) * self._slope(values[index])
        return found

    def _activate(self, linear: Array) -> Array:
        if self.activation == "tanh":
            return np.asarray(np.tanh(linear))
        return np.maximum(linear, 0.0)

    def _slope(self, activated: Array) -> Array:
        if self.activation == "tanh":
            return np.asarray(1.0 - activated**2)
        return np.asarray(activated > 0.0, dtype=np.float64)


def cross_entropy(logits: Array, targets: NDArray[np.int64] | Array) -> tuple[float, Array]:
    """Mean negative log-likelihood of the classes ``targets [N]`` and its gradient ``[N, classes]``."""
    labels = targets.astype(np.int64)
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_likelihood = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    rows = np.arange(len(labels))
    gradient = np.exp(log_likelihood)
    gradient[rows, labels] -= 1.0
    return -float(log_likelihood[rows, labels].mean()), gradient / len(labels)


@dataclass
class Adam:
    """Adam with its usual constants (Kingma and Ba 2015)."""

    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    count: int = 0
    mean: list[Array] = field(default_factory=list)
    square: list[Array] = field(default_factory=list)

    def step(self, parameters: list[Array], gradients: list[Array], rate: float) -> None:
        """One update at this learning rate."""
        self.mean = self.mean or [np.zeros_like(array) for array in parameters]
        self.square = self.square or [np.zeros_like(array) for array in parameters]
        self.count += 1
        for array, mean, square, gradient in zip(parameters, self.mean, self.square, gradients, strict=True):
            mean += (1.0 - self.beta1) * (gradient - mean)
            square += (1.0 - self.beta2) * (gradient**2 - square)
            corrected = mean / (1.0 - self.beta1**self.count)
            spread = np.sqrt(square / (1.0 - self.beta2**self.count))
            array -= rate * corrected / (spread + self.epsilon)
