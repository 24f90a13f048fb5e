"""Low-rank adapters (LoRA, arXiv:2106.09685): a frozen linear map learns a correction of few weights."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

STRENGTH = 2.0


class LowRank(nn.Module):
    """The frozen map ``base`` with ``scale`` · ``up`` (out, rank) · ``down`` (rank, in) on its weights.

    The correction is added to the weights before they meet the input, which is the published sum of two
    paths in another order, and cheaper wherever a batch has more tokens than the layer has inputs. ``up``
    starts at 0, and a ``scale`` of 0 is off: in both states the map is that of ``base``, bit for bit.
    """

    def __init__(self, base: nn.Linear, *, rank: int, generator: torch.Generator) -> None:
        super().__init__()
        self.base = base.requires_grad_(False)
        self.scale = STRENGTH
        weight = base.weight
        down = torch.randn(rank, base.in_features, generator=generator) * base.in_features**-0.5
        self.down = nn.Parameter(down.to(weight))
        self.up = nn.Parameter(weight.new_zeros(base.out_features, rank))

    @property
    def weight(self) -> Tensor:
        """The weights with their correction (out, in)."""
        return self.base.weight + self.scale * (self.up @ self.down)

    def forward(self, x: Tensor) -> Tensor:
        """(…, in) → (…, out)."""
        return F.linear(x, self.weight, self.base.bias)


def attach(blocks: Iterable[nn.Module], *, rank: int, seed: int) -> None:
    """Give each linear map in ``blocks`` an adapter; all other weights in them are frozen.

    Which corrections are tried first follows from the seed and the order of the maps alone.
    """
    generator = torch.Generator().manual_seed(seed)
    for block in blocks:
        block.requires_grad_(False)
        for owner, name, part in _children(block, nn.Linear):
            setattr(owner, name, LowRank(part, rank=rank, generator=generator))


@torch.no_grad()
def merge(blocks: Iterable[nn.Module]) -> None:
    """Put plain linear maps with the corrected weights in the place of adapters; answers stay the same."""
    for block in blocks:
        for owner, name, part in _children(block, LowRank):
            part.base.weight.copy_(part.weight)
            setattr(owner, name, part.base)


def _children(block: nn.Module, kind: type[nn.Module]) -> list[tuple[nn.Module, str, nn.Module]]:
    """Parts of a kind: who owns them, under which name. A list, because the owners are changed."""
    return [
        (owner, name, part)
        for owner in block.modules()
        for name, part in owner.named_children()
        if isinstance(part, kind)
    ]
