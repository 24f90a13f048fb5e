"""Are batches mixed, are types pure: LISI, graph connectivity, principal component regression."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from metrics.checks import Floats, Undefined, codes, embedding, mean_of_defined, spread_out
from metrics.knn import GRAPH_K, LISI_K, Neighbors, neighbors
from metrics.pairs import SMALL
from metrics.threads import in_blocks


def lisi(nearest: Neighbors, names: ArrayLike, *, weights: Floats | None = None) -> Floats:
    """Effective number of names (N,) among each cell's neighbours, from 1 to their number.

    Inverse Simpson index under ``lisi_weights(nearest)``, which several columns of names can share.
    Equally far neighbours weigh the same. O(N k). Source: 10.1038/s41592-019-0619-0, scib-metrics 0.5.10.
    """
    distinct, own = codes(names, what="name", n=nearest.n)
    weights = lisi_weights(nearest) if weights is None else weights
    if weights.shape != nearest.indices.shape:
        raise ValueError(f"weights of shape {weights.shape} for neighbours {nearest.indices.shape}")
    total = np.zeros(nearest.n)
    for rows in _row_blocks(nearest.n):
        place = own[nearest.indices[rows]] + len(distinct) * np.arange(len(weights[rows]))[:, None]
        shares = np.bincount(place.ravel(), weights[rows].ravel(), minlength=len(place) * len(distinct))
        total[rows] = np.square(shares.reshape(len(place), -1)).sum(axis=1)
    return 1.0 / total


def lisi_weights(nearest: Neighbors, perplexity: float | None = None) -> Floats:
    """Weights exp(-β d) (N, k), each row summing to 1 with the perplexity floor((k + 1) / 3) unless given."""
    wanted = float((nearest.k + 1) // 3) if perplexity is None else perplexity
    if not 1 <= wanted <= nearest.k:
        raise Undefined(f"{nearest.k} neighbours cannot have perplexity {wanted:g}")
    # exp is ten times faster in float32, and loses 1e-6; small sets keep every digit.
    precision = np.float64 if nearest.n <= SMALL else np.float32
    weights = np.empty(nearest.distances.shape, dtype=precision)

    def fill(rows: slice) -> None:
        weights[rows] = _weights(nearest.distances[rows].astype(precision), np.log(wanted))

    in_blocks(nearest.n, 2048, fill)
    return weights


def _weights(distances: Floats, entropy: float, *, steps: int = 50, tolerance: float = 1e-5) -> Floats:
    """Weights (N, k), each row summing to 1 with the wanted entropy, by the published bisection of β.

    It stops within 1e-5 of the entropy; a better root would move LISI in the seventh digit.
    """
    near = distances - distances[:, :1]  # entropy does not change, and nothing underflows
    beta = np.ones(len(near), dtype=near.dtype)
    low, high = np.full_like(beta, -np.inf), np.full_like(beta, np.inf)
    weights, rows = np.empty_like(near), np.arange(len(near))
    for step in range(steps + 1):
        raw = np.exp(near * -beta[:, None])
        total = raw.sum(axis=1)
        gap = np.log(total) + beta * np.einsum("ij,ij->i", near, raw) / total - entropy
        open_ = np.abs(gap) >= tolerance if step < steps else np.zeros(len(gap), dtype=bool)
        if not open_.all():
            weights[rows[~open_]] = raw[~open_] / total[~open_, None]
            rows, near, gap = rows[open_], near[open_], gap[open_]
            beta, low, high = beta[open_], low[open_], high[open_]
        if not len(rows):
            break
        low, high = np.where(gap > 0, beta, low), np.where(gap > 0, high, beta)
        middle = (low + high) / 2
        beta = np.where(np.isinf(middle), np.where(gap > 0, beta * 2, beta / 2), middle)
    return weights


def _row_blocks(n: int, step: int = 65_536) -> Iterator[slice]:
    return (slice(start, start + step) for start in range(0, n, step))


def ilisi(nearest: Neighbors, batch: ArrayLike, *, weights: Floats | None = None) -> float:
    """Median LISI of batches, scaled: 0 one batch around each cell, 1 all equally. One batch: Undefined."""
    distinct, _ = codes(batch, what="batch", n=nearest.n, at_least=2)
    median = float(np.median(lisi(nearest.at_most(LISI_K), batch, weights=weights)))
    return (median - 1) / (len(distinct) - 1)


def clisi(nearest: Neighbors, labels: ArrayLike, *, weights: Floats | None = None) -> float:
    """Median LISI of types, scaled, turned: 1 one type around each cell, 0 all. One type: Undefined."""
    distinct, _ = codes(labels, what="label", n=nearest.n, at_least=2)
    median = float(np.median(lisi(nearest.at_most(LISI_K), labels, weights=weights)))
    return (len(distinct) - median) / (len(distinct) - 1)


def cilisi(Z: ArrayLike, labels: ArrayLike, batch: ArrayLike, *, k: int = LISI_K) -> float:
    """iLISI inside each type, mean over cells of types with 2 batches and 4 cells: 0 to 1, 1 mixed.

    Unlike iLISI it cannot be raised by mixing types. Types on one point have no
    neighbours and are left out; Undefined where no type is left.
    Source: 10.1038/s41467-024-45240-z.
    """
    points = embedding(Z)
    _, own = codes(labels, what="label", n=len(points))
    _, batches = codes(batch, what="batch", n=len(points), at_least=2)
    scores = np.full(len(points), np.nan)
    for label in np.unique(own):
        inside = np.flatnonzero(own == label)
        n_batches = len(np.unique(batches[inside]))
        on_one_point = (points[inside] == points[inside[0]]).all()
        if n_batches > 1 and len(inside) >= 4 and not on_one_point:
            values = lisi(neighbors(points[inside], k), batches[inside])
            scores[inside] = (values - 1) / (n_batches - 1)
    return mean_of_defined(scores, otherwise="no label has 4 cells in 2 batches")


def graph_connectivity(nearest: Neighbors, labels: ArrayLike) -> float:
    """Mean over types of the share of cells in the type's largest strong component: 0 to 1, 1 best.

    Directed edges to the nearest 14 inside the type, as scib-metrics does (scib itself
    takes undirected ones and scores higher). Undefined with one label. O(N k).
    """
    codes(labels, what="label", n=nearest.n, at_least=2)
    return float(np.mean(list(connected_shares(nearest, labels).values())))


def connected_shares(nearest: Neighbors, labels: ArrayLike) -> dict[str, float]:
    """Share of each type's cells in its largest strong component; the parts of ``graph_connectivity``."""
    names, own = codes(labels, what="label", n=nearest.n)
    near = nearest.at_most(GRAPH_K)
    starts = np.arange(near.n + 1) * near.k
    ones = np.ones(near.indices.size, dtype=np.int8)
    graph = sparse.csr_matrix((ones, near.indices.ravel(), starts), shape=(near.n, near.n))
    shares = {}
    for label, name in enumerate(names):
        inside = np.flatnonzero(own == label)
        _, component = connected_components(graph[inside][:, inside], connection="strong")
        shares[str(name)] = float(np.bincount(component).max() / len(inside))
    return shares


