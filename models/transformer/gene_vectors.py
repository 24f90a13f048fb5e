"""Vectors of genes from the cells of a corpus, in place of protein, promoter and interaction tables."""

import torch
from torch import Tensor

from models.transformer.counts import Counts
from models.transformer.objectives import Network
from models.transformer.vocabulary import Vocabulary

ROUNDS = 4
MORE = 8


def codetection(counts: Counts, columns, *, vocabulary: Vocabulary, width: int, seed: int = 0) -> Tensor:
    """Genes by what they are detected with: float32 (G, ``width``), each row of length 1.

    Principal directions (times their strength) of the standardised 0/1 matrix of detection,
    cells × genes, by randomised subspace iteration (10.1137/090771806). Where cells or genes
    are fewer than ``width``, the last columns are 0. Cost: O(Z · width).
    """
    first, genes = len(vocabulary.specials), len(vocabulary.genes)
    token = torch.as_tensor(columns)[torch.as_tensor(counts.indices).long()]
    known = (token >= first) & (torch.as_tensor(counts.data) > 0)
    place = torch.stack([torch.as_tensor(counts.rows)[known], token[known] - first])
    detected = torch.sparse_coo_tensor(
        place, torch.ones(place.shape[1]), (len(counts), genes), check_invariants=True
    )
    detected = detected.coalesce()
    share = torch.sparse.sum(detected, 0).to_dense() / len(counts)
    scale = (share * (1 - share)).clamp(min=1e-4).rsqrt()
    rank = min(width + MORE, len(counts), genes)

    def forth(x: Tensor) -> Tensor:
        return torch.sparse.mm(detected, scale[:, None] * x) - (share * scale) @ x

    def back(y: Tensor) -> Tensor:
        return scale[:, None] * (torch.sparse.mm(detected.t(), y) - share[:, None] * y.sum(0))

    basis = torch.randn(genes, rank, generator=torch.Generator().manual_seed(seed))
    for _ in range(ROUNDS):
        basis = torch.linalg.qr(back(forth(basis)))[0]
    _, strength, turn = torch.linalg.svd(forth(basis), full_matrices=False)
    found = ((basis @ turn.T) * strength)[:, :width]
    found = found * found.gather(0, found.abs().argmax(0, keepdim=True)).sign()  # a direction has no sign
    found = torch.nn.functional.pad(found, (0, width - found.shape[1]))
    return torch.nn.functional.normalize(found, dim=1)


@torch.no_grad()
def give_vectors(network: Network, vectors: Tensor) -> None:
    """Put gene vectors (G, E) into the frozen table of an untrained network; padding is 0."""
    for encoder in (network.encoder, network.teacher):
        if encoder is not None:
            encoder.embed.genes.vectors[network.specials :] = vectors
            encoder.embed.genes.vectors[0] = 0.0
