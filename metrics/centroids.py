"""scGraph: do cell types keep the distances they have inside single batches?"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from scipy.stats import rankdata

from metrics.checks import Floats, Ints, Undefined, codes, mean_of_defined, spread_out

TRIM = 0.05
MIN_CELLS = 10  # of a type, in total
MIN_BATCH = 100  # cells of a batch that gets a say in the consensus


@dataclass(frozen=True)
class ScGraph:
    """``score``: weighted correlation, the published scGraph; ``correlation``, ``rank`` count the diagonal.

    ``n_types`` compared; ``n_unseen_pairs`` of types that no batch holds together.
    """

    score: float
    correlation: float
    rank: float
    per_type: dict[str, float]
    n_types: int
    n_unseen_pairs: int


def trimmed_centroids(Z: Floats, own: Ints, types: NDArray, *, trim: float) -> Floats:
    """Column-wise means (T, D) of the cells of each type, floor(trim · n) cut from each end."""
    return np.stack([_trimmed_mean(Z[own == code], trim) for code in types])


def _trimmed_mean(rows: Floats, trim: float) -> Floats:
    cut = int(trim * len(rows))
    return np.sort(rows, axis=0)[cut : len(rows) - cut].mean(axis=0)


def centroid_distances(centroids: Floats) -> Floats:
    """Euclidean distances (T, T) between centroids (T, D)."""
    return np.linalg.norm(centroids[:, None] - centroids[None], axis=2)


def correlate(a: Floats, b: Floats, weights: Floats | None = None) -> float:
    """Pearson correlation of two vectors, weighted where weights are given; NaN where one does not vary."""
    weights = np.ones_like(a) if weights is None else weights
    if len(a) < 2 or weights.sum() <= 0:
        return np.nan
    weights = weights / weights.sum()
    x, y = a - weights @ a, b - weights @ b
    spread = np.sqrt((weights @ x**2) * (weights @ y**2))
    scale = max(np.abs(a).max() * np.abs(b).max(), np.finfo(float).tiny)
    return float(weights @ (x * y) / spread) if spread > 1e-12 * scale else np.nan


def scgraph(
    X_log1p: ArrayLike | sparse.spmatrix,
    Z: ArrayLike,
    batch: ArrayLike,
    labels: ArrayLike,
    *,
    trim: float = TRIM,
    n_top_genes: int = 1000,
    n_pcs: int = 10,
) -> ScGraph:
    """Agreement of type distances in Z (N, D) and in per-batch PCAs of X_log1p (N, G): -1 to 1, 1 best.

    Types under 10 cells and batches under 100 are left out. Undefined with fewer than 3 such types, no
    such batch, or no two types seen in one batch; coarse with 3 types. O(N G + T² D).
    Source: Genentech/Islander@4fbf0d9.
    """
    points = spread_out(Z)
    names, own = codes(labels, what="label", n=len(points))
    _, batches = codes(batch, what="batch", n=len(points))
    if X_log1p.shape[0] != len(points):
        raise ValueError("expression and embedding have different numbers of cells")
    types = np.flatnonzero(np.bincount(own) >= MIN_CELLS)
    if len(types) < 3:
        raise Undefined(f"{len(types)} labels with {MIN_CELLS} cells; at least 3 are needed")
    large = np.flatnonzero(np.bincount(batches) >= MIN_BATCH)
    if not len(large):
        raise Undefined(f"no batch has {MIN_BATCH} cells")
    each = [
        _batch_distances(
            X_log1p[np.flatnonzero(batches == code)], own[batches == code], types, trim, n_top_genes, n_pcs
        )
        for code in large
    ]
    reference = _by_column(_mean_ignoring_nan(np.stack(each)))
    found = _by_column(centroid_distances(trimmed_centroids(points, own, types, trim=trim)))
    return _compare(reference, found, [str(names[code]) for code in types])


def _batch_distances(
    X: ArrayLike | sparse.spmatrix, own: Ints, types: NDArray, trim: float, n_top_genes: int, n_pcs: int
) -> Floats:
    """Scaled distances (T, T) of types in the batch's own PCA, NaN for types it does not hold."""
    distances = np.full((len(types), len(types)), np.nan)
    here = np.flatnonzero(np.isin(types, own))
    if len(here) > 1:
        scores = principal_components(X[:, most_variable(X, n_top_genes)], n_pcs)
        centroids = trimmed_centroids(scores, own, types[here], trim=trim)
        distances[np.ix_(here, here)] = _by_column(centroid_distances(centroids))
    return distances


