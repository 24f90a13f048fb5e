"""Exact nearest neighbours, found once and handed to every score that needs them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse

from metrics.checks import Floats, Ints, spread_out

LISI_K = 89  # the field's 90, 50 and 15 neighbours count the cell itself; ours never do
KBET_K = 49
GRAPH_K = 14
BLOCK_BYTES = 2**24  # of one step of the search: what stays in a cache is 7 × faster at 1,000 dimensions
SPARE = 16  # candidates beyond k: the fast expansion only proposes


@dataclass(frozen=True)
class Neighbors:
    """The k nearest other cells of each cell: ``indices`` (N, k) and ``distances`` (N, k), nearest first."""

    indices: Ints
    distances: Floats

    @property
    def n(self) -> int:
        """Number of cells."""
        return self.indices.shape[0]

    @property
    def k(self) -> int:
        """Number of neighbours of each cell, the cell itself not counted."""
        return self.indices.shape[1]

    def take(self, k: int) -> "Neighbors":
        """Return the nearest k of them; ValueError where fewer were searched."""
        if not 1 <= k <= self.k:
            raise ValueError(f"asked for {k} neighbours of {self.k} searched")
        return Neighbors(self.indices[:, :k], self.distances[:, :k])

    def at_most(self, k: int) -> "Neighbors":
        """Return the nearest k, or all where fewer were searched (sets smaller than k)."""
        return self.take(min(k, self.k))


def neighbors(Z: ArrayLike, k: int = LISI_K, *, block: int | None = None) -> Neighbors:
    """Find the exact Euclidean k nearest neighbours of every cell.

    Z is (N, D). The cell itself is left out, ties are broken by index, and k is
    capped at N - 1. Undefined with fewer than 2 cells, with NaN, or all on one point.
    Cost: O(N² D) time, rows in steps of ``block`` (so many that a step takes 16 MiB, unless given).
    """
    points = spread_out(Z)
    points = points - points.mean(axis=0)
    if k < 1:
        raise ValueError(f"k must be at least 1, found {k}")
    n = len(points)
    k = min(k, n - 1)
    widest = max(n, (k + SPARE) * points.shape[1])
    step = block or max(1, BLOCK_BYTES // (8 * widest))
    squares = np.einsum("ij,ij->i", points, points)
    indices, distances = np.empty((n, k), dtype=np.int64), np.empty((n, k))
    for start in range(0, n, step):
        rows = slice(start, min(start + step, n))
        indices[rows], distances[rows] = _nearest(points, squares, rows, k)
    return Neighbors(indices, distances)


def _nearest(points: Floats, squares: Floats, rows: slice, k: int) -> tuple[Ints, Floats]:
    """Search one block: candidates from the fast expansion, distances from differences.

    The expansion |x|² + |y|² - 2xy loses digits, so that it only proposes; rows
    where a point left out might still belong to the k nearest are searched whole.
    """
    n = len(points)
    rough = points[rows] @ points.T
    rough *= -2.0
    rough += squares
    rough += squares[rows, None]
    here = np.arange(rows.start, rows.stop)
    rough[np.arange(len(here)), here] = np.inf
    width = min(n - 1, k + SPARE)
    candidates = np.argpartition(rough, width - 1, axis=1)[:, :width]
    candidates.sort(axis=1)
    exact = _distances(points[rows], points[candidates])
    order = np.argsort(exact, axis=1, kind="stable")[:, :k]
    indices = np.take_along_axis(candidates, order, axis=1)
    distances = np.take_along_axis(exact, order, axis=1)
    if width < n - 1:
        border = np.take_along_axis(rough, candidates, axis=1).max(axis=1)
        slack = 1e-13 * points.shape[1] * (squares[rows] + squares.max())
        for i in np.flatnonzero(border <= distances[:, -1] ** 2 + 2 * slack):
            near = np.flatnonzero(rough[i] <= distances[i, -1] ** 2 + 2 * slack[i])
            exact_row = _distances(points[rows][i], points[near])
            chosen = np.argsort(exact_row, kind="stable")[:k]
            indices[i], distances[i] = near[chosen], exact_row[chosen]
    return indices, distances


def _distances(a: Floats, b: Floats) -> Floats:
    difference = b - a[..., None, :]
    return np.sqrt(np.einsum("...d,...d->...", difference, difference))


def connectivities(nearest: Neighbors, *, iterations: int = 64) -> sparse.csr_matrix:
    """Turn distances into UMAP's fuzzy connectivities: a symmetric (N, N) matrix with entries in (0, 1].

    Weight exp(-(d - ρ) / σ), ρ the nearest positive distance, σ such that the
    weights of a cell sum to log2(k + 1); then a + b - ab. Cost: O(N k).
    Source: 10.48550/arXiv.1802.03426.
    """
    distances = nearest.distances
    positive = np.where(distances > 0, distances, np.inf).min(axis=1)
    rho = np.where(np.isfinite(positive), positive, 0.0)
    excess = np.maximum(distances - rho[:, None], 0.0)
    sigma = _bandwidths(excess, target=np.log2(nearest.k + 1), iterations=iterations)
    whole = nearest.k + 1  # the means of the original count the cell itself, at distance 0
    floor = np.where(rho > 0, distances.sum(axis=1) / whole, distances.sum() / (whole * nearest.n))
    sigma = np.maximum(sigma, 1e-3 * floor)
    weights = np.exp(-np.divide(excess, sigma[:, None], out=np.zeros_like(excess), where=sigma[:, None] > 0))
    starts = np.arange(nearest.n + 1) * nearest.k
    directed = sparse.csr_matrix((weights.ravel(), nearest.indices.ravel(), starts), shape=(nearest.n,) * 2)
    directed.sort_indices()
    back = directed.T.tocsr()
    union = (directed + back - directed.multiply(back)).tocsr()
    union.sort_indices()
    return union


def _bandwidths(excess: Floats, *, target: float, iterations: int) -> Floats:
    """Find σ (N,) with Σ exp(-excess / σ) = target by bisection on a bracket scaled to the row."""
    scale = excess.mean(axis=1)
    low, high = np.zeros(len(excess)), np.full(len(excess), np.inf)
    sigma = np.where(scale > 0, scale, 1.0)
    active = np.flatnonzero(scale > 0)
    for _ in range(iterations):
        total = np.exp(-excess[active] / sigma[active, None]).sum(axis=1)
        above = total > target
        high[active[above]] = sigma[active[above]]
        low[active[~above]] = sigma[active[~above]]
        unbounded = np.isinf(high[active])
        sigma[active] = np.where(unbounded, 2 * sigma[active], (low[active] + high[active]) / 2)
        active = active[np.abs(total - target) > 1e-9]
        if not len(active):
            break
    return sigma


def with_self(nearest: Neighbors) -> Ints:
    """Return (N, k + 1) indices, each cell first among its own neighbours."""
    return np.hstack([np.arange(nearest.n)[:, None], nearest.indices])
