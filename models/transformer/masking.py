"""What pre-training hides of a batch."""

import dataclasses
from typing import NamedTuple

import torch
from torch import Tensor

from models.transformer.batch import Batch
from models.transformer.choices import Masking
from models.transformer.vocabulary import MASK, PAD

MASK_TOKEN = (PAD, MASK).index(MASK)


class Masked(NamedTuple):
    """``shown``: the batch with something hidden; ``chosen`` bool (B, T): where the loss is taken."""

    shown: Batch
    chosen: Tensor


def hide(
    batch: Batch,
    masking: Masking,
    *,
    specials: int,
    vocabulary: int,
    generator: torch.Generator,
    patch: int = 1,
) -> Masked:
    """Choose gene tokens and hide their identity, their value, or both; whole patches of ``patch`` tokens.

    Padding and special tokens are never chosen. A batch where chance chose nothing gives up
    its most nearly chosen gene, because a mean over nothing is undefined.
    """
    draw = _uniform(batch.ids[:, ::patch].shape, batch, generator).repeat_interleave(patch, dim=1)
    draw = draw[:, : batch.ids.shape[1]].masked_fill(batch.ids < specials, 2.0)
    ratio = _ratios(batch, masking, generator)
    if masking.zeros is not None:
        ratio = torch.where(batch.counts > 0, ratio, masking.zeros)
    chosen = draw < ratio
    if not chosen.any():
        chosen = draw == draw.min()
    fate = _uniform(batch.ids.shape, batch, generator)
    swapped = chosen & (fate < masking.random)
    covered = chosen & (fate >= masking.random + masking.keep)
    shown = batch
    if masking.hide in ("gene", "both"):
        other = torch.randint(
            specials, vocabulary, batch.ids.shape, generator=generator, device=batch.ids.device
        )
        ids = torch.where(swapped, other, batch.ids.masked_fill(covered, MASK_TOKEN))
        shown = dataclasses.replace(shown, ids=ids)
    if masking.hide in ("value", "both"):
        shown = dataclasses.replace(shown, values=_swapped(batch.values, swapped, generator), hidden=covered)
    return Masked(shown, chosen)


def _ratios(batch: Batch, masking: Masking, generator: torch.Generator) -> Tensor:
    """Share to hide of each cell, (B, 1)."""
    draw = _uniform((len(batch.ids), 1), batch, generator)
    ratios = torch.tensor(masking.ratios, device=batch.ids.device)
    if masking.spread == "between":
        return ratios[0] + draw * (ratios[-1] - ratios[0])
    return ratios[(draw * len(ratios)).long().clamp(max=len(ratios) - 1)]


def _swapped(values: Tensor, where: Tensor, generator: torch.Generator) -> Tensor:
    """The values ``where`` it is true passed on among themselves."""
    taken = values[where]
    order = torch.randperm(len(taken), generator=generator, device=values.device)
    found = values.clone()
    found[where] = taken[order]
    return found


def _uniform(shape: tuple[int, ...] | torch.Size, batch: Batch, generator: torch.Generator) -> Tensor:
    return torch.rand(shape, generator=generator, device=batch.ids.device)
