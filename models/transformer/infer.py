"""Cell embeddings: the same whatever batch a cell is in."""

import numpy as np
import torch
from torch.nn import functional as F

from models.transformer.batch import batch_of
from models.transformer.data import Corpus, by_length
from models.transformer.errors import VocabularyError
from models.transformer.model import Encoder

POOL_BATCHES = 256


@torch.inference_mode()
def embed(encoder: Encoder, corpus: Corpus, *, batch_cells: int, device: torch.device) -> np.ndarray:
    """Embeddings, float32 (N, D), rows in the order of the cells.

    Cells are read 256 batches at a time (fewer of long cells) and sorted by length, so that little
    is padding; padding is masked, so a cell's row does not depend on its companions beyond
    rounding (float32 on CPU; bfloat16 autocast on GPU).

    Raises
    ------
    VocabularyError
        If a cell expresses no gene of the vocabulary, or has no total where the recipe needs one:
        it has no embedding, and zeros would lie.
    """
    encoder = encoder.to(device).eval()
    pooler, parts = encoder.design.pooler, []
    _require(encoder, corpus)
    pool_cells = batch_cells * corpus.pool(batch_cells=batch_cells, most=POOL_BATCHES)
    for start in range(0, len(corpus), pool_cells):
        rows = np.arange(start, min(start + pool_cells, len(corpus)))
        tokens = corpus.tokens(rows)
        for group in by_length(tokens.lengths, batch_cells=batch_cells):
            batch = batch_of(tokens, group).to(device)
            with autocast(device):
                cells = encoder.cell(encoder(batch, layer=pooler.layer)).float()
            if pooler.unit:
                cells = F.normalize(cells, dim=1)
            parts.append((start + group, cells.cpu().numpy()))
    out = np.empty((len(corpus), parts[0][1].shape[1] if parts else encoder.width), dtype=np.float32)
    for rows, cells in parts:
        out[rows] = cells
    return out


def _require(encoder: Encoder, corpus: Corpus) -> None:
    empty = int((corpus.expressed() == 0).sum())
    if empty:
        raise VocabularyError(f"{empty} cell(s) express no gene of the vocabulary and have no embedding")
    if encoder.design.needs_totals:
        unknown = corpus.without_total()
        if unknown:
            raise VocabularyError(
                f"{unknown} cell(s) have no total count, and recipe {encoder.design.recipe} reads counts "
                "relative to the whole cell"
            )


def autocast(device: torch.device) -> torch.autocast:
    """bfloat16 on a GPU, nothing on a CPU."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=device.type == "cuda")
