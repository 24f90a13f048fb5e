"""scGraph: do cell types keep the distances they have inside single batches?"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from scipy.stats import rankdata

from metrics.agreement import against_shuffled, correlate, correlations, mean_known
from metrics.checks import Floats, Ints, Undefined, codes, mean_of_defined, spread_out
from metrics.expression import Moments, by_cell, most_variable, principal_components

TRIM = 0.05
MIN_CELLS = 10  # of a type, in total
MIN_BATCH = 100  # cells of a batch that gets a say in the consensus


@dataclass(frozen=True)
class ScGraphReference:
    """What the batches say: ``distances`` (T, T) of ``types`` (T,), NaN for pairs never seen in one batch.

    ``n_unseen_pairs`` counts those; ``trim`` is the share cut from each end of a centroid's cells.
    """

    types: tuple[str, ...]
    distances: Floats
    n_unseen_pairs: int
    trim: float


def scgraph_reference(
    X_log1p: ArrayLike | sparse.spmatrix,
    batch: ArrayLike,
    labels: ArrayLike,
    *,
    trim: float = TRIM,
    n_top_genes: int = 1000,
    n_pcs: int = 10,
) -> ScGraphReference:
    """Consensus over batches of the distances of types in each batch's own PCA of X_log1p (N, G).

    Once for a data set. Types under 10 cells and batches under 100 are left out. Undefined with fewer
    than 3 such types, no such batch, or no two types seen in one batch. O(N G).
    """
    return scgraph_reference_of(
        lambda: [X_log1p], batch, labels, trim=trim, n_top_genes=n_top_genes, n_pcs=n_pcs
    )


def scgraph_reference_of(
    blocks: Callable[[], Iterable[ArrayLike | sparse.spmatrix]],
    batch: ArrayLike,
    labels: ArrayLike,
    *,
    trim: float = TRIM,
    n_top_genes: int = 1000,
    n_pcs: int = 10,
) -> ScGraphReference:
    """Like ``scgraph_reference``, of log1p expression in blocks of rows, which are asked for twice.

    Memory of a block, and of each cell's variable genes.
    """
    labels, batch = np.asarray(labels), np.asarray(batch)
    names, own = codes(labels, what="label", n=len(labels))
    _, batches = codes(batch, what="batch", n=len(labels))
    types = np.flatnonzero(np.bincount(own) >= MIN_CELLS)
    if len(types) < 3:
        raise Undefined(f"{len(types)} labels with {MIN_CELLS} cells; at least 3 are needed")
    large = np.flatnonzero(np.bincount(batches) >= MIN_BATCH)
    if not len(large):
        raise Undefined(f"no batch has {MIN_BATCH} cells")
    moments = {code: Moments() for code in large}
    for code, part in _by_batch(blocks(), batches, large):
        moments[code].add(part)
    genes = {code: most_variable(moments[code], n_top_genes) for code in large}
    parts: dict[int, list] = {code: [] for code in large}
    for code, part in _by_batch(blocks(), batches, large):
        parts[code].append(part[:, genes[code]])
    each = [
        _batch_distances(_stacked(parts.pop(code)), own[batches == code], types, trim, n_pcs)
        for code in large
    ]
    distances = _by_column(mean_known(np.stack(each)))
    n_unseen = int(np.isnan(distances[np.triu_indices(len(types), 1)]).sum())
    if n_unseen == len(types) * (len(types) - 1) // 2:
        raise Undefined("no two types share a batch")
    return ScGraphReference(tuple(str(names[code]) for code in types), distances, n_unseen, trim)


def _by_batch(
    blocks: Iterable[ArrayLike | sparse.spmatrix], batches: Ints, large: Ints
) -> Iterator[tuple[int, Floats | sparse.csr_matrix]]:
    """Batch and rows (n, G) of each block's large batches; there must be as many rows as cells."""
    start = 0
    for block in blocks:
        rows = by_cell(block)
        here = batches[start : start + rows.shape[0]]
        start += rows.shape[0]
        if start > len(batches):
            break
        for code in np.intersect1d(here, large):
            yield code, rows[np.flatnonzero(here == code)]
    if start != len(batches):
        raise ValueError(f"expected {len(batches)} rows of expression, found {start} or more")


def _stacked(parts: list) -> Floats | sparse.csr_matrix:
    return sparse.vstack(parts, format="csr") if sparse.issparse(parts[0]) else np.vstack(parts)


def _batch_distances(
    X: Floats | sparse.csr_matrix, own: Ints, types: NDArray, trim: float, n_pcs: int
) -> Floats:
    """Scaled distances (T, T) of types in the batch's own PCA, NaN for types it does not hold."""
    distances = np.full((len(types), len(types)), np.nan)
    here = np.flatnonzero(np.isin(types, own))
    if len(here) > 1:
        centroids = trimmed_centroids(principal_components(X, n_pcs), own, types[here], trim=trim)
        distances[np.ix_(here, here)] = _by_column(centroid_distances(centroids))
    return distances


