"""Silhouettes of types and of batches, from distance sums that are computed once.

Silhouette of a cell: (b - a) / max(a, b), a its mean distance to its own group,
b that to another; 0 for a cell alone in its group (10.1016/0377-0427(87)90125-7).
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metrics.checks import Floats, Ints, Undefined, codes, embedding, spread_out
from metrics.pairs import sums as pair_sums

Distance = Literal["euclidean", "cosine"]
Between = Literal["nearest", "mean_other", "furthest"]


@dataclass(frozen=True)
class DistanceSums:
    """``sums`` (M, L) of the distances of M cells to each label's cells; ``counts`` (L,) of all N cells.

    ``own`` (N,) is each cell's column, ``names`` (L,) the labels in sorted order; ``cells`` (M,) are the
    rows summed where these are a sample, None where they are all.
    """

    sums: Floats
    counts: Ints
    own: Ints
    names: NDArray
    cells: Ints | None = None

    @property
    def rows(self) -> Ints:
        """Columns (M,) of the labels of the cells summed."""
        return self.own if self.cells is None else self.own[self.cells]


def distance_sums(Z: ArrayLike, labels: ArrayLike, metric: Distance = "euclidean") -> DistanceSums:
    """Sum the distances of every cell to every label. Z (N, D), labels (N,).

    O(N² D), but O(N L D) for cosine, which adds up: Σ (1 - x·y) = n - x·Σy. Undefined with NaN,
    and for cosine with a cell at the origin, which has no direction.
    """
    points = embedding(Z)
    names, own = codes(labels, what="label", n=len(points))
    counts = np.bincount(own, minlength=len(names))
    if metric == "cosine":
        directions = _directions(points)
        towards = np.zeros((len(names), points.shape[1]))
        np.add.at(towards, own, directions)
        return DistanceSums(counts - directions @ towards.T, counts, own, names)
    if metric != "euclidean":
        raise ValueError(f"unknown distance {metric!r}; known: euclidean, cosine")
    return DistanceSums(pair_sums(points - points.mean(axis=0), own), counts, own, names)


def _directions(points: Floats) -> Floats:
    lengths = np.linalg.norm(points, axis=1)
    if (lengths == 0).any():
        raise Undefined(
            f"{int((lengths == 0).sum())} cells lie at the origin, where cosine distance is undefined"
        )
    return points / lengths[:, None]


def silhouette_samples(sums: DistanceSums, *, between: Between = "nearest") -> Floats:
    """Silhouette (M,) of each cell summed, -1 to 1, high = near its own label.

    ``between`` says what stands for the others: the ``nearest`` or ``furthest``
    label, or the mean over all cells of other labels. Undefined with one label.
    """
    n, n_labels = sums.sums.shape
    if n_labels < 2:
        raise Undefined("1 group; a silhouette needs at least 2")
    cells, own = np.arange(n), sums.rows
    own_count = sums.counts[own]
    inside = sums.sums[cells, own] / np.maximum(own_count - 1, 1)
    if between == "mean_other":
        outside = (sums.sums.sum(axis=1) - sums.sums[cells, own]) / (sums.counts.sum() - own_count)
    else:
        means = sums.sums / sums.counts
        means[cells, own] = np.inf if between == "nearest" else -np.inf
        outside = means.min(axis=1) if between == "nearest" else means.max(axis=1)
    larger = np.maximum(inside, outside)
    score = np.divide(outside - inside, larger, out=np.zeros(n), where=larger > 0)
    return np.where(own_count > 1, score, 0.0)


def silhouette_label(
    Z: ArrayLike, labels: ArrayLike, *, metric: Distance = "euclidean", sums: DistanceSums | None = None
) -> float:
    """Mean silhouette of the types, scaled to (s + 1) / 2: 0 to 1, 1 best, 0.5 chance.

    Undefined with one label, with NaN, or with all cells on one point. O(N² D), or
    O(N L) with ``sums`` given. Source: 10.1038/s41592-021-01336-8.
    """
    sums = _checked_sums(Z, labels, metric, sums)
    means, shares = _by_label(sums), sums.counts / sums.counts.sum()
    return float((means @ shares + 1) / 2)


def silhouette_error(sums: DistanceSums) -> float:
    """Standard error of ``silhouette_label`` where its sums rest on a sample; 0 where on all cells."""
    if sums.cells is None:
        return 0.0
    scores, shares = silhouette_samples(sums), sums.counts / sums.counts.sum()
    spread = [scores[sums.rows == label].std(ddof=1) for label in range(len(shares))]
    return float(np.sqrt(np.sum((shares * spread) ** 2 / np.bincount(sums.rows))) / 2)


def _by_label(sums: DistanceSums) -> Floats:
    """Mean silhouette (L,) of each label's cells."""
    return np.bincount(sums.rows, silhouette_samples(sums)) / np.bincount(sums.rows)


