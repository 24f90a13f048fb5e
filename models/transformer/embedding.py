"""Tokens → input vectors: who the gene is, how much of it, and where it stands."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.transformer.batch import PAD_TOKEN, Batch
from models.transformer.block import initialise
from models.transformer.choices import Value
from models.transformer.recipe import Design


class GeneIdentity(nn.Module):
    """Ids (…) → vectors (…, D): a learnt table, or frozen gene vectors (V, E) through a projection."""

    vectors: Tensor

    def __init__(self, design: Design, *, vocabulary: int) -> None:
        super().__init__()
        size, choice = design.size, design.identity
        width, eps = size.width, design.backbone.eps
        self.kind = choice.kind
        self.table = self.project = None
        if choice.kind in ("table", "fused"):
            self.table = nn.Embedding(vocabulary, width, padding_idx=PAD_TOKEN)
        if choice.kind in ("frozen", "fused"):
            self.register_buffer("vectors", torch.randn(vocabulary, size.vectors) * size.vectors**-0.5)
        if choice.kind == "frozen":
            self.project = _projection(choice.project, size.vectors, width, eps=eps)
        self.norm = nn.LayerNorm(width, eps=eps) if choice.norm else None

    def forward(self, ids: Tensor) -> Tensor:
        """Ids of any shape → one more dimension, D."""
        x = self.project(self.vectors[ids]) if self.project is not None else self.table(ids)
        return x if self.norm is None else self.norm(x)


def _projection(kind: str, into: int, width: int, *, eps: float) -> nn.Module:
    if kind == "linear":
        return nn.Sequential(nn.Linear(into, width), nn.GELU(), nn.LayerNorm(width, eps=eps))
    if kind == "mlp":
        return nn.Sequential(
            nn.Linear(into, width), nn.LayerNorm(width, eps=eps), nn.ReLU(), nn.Linear(width, width)
        )
    return nn.Identity()


class ValueCoder(nn.Module):
    """Values (B, T) → vectors (B, T, D), as ``Value.kind`` says."""

    def __init__(self, value: Value, *, width: int, eps: float) -> None:
        super().__init__()
        self.kind, self.scale = value.kind, max(value.bins - 1, 1)
        if self.kind == "table":
            self.table = nn.Embedding(value.bins, width)
        elif self.kind == "mlp":
            self.first, self.second = nn.Linear(1, width), nn.Linear(width, width)
            self.norm = nn.LayerNorm(width, eps=eps)
        elif self.kind == "soft_bins":
            self.first, self.second = nn.Linear(1, value.soft), nn.Linear(value.soft, value.soft)
            self.through = nn.Parameter(torch.ones(1))
            self.soft = nn.Linear(value.soft, width, bias=False)

    def forward(self, values: Tensor) -> Tensor:
        """(B, T) → (B, T, D)."""
        if self.kind == "table":
            return self.table(values.long().clamp(0, self.table.num_embeddings - 1))
        x = self.first(values.unsqueeze(-1))
        if self.kind == "mlp":
            return self.norm(self.second(F.relu(x)))
        x = F.leaky_relu(x, 0.1)
        return self.soft((self.second(x) + self.through * x).softmax(-1))


class InputEmbedding(nn.Module):
    """A batch → (B, T, D): gene + value + position, then the input norm and dropout.

    A value that is hidden is replaced by one learnt vector; a token without a value adds nothing.
    """

    mask: Tensor | None

    def __init__(self, design: Design, *, vocabulary: int) -> None:
        super().__init__()
        size, backbone, value = design.size, design.backbone, design.value
        self.genes = GeneIdentity(design, vocabulary=vocabulary)
        self.kind, self.positions = value.kind, backbone.positions
        coded = value.kind in ("table", "mlp", "soft_bins")
        self.value = ValueCoder(value, width=size.width, eps=backbone.eps) if coded else None
        self.mask = nn.Parameter(torch.zeros(size.width)) if coded else None
        self.fuse = None
        if value.kind == "concat":
            beside = size.vectors if design.identity.kind == "fused" else 0
            self.fuse = nn.Sequential(
                nn.Linear(size.width + 2 + beside, size.width), nn.ReLU(), nn.Linear(size.width, size.width)
            )
        if self.positions == "learned":
            self.place = nn.Embedding(size.length, size.width)
        self.norm = nn.LayerNorm(size.width, eps=backbone.eps) if backbone.norm_input else None
        self.drop = nn.Dropout(size.training.dropout)
        initialise(self, std=backbone.init_std)
        if self.mask is not None:
            nn.init.normal_(self.mask, std=backbone.init_std)

    def forward(self, batch: Batch) -> Tensor:
        """Input vectors (B, T, D)."""
        x = self.genes(batch.ids)
        if self.fuse is not None:
            x = self._fused(x, batch)
        if self.value is not None:
            x = x + self._valued(batch)
        if self.positions == "learned":
            x = x + self.place(torch.arange(x.shape[1], device=x.device))
        elif self.positions == "sinusoidal":
            x = x * math.sqrt(x.shape[-1]) + waves(x.shape[1], x.shape[-1], device=x.device)
        return self.drop(x if self.norm is None else self.norm(x))

    def _valued(self, batch: Batch) -> Tensor:
        known = ~batch.values.isnan()
        coded = self.value(batch.values.nan_to_num(0.0)) * known.unsqueeze(-1)
        if batch.hidden is None:
            return coded
        return torch.where(batch.hidden.unsqueeze(-1), self.mask.to(coded.dtype), coded)

    def _fused(self, x: Tensor, batch: Batch) -> Tensor:
        values = batch.values.nan_to_num(0.0)
        hidden = torch.zeros_like(values) if batch.hidden is None else batch.hidden.to(values.dtype)
        parts = [x, (values * (1 - hidden)).unsqueeze(-1), hidden.unsqueeze(-1)]
        if self.genes.kind == "fused":
            parts.append(self.genes.vectors[batch.ids])
        return self.fuse(torch.cat(parts, dim=-1))


def waves(length: int, width: int, *, device: torch.device) -> Tensor:
    """Sinusoidal positions (length, width), arXiv:1706.03762."""
    place = torch.arange(length, device=device)[:, None]
    rate = torch.exp(torch.arange(0, width, 2, device=device) * (-math.log(1e4) / width))
    found = torch.zeros(length, width, device=device)
    found[:, 0::2] = torch.sin(place * rate)
    found[:, 1::2] = torch.cos(place * rate)[:, : width // 2]
    return found
