"""What pre-training asks of the network."""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.transformer.block import activate, initialise
from models.transformer.model import Encoder
from models.transformer.recipe import Design
from models.transformer.vocabulary import MASK, PAD

MASK_TOKEN = (PAD, MASK).index(MASK)


class Masked(NamedTuple):
    """``inputs`` (B, T) with some genes hidden; ``chosen`` bool (B, T): where the loss is taken."""

    inputs: Tensor
    chosen: Tensor


def mask_genes(
    ids: Tensor, *, ratio: float, specials: int, vocabulary: int, generator: torch.Generator
) -> Masked:
    """Choose ``ratio`` of the gene tokens; 80 % become the mask, 10 % a random gene, 10 % stay.

    Padding and special tokens are never chosen. A batch where chance chose nothing gives up
    its most nearly chosen gene, because a mean over nothing is undefined.
    """
    draw = torch.rand(ids.shape, generator=generator, device=ids.device)
    draw = draw.masked_fill(ids < specials, 2.0)
    chosen = draw < ratio
    if not chosen.any():
        chosen = draw == draw.min()
    fate = torch.rand(ids.shape, generator=generator, device=ids.device)
    random = torch.randint(specials, vocabulary, ids.shape, generator=generator, device=ids.device)
    inputs = ids.masked_fill(chosen & (fate < 0.8), MASK_TOKEN)
    return Masked(torch.where(chosen & (fate >= 0.8) & (fate < 0.9), random, inputs), chosen)


class MaskedGenes(nn.Module):
    """Name the hidden genes: cross-entropy in nats, the encoder's gene table as decoder.

    Logits over the vocabulary are computed at chosen positions alone; at all positions they
    would cost more than the network itself.
    """

    def __init__(self, design: Design, *, encoder: Encoder, specials: int) -> None:
        super().__init__()
        self.encoder, self.specials = encoder, specials
        self.ratio, self.activation = design.objective.ratio, design.backbone.activation
        vocabulary, width = encoder.genes.weight.shape
        self.transform = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width, eps=design.backbone.eps)
        self.bias = nn.Parameter(torch.zeros(vocabulary))
        initialise(self.transform, std=design.backbone.init_std)

    def mask(self, ids: Tensor, *, seed: int) -> Masked:
        """Hide genes of a batch; a function of the ids and the seed alone."""
        return mask_genes(
            ids,
            ratio=self.ratio,
            specials=self.specials,
            vocabulary=len(self.bias),
            generator=torch.Generator(ids.device).manual_seed(seed),
        )

    def forward(self, ids: Tensor, masked: Masked) -> tuple[Tensor, Tensor]:
        """Summed loss of the chosen positions, and their number."""
        hidden = self.encoder(masked.inputs)[masked.chosen]
        hidden = self.norm(activate(self.transform(hidden), kind=self.activation))
        logits = F.linear(hidden, self.encoder.genes.weight, self.bias)
        loss = F.cross_entropy(logits.float(), ids[masked.chosen], reduction="sum")
        return loss, masked.chosen.sum()
