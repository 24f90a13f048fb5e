"""Does an embedding keep the distances and neighbours of the native space? (10.1016/j.celrep.2020.107576)

The native space must be named beside every such number.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse
from scipy.spatial.distance import pdist, squareform
from scipy.stats import pearsonr, spearmanr

from metrics.checks import Floats, Ints, Undefined, codes, embedding, spread_out
from metrics.expression import by_cell, principal_components
from metrics.knn import GRAPH_K, Neighbors, neighbors
from metrics.samples import draws, pair_distances, standard_error

MAX_CELLS = 3000  # 4.5 million pairs


@dataclass(frozen=True)
class DistancesKept:
    """``correlation`` of all pairwise distances in two spaces, and ``emd`` of their distributions.

    Where cells were sampled, means over the draws of ``n_used`` cells with their standard errors, which
    are NaN where all cells were taken.
    """

    correlation: float
    emd: float
    se_correlation: float
    se_emd: float
    n_used: int


def distances_kept(
    native: ArrayLike,
    latent: ArrayLike,
    *,
    ranks: bool = False,
    max_cells: int = MAX_CELLS,
    repeats: int = 5,
    seed: int = 0,
) -> DistancesKept:
    """Compare the distances of all pairs of cells in native (N, G) and latent (N, D) space.

    Pearson correlation (or Spearman, by ``ranks``): -1 to 1, 1 best, 0 by chance. EMD, Wasserstein-1 of
    distances scaled to 0–1: 0 best, 1 worst. Above ``max_cells``, seeded samples of that size: a sample
    has a smaller largest distance, to which EMD is scaled. Undefined where all distances are equal.
    O(repeats · max_cells² (G + D)), some 0.3 GB.
    """
    a, b = embedding(native), embedding(latent)
    if len(a) != len(b):
        raise ValueError(f"{len(a)} cells in the native space, {len(b)} in the embedding")
    samples = draws(np.zeros(len(a), dtype=np.int64), size=max_cells, repeats=repeats, seed=seed)
    values = np.array([_compared(a[rows], b[rows], ranks) for rows in samples])
    correlation, emd = values.mean(axis=0).tolist()
    return DistancesKept(correlation, emd, *standard_error(values).tolist(), n_used=len(samples[0]))


def _compared(native: Floats, latent: Floats, ranks: bool) -> tuple[float, float]:
    a, b = _unit(pair_distances(native)), _unit(pair_distances(latent))
    correlation = (spearmanr if ranks else pearsonr)(a, b).statistic
    return float(correlation), float(np.abs(np.sort(a) - np.sort(b)).mean())


def _unit(distances: Floats) -> Floats:
    low, high = distances.min(), distances.max()
    if high - low <= 1e-12 * high:
        raise Undefined("all distances are equal")
    return (distances - low) / (high - low)


def distance_correlation(native: ArrayLike, latent: ArrayLike, *, ranks: bool = False) -> float:
    """Correlation of pairwise distances as ``distances_kept`` has it; not Székely's distance correlation."""
    return distances_kept(native, latent, ranks=ranks).correlation


def distance_emd(native: ArrayLike, latent: ArrayLike) -> float:
    """Distance of the two distance distributions as ``distances_kept`` has it: 0 best, 1 worst.

    Blind to which pair is which: an unrelated embedding can have 0.13.
    """
    return distances_kept(native, latent).emd


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
    """Shared / all edges of the two undirected graphs: 0 to 1, 1 best."""
    _same_shape(native, latent)
    a, b = _edges(native), _edges(latent)
    shared = len(np.intersect1d(a, b, assume_unique=True))
    return shared / (len(a) + len(b) - shared)


def intra_type_conservation(
    X_log1p: ArrayLike | sparse.spmatrix,
    Z: ArrayLike,
    batch: ArrayLike,
    *,
    k: int = GRAPH_K,
    n_pcs: int = 50,
) -> float:
    """Mean over batches of the edges that Z (N, D) shares with the batch's own PCA: 0 to 1, 1 best.

    Jaccard index of the graphs of the nearest ``k`` (scIB-E's 15 count the cell itself) among the
    cells of a batch, in ``n_pcs`` components of its X_log1p (N, G), whose genes the caller chooses, and in Z.
    No labels are used: it is as much about types as about what is inside them. By chance about
    k / N of the batch. Batches of k + 1 cells or fewer share every edge and are left out; Undefined
    where none is left or a batch lies on one point. O(Σ N_batch² (n_pcs + D)) and the PCAs.
    Source: 10.1186/s13059-025-03869-z, scIB-E@e55b91b.
    """
    X, points = by_cell(X_log1p), embedding(Z)
    if X.shape[0] != len(points):
        raise ValueError(f"{X.shape[0]} cells of expression, {len(points)} of the embedding")
    _, batches = codes(batch, what="batch", n=len(points))
    groups = [np.flatnonzero(batches == code) for code in range(batches.max() + 1)]
    large = [rows for rows in groups if len(rows) > k + 1]
    if not large:
        raise Undefined(f"no batch has more than {k + 1} cells")
    return float(np.mean([_inside(X[rows], points[rows], k, n_pcs) for rows in large]))


def _inside(X: Floats | sparse.csr_matrix, points: Floats, k: int, n_pcs: int) -> float:
    return edge_jaccard(neighbors(principal_components(X, n_pcs), k), neighbors(points, k))


def trustworthiness(native: ArrayLike, latent: ArrayLike, k: int) -> float:
    """Whether latent neighbours were near in the native space: 0 to 1, 1 best (10.1007/3-540-44668-0_68)."""
    from sklearn.manifold import trustworthiness as trust

    return float(trust(embedding(native), embedding(latent), n_neighbors=k))


def _shared(native: Neighbors, latent: Neighbors) -> Floats:
    _same_shape(native, latent)
    both = np.sort(np.hstack([native.indices, latent.indices]), axis=1)
    return (both[:, 1:] == both[:, :-1]).sum(axis=1).astype(np.float64)


def _same_shape(native: Neighbors, latent: Neighbors) -> None:
    if native.indices.shape != latent.indices.shape:
        raise ValueError(f"neighbours of shapes {native.indices.shape} and {latent.indices.shape}")


def _edges(nearest: Neighbors) -> Ints:
    """Distinct undirected edges as numbers, smaller end · N + larger end."""
    one, other = np.repeat(np.arange(nearest.n), nearest.k), nearest.indices.ravel()
    return np.unique(np.minimum(one, other) * nearest.n + np.maximum(one, other))
