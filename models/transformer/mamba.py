"""Mamba-2 (arXiv:2405.21060) in plain torch: a selective state space as matrix products over chunks."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.transformer.choices import Size
from models.transformer.sight import Sight

CHUNK = 64
EXPAND, KERNEL = 2, 4


class Mamba2(nn.Module):
    """One mixer read forwards and backwards with the same weights, averaged (GeneMamba).

    Inner width 2 D in ``size.heads`` heads, a state of ``size.state`` a channel, a causal
    convolution over 4 tokens. Linear in T. Padding is taken out before the sequence is turned, so a
    cell's states do not depend on it.
    """

    def __init__(self, size: Size, *, eps: float) -> None:
        super().__init__()
        self.heads, self.state, self.inner = size.heads, size.state, EXPAND * size.width
        self.eps = eps
        mixed = self.inner + 2 * self.state
        self.enter = nn.Linear(size.width, self.inner + mixed + self.heads, bias=False)
        self.convolve = nn.Conv1d(mixed, mixed, KERNEL, groups=mixed, padding=KERNEL - 1)
        self.step_bias = nn.Parameter(torch.linspace(-4.6, -2.2, self.heads))  # softplus: 0.01 to 0.1
        self.log_decay = nn.Parameter(torch.linspace(1.0, 16.0, self.heads).log())
        self.skip = nn.Parameter(torch.ones(self.heads))
        self.gain = nn.Parameter(torch.ones(self.inner))
        self.out = nn.Linear(self.inner, size.width, bias=False)

    def forward(self, x: Tensor, sight: Sight) -> Tensor:
        """(B, T, D) → (B, T, D)."""
        real = sight.real
        turned = _turned(x.shape[1], real, device=x.device)
        back = self._one_way(_taken(x, turned), real)
        return (self._one_way(x, real) + _taken(back, turned)) / 2

    def _one_way(self, x: Tensor, real: Tensor | None) -> Tensor:
        b, t, _ = x.shape
        gate, mixed, step = self.enter(x).split([self.inner, self.inner + 2 * self.state, self.heads], dim=-1)
        mixed = F.silu(self.convolve(mixed.transpose(1, 2))[..., :t].transpose(1, 2))
        v, into, out = mixed.float().split([self.inner, self.state, self.state], dim=-1)
        step = F.softplus(step.float() + self.step_bias)
        if real is not None:
            step = step * real[..., None]
        v = v.view(b, t, self.heads, -1)
        y = scan(v * step[..., None], -step * self.log_decay.exp(), into, out)
        y = (y + self.skip[:, None] * v).reshape(b, t, -1) * F.silu(gate.float())
        y = y * torch.rsqrt((y**2).mean(-1, keepdim=True) + self.eps) * self.gain
        return self.out(y.to(x.dtype))


def scan(v: Tensor, decay: Tensor, into: Tensor, out: Tensor, *, chunk: int = CHUNK) -> Tensor:
    """States h_t = exp(decay_t) h_{t−1} + v_t ⊗ into_t, read as y_t = h_t · out_t.

    Shapes: ``v`` (B, T, H, P), ``decay`` (B, T, H) ≤ 0, ``into`` and ``out`` (B, T, S) → (B, T, H, P).
    Within a chunk by matrix products, between chunks by carrying the state: O(T · chunk).
    """
    b, t, h, p = v.shape
    state = v.new_zeros(b, h, p, into.shape[-1])
    parts = []
    for start in range(0, t, chunk):
        vc, dc, ic, oc = (x[:, start : start + chunk] for x in (v, decay, into, out))
        upto = dc.cumsum(1)
        between = (upto[:, :, None] - upto[:, None]).permute(0, 3, 1, 2)
        earlier = torch.ones(vc.shape[1], vc.shape[1], dtype=torch.bool, device=v.device).tril()
        weight = between.masked_fill(~earlier, float("-inf")).exp() * (oc @ ic.transpose(1, 2))[:, None]
        inside = torch.einsum("bhqk,bkhp->bqhp", weight, vc)
        carried = torch.einsum("bqs,bhps,bqh->bqhp", oc, state, upto.exp())
        parts.append(inside + carried)
        rest = (upto[:, -1:] - upto).exp()
        state = state * upto[:, -1].exp()[..., None, None] + torch.einsum("bkhp,bks,bkh->bhps", vc, ic, rest)
    return torch.cat(parts, dim=1)


def _turned(t: int, real: Tensor | None, *, device: torch.device) -> Tensor:
    """Positions (B or 1, T) that read each cell's tokens backwards and leave its padding at the end."""
    place = torch.arange(t, device=device)[None]
    if real is None:
        return place.flip(1)
    n = real.sum(1, keepdim=True)
    return torch.where(place < n, n - 1 - place, place)


def _taken(x: Tensor, places: Tensor) -> Tensor:
    return x.gather(1, places[..., None].expand(x.shape[0], -1, x.shape[2]))
