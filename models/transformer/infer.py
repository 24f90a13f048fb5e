"""Cell embeddings: the same whatever batch a cell is in."""

import tempfile
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from models.transformer.ahead import ahead
from models.transformer.batch import batch_of
from models.transformer.data import Corpus, by_length
from models.transformer.errors import VocabularyError
from models.transformer.model import Encoder
from models.transformer.progress import Count
from models.transformer.room import Room, out_of_memory
from models.transformer.tokenise import Tokens

POOL_CELLS = 8192
MAPPED_BYTES = 2**30


@torch.inference_mode()
def embed(
    encoder: Encoder, corpus: Corpus, *, device: torch.device, batch_cells: int | None = None
) -> np.ndarray:
    """Embeddings, float32 (N, D), rows in the order of the cells; from 1 GiB on mapped from a temporary file.

    Cells are read by the thousand (fewer of long ones) and sorted by length, so that little is
    padding; padding is masked, so a cell's row does not depend on its companions beyond
    rounding (float32 on CPU; bfloat16 autocast on GPU). ``batch_cells`` of them go through
    together; by default as many as suit the device (``room``). What does not fit into memory goes
    through in halves.

    Raises
    ------
    VocabularyError
        If a cell expresses no gene of the vocabulary, or has no total where the recipe needs one:
        it has no embedding, and zeros would lie.
    """
    encoder = encoder.to(device).eval()
    corpus = corpus.on(next(encoder.parameters()).device)
    _require(encoder, corpus)
    out, room = np.empty((0, encoder.width), dtype=np.float32), Room(device, cells=batch_cells)
    told = Count("embed", len(corpus))
    for start, tokens in ahead(_pools(corpus), on=device.type == "cuda"):
        (order,) = by_length(tokens.lengths, batch_cells=max(len(tokens), 1))
        while len(order):
            group = order[: room.first(tokens.lengths[order])]
            longest = int(tokens.lengths[group[0]])
            try:
                cells = _pass(encoder, tokens, group, device=device).numpy(force=True)
            except RuntimeError as error:
                if len(group) == 1 or not out_of_memory(error):
                    raise
                room.halve(len(group), longest)
                continue
            room.learn(len(group) * longest)
            if not len(out):
                out = _space(len(corpus), cells.shape[1])
            out[start + group] = cells
            order = order[len(group) :]
            told(len(group))
    return out


def _pools(corpus: Corpus) -> Iterator[tuple[int, Tokens]]:
    """Tokens of cells that lie together, and the number of the first."""
    cells = corpus.pool(batch_cells=1, most=POOL_CELLS)
    for start in range(0, len(corpus), cells):
        yield start, corpus.tokens(np.arange(start, min(start + cells, len(corpus))))


def _pass(encoder: Encoder, tokens: Tokens, group: np.ndarray, *, device: torch.device) -> Tensor:
    batch, pooler = batch_of(tokens, group).to(device), encoder.design.pooler
    with autocast(device):
        cells = encoder.cell(encoder(batch, layer=pooler.layer)).float()
    return F.normalize(cells, dim=1) if pooler.unit else cells


def _space(cells: int, width: int) -> np.ndarray:
    """Room for the result: in memory, or behind it in a file that is gone when the array is."""
    if 4 * cells * width < MAPPED_BYTES:
        return np.empty((cells, width), dtype=np.float32)
    with tempfile.TemporaryFile() as file:
        return np.memmap(file, dtype=np.float32, mode="w+", shape=(cells, width))


def _require(encoder: Encoder, corpus: Corpus) -> None:
    empty = int((corpus.expressed() == 0).sum())
    if empty:
        raise VocabularyError(f"{empty} cell(s) express no gene of the vocabulary and have no embedding")
    if encoder.design.needs_totals:
        unknown = int((~(corpus.totals() > 0)).sum())
        if unknown:
            raise VocabularyError(
                f"{unknown} cell(s) have no total count, and recipe {encoder.design.recipe} reads counts "
                "relative to the whole cell"
            )


def autocast(device: torch.device) -> torch.autocast:
    """bfloat16 on a GPU, nothing on a CPU."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=device.type == "cuda")
