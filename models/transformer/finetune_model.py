"""What is fine-tuned: an encoder with a readout of its cell vectors, and the part of it that learns."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.transformer.batch import Batch
from models.transformer.data import Corpus
from models.transformer.errors import RecipeError
from models.transformer.finetune_head import Head
from models.transformer.infer import autocast, embed
from models.transformer.lora import attach
from models.transformer.model import Encoder
from models.transformer.ranks import ALONE, Ranks

Part = Literal["last", "lora", "full"]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Labelled:
    """N cells and the class of each, int64 (N,)."""

    corpus: Corpus
    label: np.ndarray

    def __len__(self) -> int:
        return len(self.label)

    def take(self, rows: np.ndarray) -> "Labelled":
        """The given rows, in the given order."""
        counts = self.corpus.counts.take(rows)
        return Labelled(corpus=replace(self.corpus, counts=counts), label=self.label[rows])


class Classifier(nn.Module):
    """An encoder and a readout of its cell vectors."""

    def __init__(self, encoder: Encoder, readout: Head) -> None:
        super().__init__()
        self.encoder, self.readout = encoder, readout

    def forward(self, batch: Batch) -> Tensor:
        """Logits, float32 (B, C); the cell's vector is the one that ``embed`` gives."""
        pooler = self.encoder.design.pooler
        with autocast(batch.ids.device):
            cells = self.encoder.cell(self.encoder(batch, layer=pooler.layer)).float()
        return self.readout(F.normalize(cells, dim=1) if pooler.unit else cells)

    def probabilities(self, corpus: Corpus, *, device: torch.device, ranks: Ranks = ALONE) -> np.ndarray:
        """Probability of each class, float64 (N, C); each of several processes embeds its share."""
        cells = len(corpus)
        if ranks.count > 1:
            corpus = replace(corpus, counts=corpus.counts.take(ranks.share(cells)))
        Z = ranks.gathered(embed(self.encoder, corpus, device=device), cells=cells, device=device)
        return self.readout.probabilities(Z)


def free(encoder: Encoder, part: Part, *, blocks: int, rank: int, seed: int) -> None:
    """Choose what learns: the ``last`` blocks that the cell's vector comes through, adapters, or all.

    ``last`` is that many blocks with the output norm and the pooler's map; ``lora`` is adapters in
    every block that is run. Blocks behind the pooler's layer are never run and never learn.
    """
    run = encoder.blocks[: len(encoder.blocks) + 1 + encoder.design.pooler.layer]
    if part != "full" and not len(run):
        raise RecipeError("the cell's vector is its input: there is no block to fine-tune")
    encoder.requires_grad_(part == "full")
    if part == "lora":
        attach(run, rank=rank, seed=seed)
    if part == "last":
        behind = [encoder.norm] if encoder.project is None else [encoder.norm, encoder.project]
        for module in [*run[-blocks:], *behind]:
            module.requires_grad_(True)
