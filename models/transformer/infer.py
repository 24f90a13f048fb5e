"""Cell embeddings: the same whatever batch a cell is in."""

import numpy as np
import torch

from models.transformer.data import Corpus, by_length
from models.transformer.errors import VocabularyError
from models.transformer.model import Encoder
from models.transformer.pool import pool
from models.transformer.recipe import Pooler

POOL_CELLS = 8192


@torch.inference_mode()
def embed(
    encoder: Encoder, corpus: Corpus, *, pooler: Pooler, specials: int, batch_cells: int, device: torch.device
) -> np.ndarray:
    """Embeddings, float32 (N, D), rows in the order of the cells.

    Cells are read 8,192 at a time and sorted by length, so that little is padding; padding
    is masked, so a cell's row does not depend on its companions beyond rounding (float32 on
    CPU; bfloat16 autocast on GPU).

    Raises
    ------
    VocabularyError
        If a cell expresses no gene of the vocabulary: it has no embedding, and zeros would lie.
    """
    encoder = encoder.to(device).eval()
    width = encoder.genes.embedding_dim
    out = np.empty((len(corpus), width), dtype=np.float32)
    for start in range(0, len(corpus), POOL_CELLS):
        tokens = corpus.tokens(np.arange(start, min(start + POOL_CELLS, len(corpus))))
        empty = int((tokens.genes_of(specials) == 0).sum())
        if empty:
            raise VocabularyError(f"{empty} cell(s) express no gene of the vocabulary and have no embedding")
        for group in by_length(tokens.lengths, batch_cells=batch_cells):
            ids = torch.from_numpy(tokens.padded(group)).to(device)
            with autocast(device):
                hidden = encoder(ids, layer=pooler.layer)
            out[start + group] = pool(hidden, ids, pooler=pooler, specials=specials).cpu().numpy()
    return out


def autocast(device: torch.device) -> torch.autocast:
    """bfloat16 on a GPU, nothing on a CPU."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=device.type == "cuda")
