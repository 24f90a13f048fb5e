"""Vectors of genes from the cells of a corpus, in place of protein, promoter and interaction tables."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from models.transformer.counts import Reader, blocks
from models.transformer.objectives import Network
from models.transformer.vocabulary import Vocabulary

ROUNDS = 4
MORE = 8


def codetection(
    counts: Reader, columns: np.ndarray, *, vocabulary: Vocabulary, width: int, seed: int = 0
) -> Tensor:
    """Genes by what they are detected with: float32 (G, ``width``), each row of length 1.

    Principal directions (times their strength) of the standardised 0/1 matrix of detection,
    cells × genes, by randomised subspace iteration (10.1137/090771806). Where cells or genes
    are fewer than ``width``, the last columns are 0. Cost: O(Z · width) and six passes over the cells,
    a block at a time; memory O(G · width), whatever the number of cells.
    """
    genes = len(vocabulary.genes)
    share = sum(torch.sparse.sum(part, 0).to_dense() for part in _detected(counts, columns, vocabulary))
    share = share / len(counts)
    scale = (share * (1 - share)).clamp(min=1e-4).rsqrt()
    rank = min(width + MORE, len(counts), genes)

    def forth(x: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        for part in _detected(counts, columns, vocabulary):
            yield part, torch.sparse.mm(part, scale[:, None] * x) - (share * scale) @ x

    basis = torch.randn(genes, rank, generator=torch.Generator().manual_seed(seed))
    for _ in range(ROUNDS):
        back = sum(torch.sparse.mm(part.t(), y) - share[:, None] * y.sum(0) for part, y in forth(basis))
        basis = torch.linalg.qr(scale[:, None] * back)[0]
    squares, turn = torch.linalg.eigh(sum(y.T.double() @ y.double() for _, y in forth(basis)))
    strength = squares.clamp(min=0).sqrt().flip(0)
    found = ((basis.double() @ turn.flip(1)) * strength).float()[:, :width]
    found = found * found.gather(0, found.abs().argmax(0, keepdim=True)).sign()  # a direction has no sign
    found = torch.nn.functional.pad(found, (0, width - found.shape[1]))
    return torch.nn.functional.normalize(found, dim=1)


def _detected(counts: Reader, columns: np.ndarray, vocabulary: Vocabulary) -> Iterator[Tensor]:
    """Which genes of the vocabulary each cell expresses, sparse 0/1 (n, G), a block of cells at a time."""
    first = len(vocabulary.specials)
    for _, part in blocks(counts):
        token = columns[part.indices]
        known = (token >= first) & (part.data > 0)
        place = torch.from_numpy(np.stack([part.rows[known], token[known] - first]))
        ones = torch.ones(place.shape[1])
        shape = (len(part), len(vocabulary.genes))
        yield torch.sparse_coo_tensor(place, ones, shape, check_invariants=True).coalesce()


@torch.no_grad()
def give_vectors(network: Network, vectors: Tensor) -> None:
    """Put gene vectors (G, E) into the frozen table of an untrained network; padding is 0."""
    for encoder in (network.encoder, network.teacher):
        if encoder is not None:
            encoder.embed.genes.vectors[network.specials :] = vectors
            encoder.embed.genes.vectors[0] = 0.0
