"""ROGI and ROGI-XD: how fast a property blurs as near cells are merged."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.cluster.hierarchy import linkage
from scipy.spatial.distance import pdist, squareform

from metrics.checks import Floats, Ints, Undefined, codes, embedding

Distance = Literal["euclidean", "cityblock", "cosine", "precomputed"]
MIN_STEP = 0.01


@dataclass(frozen=True)
class Merges:
    """A complete-linkage tree of n points: ``heights`` (n-1,) scaled to 0–1, merged ``pairs`` (n-1, 2)."""

    heights: Floats
    pairs: Ints

    @property
    def n(self) -> int:
        """Number of points."""
        return len(self.heights) + 1


@dataclass(frozen=True)
class Curve:
    """Dispersion and number of clusters (T,) at growing thresholds (T,) from 0 to 1."""

    thresholds: Floats
    dispersion: Floats
    n_clusters: Ints

    @property
    def rogi(self) -> float:
        """Dispersion lost, integrated over the threshold."""
        return float(self.dispersion[0] - np.trapezoid(self.dispersion, self.thresholds))

    @property
    def rogi_xd(self) -> float:
        """Dispersion lost, integrated over 1 - ln(clusters) / ln(points)."""
        coarse = 1 - np.log(self.n_clusters) / np.log(self.n_clusters[0])
        return float(self.dispersion[0] - np.trapezoid(self.dispersion, coarse))


def merges(X: ArrayLike, *, metric: Distance = "euclidean") -> Merges:
    """Merge the points of X (N, D), or of distances (N, N) where precomputed; O(N²) time and memory.

    Distances are divided by the diagonal of the bounding box (Euclidean), the sum of ranges (cityblock),
    2 (cosine) or 1 (precomputed). Undefined where all points coincide; ValueError where precomputed
    distances are not symmetric within 0 to 1.
    """
    points = embedding(X)
    if metric == "precomputed":
        if (
            points.shape != points.T.shape
            or not np.allclose(points, points.T)
            or points.min() < 0
            or points.max() > 1
        ):
            raise ValueError("precomputed distances must be a symmetric matrix within 0 to 1")
        distances, largest = squareform(points, checks=False), 1.0
    else:
        if metric == "cosine" and not points.any(axis=1).all():
            raise Undefined("a cell lies at the origin, where cosine distance is undefined")
        ranges = np.ptp(points, axis=0)
        spans = {"euclidean": np.linalg.norm(ranges), "cityblock": ranges.sum(), "cosine": 2.0}
        if metric not in spans:
            raise ValueError(f"unknown distance {metric!r}; known: {', '.join(spans)}, precomputed")
        distances, largest = pdist(points, metric), float(spans[metric])
    if not distances.any():
        raise Undefined("all cells lie on one point")
    tree = linkage(distances / largest, method="complete")
    return Merges(heights=tree[:, 2], pairs=tree[:, :2].astype(np.int64))


def curve(tree: Merges, y: ArrayLike, *, min_dt: float = MIN_STEP) -> Curve:
    """Follow the dispersion of y (N,), scaled to 0–1, up the tree; thresholds at least ``min_dt`` apart."""
    values = np.asarray(y, dtype=np.float64)
    if values.shape != (tree.n,):
        raise ValueError(f"expected {tree.n} values, found shape {values.shape}")
    if not np.isfinite(values).all():
        raise Undefined("the property has NaN or infinite values")
    span = np.ptp(values)
    scaled = (values - values.min()) / span if span else np.zeros(tree.n)
    left = 2 * np.sqrt(_variance_left(tree, scaled))  # 2: the largest SD within 0–1 is a half
    kept = _thinned(tree.heights, min_dt)
    done = np.concatenate([[0], np.searchsorted(tree.heights, kept, side="right"), [tree.n - 1]])
    return Curve(
        thresholds=np.concatenate([[0.0], kept, [1.0]]), dispersion=left[done], n_clusters=tree.n - done
    )


def _variance_left(tree: Merges, y: Floats) -> Floats:
    """Variance (n,) between clusters after 0, 1, … merges, summed from the top so that nothing cancels."""
    n = tree.n
    size, mean, lost = np.ones(2 * n - 1), np.empty(2 * n - 1), np.empty(n - 1)
    mean[:n] = y
    for step, (a, b) in enumerate(tree.pairs):
        size[n + step] = size[a] + size[b]
        mean[n + step] = (size[a] * mean[a] + size[b] * mean[b]) / size[n + step]
        lost[step] = size[a] * size[b] / size[n + step] * (mean[a] - mean[b]) ** 2
    return np.append(np.cumsum(lost[::-1])[::-1], 0.0) / n


def _thinned(heights: Floats, step: float) -> Floats:
    kept = [heights[0]]
    for height in heights[1:]:
        if height - kept[-1] >= step:
            kept.append(height)
    return np.array(kept)


def rogi(X: ArrayLike, y: ArrayLike, *, metric: Distance = "euclidean", min_dt: float = MIN_STEP) -> float:
    """Roughness of a property y (N,) over X (N, D): 0 smooth, towards 1 rough; 0 for a constant y.

    For a perfectly separated binary y it stays near 0.5 whatever the distance: use ``rogi_xd``.
    Undefined where all points coincide. O(N²). Source: 10.1021/acs.jcim.2c00903, rogi 0.1.
    """
    return curve(merges(X, metric=metric), y, min_dt=min_dt).rogi


def rogi_xd(X: ArrayLike, y: ArrayLike, *, metric: Distance = "euclidean", min_dt: float = MIN_STEP) -> float:
    """Roughness along 1 - ln(clusters) / ln(N), comparable across dimensions; else as ``rogi``.

    Source: 10.48550/arXiv.2305.08238, coleygroup/rogi-xd@30639e6.
    """
    return curve(merges(X, metric=metric), y, min_dt=min_dt).rogi_xd


@dataclass(frozen=True)
class RogiLabels:
    """Each label against the rest: means ``rogi`` and ``rogi_xd``, the same by label, and cells used."""

    rogi: float
    rogi_xd: float
    per_label: dict[str, float]
    per_label_xd: dict[str, float]
    n_used: int


def rogi_labels(Z: ArrayLike, labels: ArrayLike, *, max_cells: int = 2000, seed: int = 0) -> RogiLabels:
    """One-vs-rest roughness of labels (N,) over Z (N, D): 0 best; depends on label frequency.

    Above ``max_cells`` a seeded sample of that size, stratified by label, at least two cells of each.
    Undefined with one label or all cells on one point. O(max_cells²). One-vs-rest is ours: codes
    1, 2, 3 for labels would make the value depend on their order.
    """
    points = embedding(Z)
    names, own = codes(labels, what="label", n=len(points), at_least=2)
    chosen = _stratified(own, max_cells, seed)
    tree = merges(points[chosen])
    curves = {str(name): curve(tree, own[chosen] == label) for label, name in enumerate(names)}
    rough = {name: one.rogi for name, one in curves.items()}
    rough_xd = {name: one.rogi_xd for name, one in curves.items()}
    means = (float(np.mean(list(values.values()))) for values in (rough, rough_xd))
    return RogiLabels(*means, rough, rough_xd, len(chosen))


def _stratified(own: Ints, size: int, seed: int) -> Ints:
    if len(own) <= size:
        return np.arange(len(own))
    if size < 2 * (own.max() + 1):
        raise ValueError(f"{size} cells cannot hold two of each of {own.max() + 1} labels")
    random = np.random.default_rng(seed)
    turn = np.empty(len(own))
    for label in range(own.max() + 1):
        inside = random.permutation(np.flatnonzero(own == label))
        ranks = np.arange(len(inside))
        turn[inside] = np.where(ranks < 2, -1.0, (ranks + random.random()) / len(inside))
    return np.sort(np.argsort(turn, kind="stable")[:size])
