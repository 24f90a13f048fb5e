"""ROGI and ROGI-XD: how fast a property blurs as near cells are merged."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.cluster.hierarchy import linkage
from scipy.spatial.distance import pdist, squareform

from metrics.checks import Floats, Ints, Undefined, codes, spread_out
from metrics.samples import draws, pair_distances, standard_error

Distance = Literal["euclidean", "cityblock", "cosine", "precomputed"]
MIN_STEP = 0.01
MAX_CELLS = 2000
MAX_POINTS = 10_000


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
    """Merge the points of X (N, D), or of distances (N, N) where precomputed; O(N² D), 10,000 cells 0.8 GB.

    Distances are divided by the diagonal of the bounding box (Euclidean), the sum of ranges (cityblock),
    2 (cosine) or 1 (precomputed). Undefined where all points coincide; ValueError where precomputed
    distances are not symmetric within 0 to 1.
    """
    points = spread_out(X)
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
        distances = pair_distances(points) if metric == "euclidean" else pdist(points, metric)
        largest = float(spans[metric])
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
    size, mean, lost = [1.0] * tree.n, y.tolist(), []
    for a, b in tree.pairs.tolist():  # lists: three times as fast as arrays, element by element
        both = size[a] + size[b]
        lost.append(size[a] * size[b] / both * (mean[a] - mean[b]) ** 2)
        mean.append((size[a] * mean[a] + size[b] * mean[b]) / both)
        size.append(both)
    return np.append(np.cumsum(lost[::-1])[::-1], 0.0) / tree.n


def _thinned(heights: Floats, step: float) -> Floats:
    kept = [heights[0]]
    for height in heights[1:]:
        if height - kept[-1] >= step:
            kept.append(height)
    return np.array(kept)


@dataclass(frozen=True)
class RogiProperty:
    """``rogi`` and ``rogi_xd`` of a property: 0 smooth, towards 1 rough.

    Where cells were sampled, means over the draws of ``n_used`` cells with their standard errors, which
    are NaN where all cells were taken.
    """

    rogi: float
    rogi_xd: float
    se_rogi: float
    se_rogi_xd: float
    n_used: int


def rogi_property(
    X: ArrayLike,
    y: ArrayLike,
    *,
    metric: Distance = "euclidean",
    min_dt: float = MIN_STEP,
    max_cells: int = MAX_POINTS,
    repeats: int = 5,
    seed: int = 0,
) -> RogiProperty:
    """Roughness of a property y (N,) over X (N, D), or over distances (N, N) where precomputed.

    0 for a constant y. Above ``max_cells``, seeded samples of that size. Undefined where all points
    coincide. O(repeats · max_cells² D), 0.8 GB at most.
    """
    points, values = np.asarray(X, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if values.shape != points.shape[:1]:
        raise ValueError(f"expected {len(points)} values, found shape {values.shape}")
    samples = draws(np.zeros(len(points), dtype=np.int64), size=max_cells, repeats=repeats, seed=seed)
    taken = [points[rows][:, rows] if metric == "precomputed" else points[rows] for rows in samples]
    curves = [
        curve(merges(part, metric=metric), values[rows], min_dt=min_dt)
        for part, rows in zip(taken, samples, strict=True)
    ]
    found = np.array([(one.rogi, one.rogi_xd) for one in curves])
    return RogiProperty(*found.mean(axis=0).tolist(), *standard_error(found).tolist(), n_used=len(samples[0]))


def rogi(X: ArrayLike, y: ArrayLike, *, metric: Distance = "euclidean", min_dt: float = MIN_STEP) -> float:
    """ROGI as ``rogi_property`` has it; near 0.5 for a perfectly separated binary y: use ``rogi_xd`` there.

    Source: 10.1021/acs.jcim.2c00903, rogi 0.1.
    """
    return rogi_property(X, y, metric=metric, min_dt=min_dt).rogi


def rogi_xd(X: ArrayLike, y: ArrayLike, *, metric: Distance = "euclidean", min_dt: float = MIN_STEP) -> float:
    """Roughness along 1 - ln(clusters) / ln(N), comparable across dimensions; else as ``rogi``.

    Source: coleygroup/rogi-xd@30639e6.
    """
    return rogi_property(X, y, metric=metric, min_dt=min_dt).rogi_xd


@dataclass(frozen=True)
class RogiLabels:
    """Each label against the rest: means ``rogi`` and ``rogi_xd``, the same by label.

    Where cells were sampled, values are means over the draws of ``n_used`` cells, and ``se_rogi`` and
    ``se_rogi_xd`` their standard errors; NaN where all cells were taken. A sample of fewer cells may lie
    lower or higher than all would: compare values of one ``n_used`` only.
    """

    rogi: float
    rogi_xd: float
    se_rogi: float
    se_rogi_xd: float
    per_label: dict[str, float]
    per_label_xd: dict[str, float]
    n_used: int


def rogi_labels(
    Z: ArrayLike, labels: ArrayLike, *, max_cells: int = MAX_CELLS, repeats: int = 5, seed: int = 0
) -> RogiLabels:
    """One-vs-rest roughness of labels (N,) over Z (N, D): 0 best; depends on label frequency.

    Above ``max_cells``, seeded samples of that size, stratified by label, at least two cells of each.
    Undefined with one label, with more labels than half of ``max_cells`` then, or all cells on one point.
    O(repeats · max_cells² (D + labels)), some 0.1 GB. One-vs-rest is ours: with codes 1, 2, 3 for
    labels the value would depend on their order.
    """
    points = spread_out(Z)
    names, own = codes(labels, what="label", n=len(points), at_least=2)
    samples = draws(own, size=max_cells, repeats=repeats, seed=seed)
    values = np.array([_one_vs_rest(points[rows], own[rows], len(names)) for rows in samples])
    per_label, per_label_xd = values.mean(axis=0).T
    se_rogi, se_rogi_xd = standard_error(values.mean(axis=1))
    return RogiLabels(
        rogi=float(per_label.mean()),
        rogi_xd=float(per_label_xd.mean()),
        se_rogi=float(se_rogi),
        se_rogi_xd=float(se_rogi_xd),
        per_label=dict(zip(map(str, names), per_label.tolist(), strict=True)),
        per_label_xd=dict(zip(map(str, names), per_label_xd.tolist(), strict=True)),
        n_used=len(samples[0]),
    )


def _one_vs_rest(points: Floats, own: Ints, n_labels: int) -> list[tuple[float, float]]:
    tree = merges(points)
    curves = [curve(tree, own == label) for label in range(n_labels)]
    return [(one.rogi, one.rogi_xd) for one in curves]