def principal_components(X: ArrayLike | sparse.spmatrix, count: int) -> Floats:
    """Scores (N, count) of the leading components of centred X (N, G); exact."""
    dense = np.asarray(X.todense() if sparse.issparse(X) else X, dtype=np.float64)
    centred = dense - dense.mean(axis=0)
    if centred.shape[0] <= centred.shape[1]:
        values, vectors = np.linalg.eigh(centred @ centred.T)
        return vectors[:, ::-1][:, :count] * np.sqrt(np.maximum(values[::-1][:count], 0.0))
    _, axes = np.linalg.eigh(centred.T @ centred)
    return centred @ axes[:, ::-1][:, :count]


def most_variable(X_log1p: ArrayLike | sparse.spmatrix, count: int) -> Ints:
    """Genes (≤ count,) with the highest dispersion among genes of like mean (scanpy's flavour ``seurat``).

    Twenty bins of log mean; dispersion scaled within its bin; a bin of one gene scores 1.
    Source: 10.1038/nbt.3192.
    """
    n, g = X_log1p.shape
    if g <= count:
        return np.arange(g)
    linear = X_log1p.expm1() if sparse.issparse(X_log1p) else np.expm1(np.asarray(X_log1p, dtype=np.float64))
    square = linear.multiply(linear) if sparse.issparse(linear) else linear**2
    mean = np.asarray(linear.mean(axis=0), dtype=np.float64).ravel()
    variance = (np.asarray(square.mean(axis=0), dtype=np.float64).ravel() - mean**2) * n / (n - 1)
    varies = (mean > 0) & (variance > 0)
    dispersion = np.log(np.where(varies, variance, 1.0) / np.where(varies, mean, 1.0))
    level = np.log1p(mean)
    edges = np.linspace(level.min(), level.max(), 21)
    bins = np.clip(np.searchsorted(edges, level, side="left") - 1, 0, 19)
    scaled = np.full(g, -np.inf)
    for code in np.unique(bins[varies]):
        inside = np.flatnonzero(varies & (bins == code))
        spread = dispersion[inside].std(ddof=1) if len(inside) > 1 else 0.0
        middle = dispersion[inside].mean()
        scaled[inside] = (dispersion[inside] - middle) / spread if spread > 0 else 1.0
    return np.sort(np.argsort(-scaled, kind="stable")[:count])


def _mean_ignoring_nan(stack: Floats) -> Floats:
    seen = ~np.isnan(stack)
    counts = seen.sum(axis=0)
    total = np.where(seen, stack, 0.0).sum(axis=0)
    return np.divide(total, counts, out=np.full(total.shape, np.nan), where=counts > 0)


def _by_column(distances: Floats) -> Floats:
    """Divide each column by its largest entry; NaN columns where it is 0 or none is defined."""
    largest = np.where(np.isnan(distances), -np.inf, distances).max(axis=0)
    return distances / np.where(largest > 0, largest, np.nan)


def _compare(reference: Floats, found: Floats, names: list[str]) -> ScGraph:
    weighted, plain, rank = [], [], []
    for column in range(len(names)):
        known = ~np.isnan(reference[:, column]) & ~np.isnan(found[:, column])
        a, b = reference[known, column], found[known, column]
        weights = np.divide(1.0, a, out=np.zeros_like(a), where=a > 0)
        weighted.append(correlate(b, a, weights))
        plain.append(correlate(b, a))
        rank.append(correlate(rankdata(b), rankdata(a)))
    return ScGraph(
        score=mean_of_defined(weighted, otherwise="no type has 2 others at different distances"),
        correlation=mean_of_defined(plain, otherwise="no two types share a batch"),
        rank=mean_of_defined(rank, otherwise="no two types share a batch"),
        per_type=dict(zip(names, weighted, strict=True)),
        n_types=len(names),
        n_unseen_pairs=int(np.isnan(reference).sum() // 2),
    )
