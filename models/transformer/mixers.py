"""How tokens look at each other: five mixers, one signature, (B, T, D) → (B, T, D)."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.transformer.choices import Backbone, Size
from models.transformer.mamba import Mamba2
from models.transformer.sight import Sight


class Attention(nn.Module):
    """Multi-head softmax attention, through ``scaled_dot_product_attention`` where scores are not bent."""

    def __init__(self, backbone: Backbone, size: Size) -> None:
        super().__init__()
        self.heads, self.dropout, self.softcap = size.heads, size.training.dropout, backbone.softcap
        inner = _inner(size)
        self.project = nn.Linear(size.width, 3 * inner, bias=backbone.bias)
        self.out = nn.Linear(inner, size.width, bias=backbone.bias)

    def forward(self, x: Tensor, sight: Sight) -> Tensor:
        """(B, T, D) → (B, T, D)."""
        b, t, _ = x.shape
        q, k, v = self.project(x).view(b, t, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        dropout = self.dropout if self.training else 0.0
        if self.softcap or sight.bias is not None:
            y = _bent(q, k, v, sight, softcap=self.softcap, dropout=dropout)
        else:
            y = F.scaled_dot_product_attention(q, k, v, attn_mask=sight.mask, dropout_p=dropout)
        return self.out(y.transpose(1, 2).reshape(b, t, -1))


def _bent(q: Tensor, k: Tensor, v: Tensor, sight: Sight, *, softcap: float, dropout: float) -> Tensor:
    """Attention with a bias on the scores, then a soft cap; O(T²) memory."""
    score = (q @ k.transpose(-1, -2)).float() / q.shape[-1] ** 0.5
    if sight.bias is not None:
        score = score + sight.bias
    if softcap:
        score = softcap * torch.tanh(score / softcap)
    if sight.mask is not None:
        score = score.masked_fill(~sight.mask, float("-inf"))
    return F.dropout(score.softmax(-1), dropout, training=dropout > 0).to(v.dtype) @ v


class Performer(nn.Module):
    """Softmax attention by positive random features (FAVOR+, arXiv:2009.14794); linear in T.

    The random directions are drawn once and kept with the weights, so an embedding is repeatable.
    """

    directions: Tensor

    def __init__(self, backbone: Backbone, size: Size) -> None:
        super().__init__()
        self.heads = size.heads
        inner = _inner(size)
        self.project = nn.Linear(size.width, 3 * inner, bias=backbone.bias)
        self.out = nn.Linear(inner, size.width, bias=True)
        self.register_buffer("directions", orthogonal(size.features, inner // size.heads))

    def forward(self, x: Tensor, sight: Sight) -> Tensor:
        """(B, T, D) → (B, T, D)."""
        b, t, _ = x.shape
        q, k, v = self.project(x).view(b, t, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        real = None if sight.real is None else sight.real[:, None, :, None]
        q, k = self._features(q, each=True), self._features(k, each=False, real=real)
        if real is not None:
            k = k * real
        y = q @ (k.transpose(-1, -2) @ v.float())
        y = y / (q @ k.sum(-2).unsqueeze(-1))
        return self.out(y.to(x.dtype).transpose(1, 2).reshape(b, t, -1))

    def _features(self, x: Tensor, *, each: bool, real: Tensor | None = None) -> Tensor:
        """Positive features (B, H, T, M); the stabiliser is a query's own, but one for all keys of a cell."""
        x = x.float() * x.shape[-1] ** -0.25
        at = x @ self.directions.float().T
        seen = at if real is None else at.masked_fill(~real, float("-inf"))
        most = at.amax(-1, keepdim=True) if each else seen.amax((-1, -2), keepdim=True)
        scale = self.directions.shape[0] ** -0.5
        return scale * (torch.exp(at - (x**2).sum(-1, keepdim=True) / 2 - most.detach()) + 1e-6)


def orthogonal(rows: int, width: int) -> Tensor:
    """Random directions (rows, width), orthogonal in blocks, with the lengths of normal vectors."""
    blocks = [_rotation(width) for _ in range(-(-rows // width))]
    return torch.cat(blocks)[:rows] * torch.randn(rows, width).norm(dim=1, keepdim=True)


def _rotation(width: int) -> Tensor:
    """A uniformly random orthogonal matrix; without the signs, QR would prefer one side (math-ph/0609050)."""
    q, r = torch.linalg.qr(torch.randn(width, width))
    return (q * r.diagonal().sign()).T


class Retention(nn.Module):
    """CellFM's linear retention: relu(q) (relu(k)ᵀ v), normalised in each head and gated; linear in T."""

    def __init__(self, backbone: Backbone, size: Size) -> None:
        super().__init__()
        self.heads, self.eps = size.heads, backbone.eps
        inner = _inner(size)
        self.query, self.key, self.value, self.gate = (
            nn.Linear(size.width, inner, bias=backbone.bias) for _ in range(4)
        )
        self.out = nn.Linear(inner, size.width, bias=backbone.bias)

    def forward(self, x: Tensor, sight: Sight) -> Tensor:
        """(B, T, D) → (B, T, D)."""
        b, t, _ = x.shape
        q, k, v = (
            part(x).view(b, t, self.heads, -1).transpose(1, 2).float()
            for part in (self.query, self.key, self.value)
        )
        q, k = (F.relu(part) * part.shape[-1] ** -0.5 for part in (q, k))
        seen = torch.ones(b, t, device=x.device) if sight.real is None else sight.real.float()
        if sight.hidden is not None:
            seen = seen * ~sight.hidden
        k = k * seen[:, None, :, None]
        v = v * seen.sum(1).clamp(min=1).rsqrt()[:, None, None, None]
        y = q @ (k.transpose(-1, -2) @ v)
        y = y * torch.rsqrt((y**2).mean(-1, keepdim=True) + self.eps)
        y = y.transpose(1, 2).reshape(b, t, -1).to(x.dtype)
        return self.out(y * F.silu(self.gate(x)))


class ReluKernel(nn.Module):
    """Attention with relu in the place of softmax, and on q, k and v; divided by the keys in sight."""

    def __init__(self, backbone: Backbone, size: Size) -> None:
        super().__init__()
        self.heads = size.heads
        inner = _inner(size)
        self.project = nn.Linear(size.width, 3 * inner, bias=backbone.bias)
        self.out = nn.Linear(inner, size.width, bias=backbone.bias)

    def forward(self, x: Tensor, sight: Sight) -> Tensor:
        """(B, T, D) → (B, T, D)."""
        b, t, _ = x.shape
        q, k, v = F.relu(self.project(x)).view(b, t, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        score = q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5
        seen = torch.ones(1, 1, 1, t, device=x.device) if sight.mask is None else sight.mask.float()
        y = (score * seen / seen.sum(-1, keepdim=True).clamp(min=1)) @ v
        return self.out(y.transpose(1, 2).reshape(b, t, -1))


def mixer_of(backbone: Backbone, size: Size) -> nn.Module:
    """The mixer that a backbone chooses."""
    if backbone.mixer == "mamba2":
        return Mamba2(size, eps=backbone.eps)
    kinds = {
        "softmax": Attention,
        "performer": Performer,
        "retention": Retention,
        "relu_kernel": ReluKernel,
    }
    return kinds[backbone.mixer](backbone, size)


def _inner(size: Size) -> int:
    return size.heads * (size.head_width or size.width // size.heads)
