"""Hidden states of all tokens, from what an encoder left: of seen tokens, of patches, or already all."""

import dataclasses

import torch
from torch import Tensor, nn

from models.transformer.batch import Batch
from models.transformer.block import blocks_of, initialise
from models.transformer.model import Encoded, Encoder
from models.transformer.patches import Patches
from models.transformer.recipe import Design
from models.transformer.sight import see


class TokenStates(nn.Module):
    """A masked autoencoder's decoder, the parting of patches, or nothing: states (B, T, ``width``).

    Where a patch is its plain values, it has no genes to part into, and its own state is left.
    """

    def __init__(self, design: Design) -> None:
        super().__init__()
        self.width = design.size.width
        decoder = design.size.decoder
        self.blocks: nn.ModuleList | None = None
        if decoder is None:
            return
        self.width = decoder.width
        size = dataclasses.replace(
            design.size,
            layers=decoder.layers,
            width=decoder.width,
            heads=decoder.heads,
            hidden=decoder.hidden,
            head_width=None,
        )
        backbone = dataclasses.replace(design.backbone, mixer=decoder.mixer, norm=decoder.norm)
        self.enter = nn.Linear(design.size.width, decoder.width)
        initialise(self.enter, std=backbone.init_std)
        self.blocks = blocks_of(backbone, size)
        self.norm = nn.LayerNorm(decoder.width, eps=backbone.eps)

    def forward(self, encoded: Encoded, shown: Batch, encoder: Encoder) -> Tensor:
        """States of all tokens of the batch as it was ``shown``."""
        if self.blocks is not None:
            return self._decoded(encoded, shown, encoder)
        if isinstance(encoder.patches, Patches):
            return encoder.patches.parted(encoded.hidden)[:, : shown.ids.shape[1]] + encoder.embed.genes(
                shown.ids
            )
        return encoded.hidden

    def _decoded(self, encoded: Encoded, shown: Batch, encoder: Encoder) -> Tensor:
        """Seen tokens bring their state and, once more, their gene; the others their input."""
        x = encoder.embed(shown)
        seen = encoded.ids != 0
        brought = encoded.hidden.to(x.dtype) + encoder.embed.genes(encoded.ids)
        rows = torch.arange(len(x), device=x.device)[:, None].expand_as(encoded.order)
        x = x.index_put((rows[seen], encoded.order[seen]), brought[seen])
        x = self.enter(x)
        sight = see(shown.real, mask="full")
        for block in self.blocks:
            x = block(x, sight)
        return self.norm(x)