def isolated_labels(
    Z: ArrayLike,
    labels: ArrayLike,
    batch: ArrayLike,
    *,
    iso_threshold: int | None = None,
    sums: DistanceSums | None = None,
) -> float:
    """Mean over the types in fewest batches of their mean scaled silhouette: 0 to 1, 1 best, 0.5 chance.

    With ``iso_threshold`` the types in at most so many batches. Where each type is in
    each batch, as with a single batch, all types count. Undefined with one label.
    O(N² D), or O(N L) with ``sums``. Source: 10.1038/s41592-021-01336-8, ASW form.
    """
    points = embedding(Z)
    _, own = codes(labels, what="label", n=len(points), at_least=2)
    _, batches = codes(batch, what="batch", n=len(points))
    pairs = np.unique(np.column_stack([own, batches]), axis=0)
    spread = np.bincount(pairs[:, 0])
    limit = spread.min() if iso_threshold is None else iso_threshold
    chosen = np.flatnonzero(spread <= limit)
    if not len(chosen):
        raise Undefined(f"no label in at most {limit} batches")
    return float((_by_label(_checked_sums(points, labels, "euclidean", sums))[chosen].mean() + 1) / 2)


def _checked_sums(
    Z: ArrayLike, labels: ArrayLike, metric: Distance, sums: DistanceSums | None
) -> DistanceSums:
    points = spread_out(Z)
    names, own = codes(labels, what="label", n=len(points), at_least=2)
    sums = sums or distance_sums(points, labels, metric)
    if not (np.array_equal(sums.own, own) and np.array_equal(sums.names, names)):
        raise ValueError("the distance sums were computed for other labels")
    return sums


def silhouette_batch(Z: ArrayLike, labels: ArrayLike, batch: ArrayLike) -> float:
    """Mean over types of 1 - |silhouette of batch inside the type|: 0 to 1, 1 = batches mixed.

    Types with one batch, or with as many batches as cells, are left out; Undefined where
    none is left, with one batch, or with all cells on one point. O(Σ N_type² D).
    Misses effects when batches are nested; prefer BRAS (10.1038/s41587-025-02743-4).
    """
    return _batch_score(Z, labels, batch, metric="euclidean", between="nearest")


def bras(
    Z: ArrayLike,
    labels: ArrayLike,
    batch: ArrayLike,
    *,
    metric: Distance = "cosine",
    between: Between = "mean_other",
) -> float:
    """Batch removal adapted silhouette: as ``silhouette_batch``, by cosine, all other batches together.

    0 to 1, 1 = batches mixed; not shift-invariant, since angles are taken at the origin.
    Undefined as there, and where a cell lies at the origin. Source: 10.1038/s41587-025-02743-4.
    """
    return _batch_score(Z, labels, batch, metric=metric, between=between)


def _batch_score(
    Z: ArrayLike, labels: ArrayLike, batch: ArrayLike, *, metric: Distance, between: Between
) -> float:
    per_label = batch_silhouettes(Z, labels, batch, metric=metric, between=between)
    if not per_label:
        raise Undefined("no label has cells in 2 batches")
    return float(np.mean(list(per_label.values())))


def batch_silhouettes(
    Z: ArrayLike,
    labels: ArrayLike,
    batch: ArrayLike,
    *,
    metric: Distance = "cosine",
    between: Between = "mean_other",
) -> dict[str, float]:
    """Mean 1 - |silhouette of batch| of every type that has one; the parts of BRAS."""
    points = spread_out(Z)
    names, own = codes(labels, what="label", n=len(points))
    _, batches = codes(batch, what="batch", n=len(points), at_least=2)
    scores = {}
    for label, name in enumerate(names):
        inside = own == label
        if 1 < len(np.unique(batches[inside])) < inside.sum():
            sums = distance_sums(points[inside], batches[inside], metric)
            scores[str(name)] = float(np.mean(1 - np.abs(silhouette_samples(sums, between=between))))
    return scores
