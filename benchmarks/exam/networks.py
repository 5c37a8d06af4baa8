"""The networks of the exam: small enough to be trained three hundred times, each with the parts that can fall ill."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid, "gelu": nn.GELU, "linear": nn.Identity}


def mlp(
    inputs: int, outputs: int, *, width: int = 64, depth: int = 2, activation: str = "relu", dropout: float = 0.0
) -> nn.Module:
    """Fully connected layers."""
    layers: list[nn.Module] = []
    for number in range(depth):
        layers += [nn.Linear(inputs if number == 0 else width, width), ACTIVATIONS[activation]()]
        if dropout:
            layers.append(nn.Dropout(dropout))
    return nn.Sequential(*layers, nn.Linear(width, outputs))


def cnn(_: int, outputs: int, *, channels: int = 8, dropout: float = 0.0, norm: bool = True) -> nn.Module:
    """Two convolutions with batch normalisation and pooling, for images of 12 x 12."""
    layers: list[nn.Module] = []
    for before, after in ((1, channels), (channels, 2 * channels)):
        layers.append(nn.Conv2d(before, after, 3, padding=1))
        layers += [nn.BatchNorm2d(after)] if norm else []
        layers += [nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Dropout(dropout), nn.Linear(2 * channels * 9, outputs))


class Recurrent(nn.Module):
    """A recurrent layer and a head on its last state."""

    def __init__(self, inputs: int, outputs: int, *, width: int = 32, cell: str = "GRU") -> None:
        super().__init__()
        self.recurrent = getattr(nn, cell)(inputs, width, batch_first=True)
        self.head = nn.Linear(width, outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.recurrent(x)[0][:, -1])


class Block(nn.Module):
    """A block of a transformer, normalised first."""

    def __init__(self, width: int, heads: int, dropout: float, *, causal: bool) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.activation, self.down = nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        self.dropout = nn.Dropout(dropout)
        self.heads, self.causal = heads, causal

    def forward(self, x: Tensor) -> Tensor:
        batch, length, width = x.shape
        split = (
            part.view(batch, length, self.heads, -1).transpose(1, 2) for part in self.qkv(self.norm1(x)).chunk(3, 2)
        )
        attended = functional.scaled_dot_product_attention(*split, is_causal=self.causal)
        x = x + self.dropout(self.out(attended.transpose(1, 2).reshape(batch, length, width)))
        return x + self.dropout(self.down(self.activation(self.up(self.norm2(x)))))


class GPT(nn.Module):
    """A small language model."""

    def __init__(
        self, _: int, tokens: int, *, width: int = 32, depth: int = 2, heads: int = 2, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.token, self.position = nn.Embedding(tokens, width), nn.Embedding(64, width)
        self.blocks = nn.ModuleList(Block(width, heads, dropout, causal=True) for _ in range(depth))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, tokens, bias=False)
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.normal_(parameter, std=0.05)

    def forward(self, text: Tensor) -> Tensor:
        x = self.token(text) + self.position(torch.arange(text.shape[1]))
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))


class ViT(nn.Module):
    """Patches of 4 x 4 pixels through blocks without a mask."""

    def __init__(self, _: int, outputs: int, *, width: int = 32, depth: int = 2, dropout: float = 0.0) -> None:
        super().__init__()
        self.patch = nn.Conv2d(1, width, 4, stride=4)
        self.position = nn.Parameter(0.02 * torch.randn(9, width))
        self.blocks = nn.ModuleList(Block(width, 2, dropout, causal=False) for _ in range(depth))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, outputs)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patch(x).flatten(2).transpose(1, 2) + self.position
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x.mean(1)))


class ResidualMLP(nn.Module):
    """Fully connected residual blocks, as for tables."""

    def __init__(self, inputs: int, outputs: int, *, width: int = 48, depth: int = 4, dropout: float = 0.0) -> None:
        super().__init__()
        self.stem = nn.Linear(inputs, width)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.LayerNorm(width), nn.Linear(width, width), nn.ReLU(), nn.Dropout(dropout), nn.Linear(width, width)
            )
            for _ in range(depth)
        )
        self.head = nn.Linear(width, outputs)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for block in self.blocks:
            x = x + block(x)
        return self.head(x)


class Convolutions1d(nn.Module):
    """Dilated convolutions over a sequence."""

    def __init__(self, inputs: int, outputs: int, *, width: int = 32) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv1d(inputs, width, 3, padding=1),
            nn.ReLU(),
            nn.Conv1d(width, width, 3, padding=2, dilation=2),
            nn.ReLU(),
            nn.Conv1d(width, width, 3, padding=4, dilation=4),
            nn.ReLU(),
        )
        self.head = nn.Linear(2 * width, outputs)

    def forward(self, x: Tensor) -> Tensor:
        x = self.layers(x.transpose(1, 2))
        return self.head(torch.cat((x[..., 0], x.amax(2)), 1))


NETWORKS = {
    "mlp": mlp,
    "cnn": cnn,
    "recurrent": Recurrent,
    "gpt": GPT,
    "vit": ViT,
    "residual_mlp": ResidualMLP,
    "convolutions_1d": Convolutions1d,
}