def trimmed_centroids(Z: Floats, own: Ints, types: NDArray, *, trim: float) -> Floats:
    """Column-wise means (T, D) of the cells of each type, floor(trim · n) cut from each end."""
    return np.stack([trimmed_mean(Z[own == code], trim) for code in types])


def trimmed_mean(rows: Floats, trim: float) -> Floats:
    """Column-wise mean (..., D) of rows (..., n, D) without the floor(trim · n) at each end."""
    n = rows.shape[-2]
    cut = int(trim * n)
    return np.sort(rows, axis=-2)[..., cut : n - cut, :].mean(axis=-2)


def centroid_distances(centroids: Floats) -> Floats:
    """Euclidean distances (T, T) between centroids (T, D)."""
    return np.linalg.norm(centroids[:, None] - centroids[None], axis=2)


def _by_column(distances: Floats) -> Floats:
    """Divide each column by its largest entry; NaN columns where it is 0 or none is defined."""
    largest = np.where(np.isnan(distances), -np.inf, distances).max(axis=0)
    return distances / np.where(largest > 0, largest, np.nan)


@dataclass(frozen=True)
class ScGraph:
    """``score``: weighted correlation, the published scGraph; -1 to 1, 1 best.

    ``correlation`` and ``rank`` (Corr-PCA, Rank-PCA) count the diagonal of zeros, which lifts them: noise
    had 0.76. ``z_score`` and one-sided ``p_value`` of the score against shuffled types, NaN where
    shuffling changes nothing. ``per_type`` are the parts of the score. ``n_types`` compared on ``n_used``
    cells; ``n_left_out`` other labels; ``n_unseen_pairs`` of types that no batch holds together.
    """

    score: float
    correlation: float
    rank: float
    z_score: float
    p_value: float
    per_type: dict[str, float]
    n_types: int
    n_used: int
    n_left_out: int
    n_unseen_pairs: int


def scgraph(
    Z: ArrayLike,
    labels: ArrayLike,
    reference: ScGraphReference,
    *,
    n_permutations: int = 200,
    seed: int = 0,
) -> ScGraph:
    """Agreement of type distances in Z (N, D) with those inside batches: -1 to 1, 1 best.

    Labels (N,) that the reference does not hold, or with fewer than 10 cells in Z, are left out and
    counted. Undefined with fewer than 3 others; coarse with 3. Near 0 by chance with types of like size.
    O(N D + permutations · T²). Source: 10.1038/s41587-025-02702-z, Genentech/Islander@4fbf0d9.
    """
    points = spread_out(Z)
    names, own = codes(labels, what="label", n=len(points))
    counts = dict(zip(map(str, names), np.bincount(own).tolist(), strict=True))
    kept = [row for row, name in enumerate(reference.types) if counts.get(name, 0) >= MIN_CELLS]
    if len(kept) < 3:
        raise Undefined(f"{len(kept)} labels of the reference with {MIN_CELLS} cells; at least 3 are needed")
    shown = [reference.types[row] for row in kept]
    types = np.flatnonzero(np.isin(names.astype(str), shown))  # both sorted, so in the same order
    wanted = reference.distances[np.ix_(kept, kept)]
    found = centroid_distances(trimmed_centroids(points, own, types, trim=reference.trim))
    weights = np.divide(1.0, wanted, out=np.zeros_like(wanted), where=wanted > 0)
    weighted = correlations(found, wanted, weights)
    score = mean_of_defined(weighted, otherwise="no type has 2 others at different distances")
    z_score, p_value = against_shuffled(
        found[None], wanted, weights, n_permutations=n_permutations, seed=seed
    )
    plain, rank = _with_diagonal(found, wanted)
    return ScGraph(
        score=score,
        correlation=mean_of_defined(plain, otherwise="no two types share a batch"),
        rank=mean_of_defined(rank, otherwise="no two types share a batch"),
        z_score=z_score,
        p_value=p_value,
        per_type=dict(zip(shown, weighted.tolist(), strict=True)),
        n_types=len(kept),
        n_used=sum(counts[name] for name in shown),
        n_left_out=len(names) - len(kept),
        n_unseen_pairs=int(np.isnan(wanted[np.triu_indices(len(kept), 1)]).sum()),
    )


def _with_diagonal(found: Floats, wanted: Floats) -> tuple[list[float], list[float]]:
    """Pearson and Spearman correlation of each type's column, pairs never seen left out."""
    known = ~np.isnan(wanted)
    pairs = [(found[seen, i], wanted[seen, i]) for i, seen in enumerate(known.T)]
    return [correlate(a, b) for a, b in pairs], [correlate(rankdata(a), rankdata(b)) for a, b in pairs]
