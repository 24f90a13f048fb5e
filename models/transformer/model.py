"""The network: gene table + learned rank positions + blocks."""

import torch
from torch import Tensor, nn

from models.transformer.block import Block, initialise, key_mask
from models.transformer.recipe import Design

PAD_TOKEN = 0


class Encoder(nn.Module):
    """Token ids (B, T) → hidden states (B, T, D).

    Of BERT's input parts the token-type table is left out: with one segment it adds the
    same vector to every token, which the position table can hold.
    """

    def __init__(self, design: Design, *, vocabulary: int) -> None:
        super().__init__()
        size, backbone = design.size, design.backbone
        self.genes = nn.Embedding(vocabulary, size.width, padding_idx=PAD_TOKEN)
        self.positions = nn.Embedding(size.length, size.width)
        self.norm = nn.LayerNorm(size.width, eps=backbone.eps)
        self.drop = nn.Dropout(size.training.dropout)
        self.blocks = nn.ModuleList(
            Block(
                width=size.width,
                heads=size.heads,
                hidden=size.hidden,
                norm=backbone.norm,
                activation=backbone.activation,
                dropout=size.training.dropout,
                eps=backbone.eps,
            )
            for _ in range(size.layers)
        )
        initialise(self, std=backbone.init_std)

    def forward(self, ids: Tensor, *, layer: int = -1) -> Tensor:
        """Hidden states after ``layer``: −1 the last block, −2 the one before, …; later blocks are not run.

        Counted as in the list [input, block 1, …, block L], so −(L + 1) is the input itself.
        """
        real = ids != PAD_TOKEN
        mask = None if bool(real.all()) else key_mask(real)
        x = self.genes(ids) + self.positions(torch.arange(ids.shape[1], device=ids.device))
        x = self.drop(self.norm(x))
        for block in self.blocks[: len(self.blocks) + 1 + layer]:
            x = block(x, mask)
        return x
