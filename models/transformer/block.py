"""One transformer block, with switches."""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.transformer.choices import Backbone, Size
from models.transformer.mixers import mixer_of
from models.transformer.sight import Sight


def activate(x: Tensor, *, kind: Literal["relu", "gelu"]) -> Tensor:
    """The named non-linearity."""
    return F.relu(x) if kind == "relu" else F.gelu(x)


class Feed(nn.Module):
    """Two layers with a non-linearity between; ``glu``: the product of two linear maps, then a third."""

    def __init__(self, backbone: Backbone, size: Size) -> None:
        super().__init__()
        self.kind = backbone.feed
        wide = size.hidden * (2 if self.kind == "glu" else 1)
        self.up = nn.Linear(size.width, wide, bias=backbone.bias)
        self.down = nn.Linear(size.hidden, size.width, bias=backbone.bias)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, D) → (B, T, D)."""
        x = self.up(x)
        if self.kind == "glu":
            left, right = x.chunk(2, dim=-1)
            return self.down(left * right)
        return self.down(activate(x, kind=self.kind))


class Block(nn.Module):
    """A mixer and a feed-forward, each with a residual path; ``Backbone.norm`` says where the norms stand."""

    def __init__(self, backbone: Backbone, size: Size) -> None:
        super().__init__()
        self.norm = backbone.norm
        self.mixer = mixer_of(backbone, size)
        self.feed = None if backbone.feed == "none" else Feed(backbone, size)
        parts = 0 if self.norm == "none" else 1 + (self.feed is not None)
        self.norms = nn.ModuleList(nn.LayerNorm(size.width, eps=backbone.eps) for _ in range(parts))
        self.drop = nn.Dropout(size.training.dropout)
        self.residual = (2 * size.layers) ** 0.25 if self.norm == "deep" else 1.0

    def forward(self, x: Tensor, sight: Sight) -> Tensor:
        """(B, T, D) → (B, T, D)."""
        x = self._step(x, lambda y: self.mixer(y, sight), 0)
        return x if self.feed is None else self._step(x, self.feed, 1)

    def _step(self, x: Tensor, part, i: int) -> Tensor:
        if self.norm == "none":
            return x + self.drop(part(x))
        norm = self.norms[i]
        if self.norm == "pre":
            return x + self.drop(part(norm(x)))
        if self.norm == "stream":
            x = norm(x)
            return x + self.drop(part(x))
        return norm(self.residual * x + self.drop(part(x)))


def blocks_of(backbone: Backbone, size: Size) -> nn.ModuleList:
    """``size.layers`` blocks, initialised."""
    blocks = nn.ModuleList(Block(backbone, size) for _ in range(size.layers))
    initialise(blocks, std=backbone.init_std)
    if backbone.norm == "deep":
        _shrink(blocks, by=(8 * size.layers) ** -0.25)
    return blocks


@torch.no_grad()
def _shrink(blocks: nn.ModuleList, *, by: float) -> None:
    """DeepNorm (arXiv:2203.00555): smaller weights wherever no softmax stands between input and output."""
    for block in blocks:
        for name, weight in block.named_parameters():
            if (
                name.endswith("weight")
                and weight.ndim == 2
                and not name.startswith(("mixer.query", "mixer.key"))
            ):
                weight.mul_(by)


@torch.no_grad()
def initialise(module: nn.Module, *, std: float) -> None:
    """Normal weights with deviation ``std``, zero biases, padding row of a table zero (BERT)."""
    for part in module.modules():
        if isinstance(part, nn.Linear):
            part.weight.normal_(0.0, std)
            if part.bias is not None:
                part.bias.zero_()
        elif isinstance(part, nn.Embedding):
            part.weight.normal_(0.0, std)
            if part.padding_idx is not None:
                part.weight[part.padding_idx].zero_()
