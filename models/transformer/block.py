"""One transformer block, with switches."""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Norm = Literal["post", "pre"]
Activation = Literal["relu", "gelu"]


def activate(x: Tensor, *, kind: Activation) -> Tensor:
    """The named non-linearity."""
    return F.relu(x) if kind == "relu" else F.gelu(x)


class Attention(nn.Module):
    """Multi-head softmax attention over (B, T, D), through ``scaled_dot_product_attention``."""

    def __init__(self, *, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.project = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """``mask`` is bool, broadcastable to (B, heads, T, T), true where a key may be seen."""
        b, t, d = x.shape
        q, k, v = self.project(x).view(b, t, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        dropout = self.dropout if self.training else 0.0
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=dropout)
        return self.out(y.transpose(1, 2).reshape(b, t, d))


class Block(nn.Module):
    """Attention and feed-forward, each with a residual path.

    ``norm="post"`` normalises after each sum (BERT), ``"pre"`` before each sub-layer (GPT).
    """

    def __init__(
        self,
        *,
        width: int,
        heads: int,
        hidden: int,
        norm: Norm,
        activation: Activation,
        dropout: float,
        eps: float,
    ) -> None:
        super().__init__()
        self.norm, self.activation = norm, activation
        self.attention = Attention(width=width, heads=heads, dropout=dropout)
        self.up, self.down = nn.Linear(width, hidden), nn.Linear(hidden, width)
        self.norm1, self.norm2 = nn.LayerNorm(width, eps=eps), nn.LayerNorm(width, eps=eps)
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """(B, T, D) → (B, T, D)."""
        if self.norm == "pre":
            x = x + self.drop(self.attention(self.norm1(x), mask))
            return x + self.drop(self._feed(self.norm2(x)))
        x = self.norm1(x + self.drop(self.attention(x, mask)))
        return self.norm2(x + self.drop(self._feed(x)))

    def _feed(self, x: Tensor) -> Tensor:
        return self.down(activate(self.up(x), kind=self.activation))


def key_mask(real: Tensor) -> Tensor:
    """Mask that hides padding from every query: bool (B, T) → (B, 1, 1, T)."""
    return real[:, None, None, :]


@torch.no_grad()
def initialise(module: nn.Module, *, std: float) -> None:
    """Normal weights with deviation ``std``, zero biases, padding row of a table zero (BERT)."""
    for part in module.modules():
        if isinstance(part, nn.Linear):
            part.weight.normal_(0.0, std)
            part.bias.zero_()
        elif isinstance(part, nn.Embedding):
            part.weight.normal_(0.0, std)
            if part.padding_idx is not None:
                part.weight[part.padding_idx].zero_()
