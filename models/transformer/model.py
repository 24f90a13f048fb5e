"""The network: input vectors, blocks, and what is needed to get from a cell's tokens to its vector."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from models.transformer.batch import Batch
from models.transformer.block import blocks_of, initialise
from models.transformer.bridge import Bridge
from models.transformer.embedding import InputEmbedding
from models.transformer.patches import Patches, PlainPatches
from models.transformer.pool import pool
from models.transformer.quirk_names import Quirk
from models.transformer.quirks import padded
from models.transformer.recipe import Design
from models.transformer.sight import see


class Encoded(NamedTuple):
    """Hidden states (B, T', D) and the ids (B, T') of their tokens (0: padding).

    ``order`` int64 (B, T'), where not all tokens were seen: the position of each in the batch.
    """

    hidden: Tensor
    ids: Tensor
    order: Tensor | None = None


class Encoder(nn.Module):
    """A batch → hidden states, and these → a vector a cell.

    Of BERT's input parts the token-type table is left out: with one segment it adds the
    same vector to every token, which the position table can hold.
    """

    def __init__(self, design: Design, *, vocabulary: int, specials: int) -> None:
        super().__init__()
        size, backbone = design.size, design.backbone
        self.design, self.specials, self.width = design, specials, design.cell_width
        self.patches: nn.Module | None = None
        if design.identity.kind == "patch":
            self.patches = PlainPatches(design, vocabulary=vocabulary, specials=specials)
        else:
            self.embed = InputEmbedding(design, vocabulary=vocabulary)
            if size.patch > 1:
                self.patches = Patches(design, vocabulary=vocabulary, specials=specials)
        self.blocks = blocks_of(backbone, size)
        norms = {"none": nn.Identity, "layer": nn.LayerNorm, "rms": nn.RMSNorm}
        whole = backbone.norm_output == "none"
        self.norm = nn.Identity() if whole else norms[backbone.norm_output](size.width, eps=backbone.eps)
        self.project = _projector(design)

    @property
    def gene_table(self) -> Tensor | None:
        """The learnt vectors of genes (V, D), where there are any."""
        table = None if self.design.identity.kind == "patch" else self.embed.genes.table
        return None if table is None else table.weight

    def forward(self, batch: Batch, *, layer: int = -1, first: Tensor | None = None) -> Encoded:
        """Hidden states after ``layer``: −1 the last block, −2 the one before, …; later blocks are not run.

        Counted as in the list [input, block 1, …, block L], so −(L + 1) is the input itself; the
        output norm belongs to the last. ``first`` (B, D) takes the place of the first token's input.
        """
        if "pads_in_mean" in self._quirks:
            batch = padded(batch, length=self.design.size.length)
        seen, order = self._seen(batch)
        x, ids, hidden = self._input(seen)
        if first is not None:
            x = torch.cat([first.unsqueeze(1).to(x.dtype), x[:, 1:]], dim=1)
        x = self._run(x, ids, hidden, batch=seen, blocks=len(self.blocks) + 1 + layer)
        return Encoded(self.norm(x) if layer == -1 else x, ids, order)

    def cell(self, encoded: Encoded) -> Tensor:
        """The cells' vectors, float32 (B, ``Design.cell_width``), not yet of unit length."""
        pooler = self.design.pooler
        found = pool(
            encoded.hidden,
            encoded.ids,
            kind=pooler.kind,
            specials=self.specials,
            prefix=len(self.design.tokeniser.prefix),
            length=self.design.size.length,
            pads="pads_in_mean" in self._quirks,
        )
        return found if self.project is None else self.project(found)

    @property
    def _quirks(self) -> tuple[Quirk, ...]:
        """Published bugs, in embedding alone."""
        return () if self.training else self.design.quirks

    def _input(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor | None]:
        if isinstance(self.patches, PlainPatches):
            return (*self.patches(batch), None)
        x = self.embed(batch)
        if self.patches is None:
            return x, batch.ids, batch.hidden
        return (*self.patches(x, batch.ids), None)

    def _run(self, x: Tensor, ids: Tensor, hidden: Tensor | None, *, batch: Batch, blocks: int) -> Tensor:
        backbone = self.design.backbone
        weight = batch.counts.nan_to_num(0.0) if self.design.value.kind == "attention" else None
        about = {"mask": backbone.mask, "weight": weight, "quirks": self._quirks}
        early = see(ids != 0, hidden=hidden, **about)
        late = see(ids != 0, **about) if backbone.late_hidden else early
        for i, block in enumerate(self.blocks[:blocks]):
            x = block(x, early if 2 * i < len(self.blocks) else late)
        return x

    def _seen(self, batch: Batch) -> tuple[Batch, Tensor | None]:
        """What the encoder sees: in a masked autoencoder special tokens and shown values above 0."""
        if not self.design.masked_autoencoder:
            return batch, None
        shown = (batch.ids < self.specials) | (batch.values > 0)
        shown = shown & batch.real & (True if batch.hidden is None else ~batch.hidden)
        most = int(shown.sum(1).max())
        order = torch.argsort(~shown, dim=1, stable=True)[:, :most]
        real = shown.gather(1, order)
        taken = {
            name: getattr(batch, name).gather(1, order) for name in ("ids", "values", "targets", "counts")
        }
        taken["ids"] = taken["ids"] * real
        taken["values"] = taken["values"].masked_fill(~real, float("nan"))
        return Batch(**taken, queries=batch.queries, answers=batch.answers), order


def _projector(design: Design) -> nn.Module | None:
    """What stands on top of the pooler, if anything; ``mlp`` is UCE's head.

    That has two layers, each linear, norm, GELU, dropout, and a linear one.
    """
    size, std = design.size, design.backbone.init_std
    if design.pooler.project == "none":
        return None
    if design.pooler.project == "shared":
        return Bridge(size.width, size.shared, eps=design.backbone.eps, std=std)
    width, parts = size.width, []
    for _ in range(2):
        parts += [nn.Linear(width, width), nn.LayerNorm(width), nn.GELU(), nn.Dropout(size.training.dropout)]
    found = nn.Sequential(*parts, nn.Linear(width, width))
    initialise(found, std=std)
    return found