def explained_by(X: ArrayLike, covariate: ArrayLike, *, categorical: bool = True) -> float:
    """Share of the variance of X (N, D) that a covariate (N,) explains linearly: 0 to 1.

    Principal component regression with all components; since rotations leave both sums
    of squares alone, no PCA is needed: O(N D).
    """
    points = spread_out(X)
    points = points - points.mean(axis=0)
    _, own = codes(covariate, what="batch", n=len(points), at_least=2)
    total = np.square(points).sum()
    if not categorical:
        line = own - own.mean()
        return float(np.square(line @ points).sum() / np.square(line).sum() / total)
    sums = np.zeros((own.max() + 1, points.shape[1]))
    np.add.at(sums, own, points)
    return float((np.square(sums).sum(axis=1) / np.bincount(own)).sum() / total)


def pcr_comparison(X_pre: ArrayLike, Z: ArrayLike, batch: ArrayLike, *, categorical: bool = True) -> float:
    """Relative fall of the variance batch explains, from X_pre (N, G) to Z (N, D): 0 to 1, 1 none left.

    0 also where it rose. Undefined with one batch, all cells on one point, or where batch explains
    nothing of X_pre. Source: 10.1038/s41592-021-01336-8.
    """
    if len(np.asarray(X_pre)) != len(np.asarray(Z)):
        raise ValueError("the reference and the embedding have different numbers of cells")
    before = explained_by(X_pre, batch, categorical=categorical)
    after = explained_by(Z, batch, categorical=categorical)
    if before < 1e-12:
        raise Undefined("batch explains nothing of the reference")
    return max(0.0, (before - after) / before)
