"""Does an embedding keep the distances and neighbours of the native space? (10.1016/j.celrep.2020.107576)

The native space must be named beside every such number; take at most some 10,000 cells (N² / 2 distances).
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial.distance import pdist, squareform
from scipy.stats import pearsonr, spearmanr, wasserstein_distance

from metrics.checks import Floats, Undefined, embedding, spread_out
from metrics.knn import Neighbors


def distance_correlation(native: ArrayLike, latent: ArrayLike, *, ranks: bool = False) -> float:
    """Pearson (or, by ``ranks``, Spearman) correlation of all pairwise distances: -1 to 1, 1 best, 0 chance.

    Not Székely's distance correlation. Undefined where all distances are equal. O(N² D).
    """
    a, b = _paired(native, latent)
    return float((spearmanr if ranks else pearsonr)(a, b).statistic)


def distance_emd(native: ArrayLike, latent: ArrayLike) -> float:
    """Wasserstein-1 distance of the two distance distributions, each scaled to 0–1: 0 best, 1 worst.

    Blind to which pair is which: an unrelated embedding can have 0.13. Undefined as above.
    """
    return float(wasserstein_distance(*_paired(native, latent)))


def _paired(native: ArrayLike, latent: ArrayLike) -> tuple[Floats, Floats]:
    a, b = embedding(native), embedding(latent)
    if len(a) != len(b):
        raise ValueError(f"{len(a)} cells in the native space, {len(b)} in the embedding")
    return _unit(pdist(a)), _unit(pdist(b))


def _unit(distances: Floats) -> Floats:
    low, high = distances.min(), distances.max()
    if high - low <= 1e-12 * high:
        raise Undefined("all distances are equal")
    return (distances - low) / (high - low)


def szekely_correlation(native: ArrayLike, latent: ArrayLike) -> float:
    """Székely's distance correlation: 0 to 1, 1 best, chance above 0. O(N²) (10.1214/009053607000000505)."""
    a, b = (_centred(squareform(pdist(spread_out(space)))) for space in (native, latent))
    return float(np.sqrt((a * b).mean() / np.sqrt((a * a).mean() * (b * b).mean())))


def _centred(distances: Floats) -> Floats:
    means = distances.mean(axis=0)
    return distances - means - means[:, None] + means.mean()


def knn_preservation(native: Neighbors, latent: Neighbors) -> float:
    """Mean share of native neighbours found again, |A ∩ B| / k: 0 to 1, 1 best, k / (N - 1) by chance."""
    return float((_shared(native, latent) / native.k).mean())


def knn_jaccard(native: Neighbors, latent: Neighbors) -> float:
    """Mean over cells of shared neighbours / all neighbours: 0 to 1, 1 best."""
    shared = _shared(native, latent)
    return float((shared / (2 * native.k - shared)).mean())


def edge_jaccard(native: Neighbors, latent: Neighbors) -> float:
    """Shared / all edges of the two undirected graphs: 0 to 1, 1 best; scIB-E's conservation inside types.

    scIB-E takes 14 neighbours inside each batch and averages over batches (scIB-E@e55b91b).
    """
    _shared(native, latent)
    a, b = _edges(native), _edges(latent)
    return len(a & b) / len(a | b)


def trustworthiness(native: ArrayLike, latent: ArrayLike, k: int) -> float:
    """Whether latent neighbours were near in the native space: 0 to 1, 1 best (10.1007/3-540-44668-0_68)."""
    from sklearn.manifold import trustworthiness as trust

    return float(trust(embedding(native), embedding(latent), n_neighbors=k))


def _shared(native: Neighbors, latent: Neighbors) -> Floats:
    if native.indices.shape != latent.indices.shape:
        raise ValueError(f"neighbours of shapes {native.indices.shape} and {latent.indices.shape}")
    both = np.sort(np.hstack([native.indices, latent.indices]), axis=1)
    return (both[:, 1:] == both[:, :-1]).sum(axis=1).astype(np.float64)


def _edges(nearest: Neighbors) -> set[tuple[int, int]]:
    ends = np.column_stack([np.repeat(np.arange(nearest.n), nearest.k), nearest.indices.ravel()])
    return set(map(tuple, np.sort(ends, axis=1).tolist()))
