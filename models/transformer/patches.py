"""Panels in patches: k genes make one token, so that a sequence is k times shorter."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.transformer.batch import Batch
from models.transformer.block import initialise
from models.transformer.recipe import Design


class Patches(nn.Module):
    """Gene vectors of a patch, side by side, through one linear map; and back to genes.

    With ``patches: random`` the genes are grouped by a permutation that is drawn once and kept
    with the weights. Special tokens of the prefix stay tokens of their own.
    """

    order: Tensor
    place: Tensor

    def __init__(self, design: Design, *, vocabulary: int, specials: int) -> None:
        super().__init__()
        width, self.patch, self.specials = design.size.width, design.size.patch, specials
        self.prefix, self.genes = len(design.tokeniser.prefix), vocabulary - specials
        random = design.tokeniser.patches == "random"
        order = torch.randperm(self.genes) if random else torch.arange(self.genes)
        self.register_buffer("order", order)
        self.join = nn.Linear(self.patch * width, width)
        self.part = nn.Linear(width, self.patch * width)
        count = -(-self.genes // self.patch)
        self.where = nn.Embedding(count, width)
        initialise(self, std=design.backbone.init_std)

    def forward(self, x: Tensor, ids: Tensor) -> tuple[Tensor, Tensor]:
        """(B, P + G, D) → (B, P + ⌈G / k⌉, D), and ids; a patch bears the id of a gene."""
        genes = x[:, self.prefix :][:, self.order]
        genes = F.pad(genes, (0, 0, 0, -self.genes % self.patch))
        joined = self.join(genes.reshape(len(x), -1, self.patch * x.shape[-1])) + self.where.weight
        kept = ids[:, : self.prefix]
        made = ids.new_full((len(x), joined.shape[1]), self.specials)
        return torch.cat([x[:, : self.prefix], joined], dim=1), torch.cat([kept, made], dim=1)

    def parted(self, hidden: Tensor) -> Tensor:
        """States of patches → states of all tokens: (B, P + ⌈G / k⌉, D) → (B, P + G, D)."""
        genes = self.part(hidden[:, self.prefix :]).reshape(len(hidden), -1, hidden.shape[-1])
        back = genes[:, torch.argsort(self.order)]
        return torch.cat([hidden[:, : self.prefix], back], dim=1)


class PlainPatches(nn.Module):
    """The values of D genes are the token, without a learnt map (scPlantFormer); a hidden value is 0."""

    def __init__(self, design: Design, *, vocabulary: int, specials: int) -> None:
        super().__init__()
        self.patch, self.specials = design.size.patch, specials
        self.place = nn.Embedding(-(-(vocabulary - specials) // self.patch), design.size.width)
        self.drop = nn.Dropout(design.size.training.dropout)
        initialise(self, std=design.backbone.init_std)

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Patches (B, ⌈G / D⌉, D), and ids; a patch bears the id of a gene."""
        values = batch.values.nan_to_num(0.0)
        if batch.hidden is not None:
            values = values * ~batch.hidden
        values = F.pad(values, (0, -values.shape[1] % self.patch))
        x = values.reshape(len(values), -1, self.patch) + self.place.weight
        return self.drop(x), batch.ids.new_full(x.shape[:2], self.specials)
