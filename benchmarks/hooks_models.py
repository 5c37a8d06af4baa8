"""The three models on which the cost of the hooks is measured: many large layers, many small ones, a transformer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

CLASSES = 10
VOCABULARY, CONTEXT = 512, 128


@dataclass(frozen=True)
class Training:
    """One model with what it is trained by.

    Args:
        batch: makes a batch of inputs and targets.
    """

    model: nn.Module
    optimizer: torch.optim.Optimizer
    batch: Callable[[], tuple[Tensor, Tensor]]

    def step(self, log: Callable[[Tensor], None]) -> None:
        """One step of an ordinary loop."""
        inputs, targets = self.batch()
        self.optimizer.zero_grad()
        loss = functional.cross_entropy(self.model(inputs).flatten(0, -2), targets.flatten())
        loss.backward()
        self.optimizer.step()
        log(loss)


def perceptron() -> Training:
    """Six hidden layers of 512, Adam, batches of 256: 1.6 M parameters in 14 tensors."""
    layers = [layer for _ in range(6) for layer in (nn.Linear(512, 512), nn.ReLU())]
    model = nn.Sequential(*layers, nn.Linear(512, CLASSES))
    optimizer = torch.optim.Adam(model.parameters(), 1e-4)
    return Training(model, optimizer, lambda: (torch.randn(256, 512), torch.randint(CLASSES, (256,))))


class _Residual(nn.Module):
    def __init__(self, inside: int, outside: int, stride: int) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            nn.Conv2d(inside, outside, 3, stride, 1, bias=False),
            nn.BatchNorm2d(outside),
            nn.ReLU(),
            nn.Conv2d(outside, outside, 3, 1, 1, bias=False),
            nn.BatchNorm2d(outside),
        )
        same = inside == outside and stride == 1
        self.shortcut = (
            nn.Identity()
            if same
            else nn.Sequential(nn.Conv2d(inside, outside, 1, stride, bias=False), nn.BatchNorm2d(outside))
        )
        self.end = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.end(self.branch(x) + self.shortcut(x))


def convolutional() -> Training:
    """A residual network of 20 layers for 32 x 32 images, SGD, batches of 8: 0.27 M parameters in 65 tensors."""
    blocks: list[nn.Module] = [nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU()]
    width = 16
    for outside, stride in ((16, 1), (16, 1), (16, 1), (32, 2), (32, 1), (32, 1), (64, 2), (64, 1), (64, 1)):
        blocks.append(_Residual(width, outside, stride))
        width = outside
    model = nn.Sequential(*blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, CLASSES))
    optimizer = torch.optim.SGD(model.parameters(), 1e-3, momentum=0.9)
    return Training(model, optimizer, lambda: (torch.randn(8, 3, 32, 32), torch.randint(CLASSES, (8,))))


class _Block(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.before_attention, self.before_mlp = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        batch, time, width = x.shape
        q, k, v = self.qkv(self.before_attention(x)).view(batch, time, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(mixed.transpose(1, 2).reshape(batch, time, width))
        return x + self.mlp(self.before_mlp(x))


class _Language(nn.Module):
    def __init__(self, width: int = 256, depth: int = 6) -> None:
        super().__init__()
        self.tokens, self.positions = nn.Embedding(VOCABULARY, width), nn.Embedding(CONTEXT, width)
        self.blocks = nn.Sequential(*(_Block(width, 4) for _ in range(depth)))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, VOCABULARY, bias=False)

    def forward(self, index: Tensor) -> Tensor:
        x = self.tokens(index) + self.positions(torch.arange(index.shape[1]))
        return self.head(self.norm(self.blocks(x)))


def transformer() -> Training:
    """A GPT of six layers and width 256, AdamW, two contexts of 128: 5 M parameters in 77 tensors."""
    model = _Language()
    optimizer = torch.optim.AdamW(model.parameters(), 1e-4)

    def batch() -> tuple[Tensor, Tensor]:
        index = torch.randint(VOCABULARY, (2, CONTEXT + 1))
        return index[:, :-1], index[:, 1:]

    return Training(model, optimizer, batch)


MODELS = {"MLP": perceptron, "CNN": convolutional, "GPT": transformer}
