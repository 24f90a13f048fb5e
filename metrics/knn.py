"""Nearest neighbours, found once and handed to every score that needs them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse

from metrics import gpu
from metrics.checks import Floats, Ints, spread_out
from metrics.index import nearest_by_index
from metrics.pairs import nearest
from metrics.roots import falling_root
from metrics.threads import in_blocks

LISI_K = 89  # the field's 90, 50 and 15 neighbours count the cell itself; ours never do
KBET_K = 49
GRAPH_K = 14
EXACT_UP_TO = 200_000  # cells; beyond, without a GPU, all pairs would take many minutes


@dataclass(frozen=True)
class Neighbors:
    """The k nearest other cells of each cell: ``indices`` (N, k) and ``distances`` (N, k), nearest first.

    ``recall``: the share of true neighbours among them, 1 where the search was exact.
    """

    indices: Ints
    distances: Floats
    recall: float = 1.0

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
        return Neighbors(self.indices[:, :k], self.distances[:, :k], self.recall)

    def at_most(self, k: int) -> "Neighbors":
        """Return the nearest k, or all where fewer were searched (sets smaller than k)."""
        return self.take(min(k, self.k))


def neighbors(Z: ArrayLike, k: int = LISI_K) -> Neighbors:
    """Find the Euclidean k nearest neighbours of every cell of Z (N, D), the cell itself left out.

    Exact up to 200,000 cells, and with a GPU: ties are broken by index, k is capped at N - 1. Beyond
    that by an index, and the result's ``recall`` says how well. Undefined with fewer than 2 cells, with NaN,
    or all on one point. Cost: O(N² D) time, some 20 MiB a thread beside the result.
    """
    points = spread_out(Z)
    if k < 1:
        raise ValueError(f"k must be at least 1, found {k}")
    return search(points - points.mean(axis=0), min(k, len(points) - 1))


def search(points: Floats, k: int) -> Neighbors:
    """Search centred points, exactly where that is affordable."""
    if all_pairs_affordable(len(points)):
        return Neighbors(*nearest(points, k))
    return Neighbors(*nearest_by_index(points, k))


def all_pairs_affordable(n: int) -> bool:
    """Whether n cells are few enough for all pairs, or a GPU is there."""
    return n <= EXACT_UP_TO or gpu.device() is not None


def connectivities(nearest: Neighbors) -> sparse.csr_matrix:
    """Turn distances into UMAP's fuzzy connectivities: a symmetric (N, N) matrix with entries in (0, 1].

    Weight exp(-(d - ρ) / σ), ρ the nearest positive distance, σ such that the
    weights of a cell sum to log2(k + 1); then a + b - ab. Cost: O(N k).
    Source: 10.48550/arXiv.1802.03426.
    """
    weights = np.empty(nearest.distances.shape)
    overall = nearest.distances.sum() / (nearest.distances.size + nearest.n)

    def fill(rows: slice) -> None:
        weights[rows] = _fuzzy(nearest.distances[rows], overall)

    in_blocks(nearest.n, 2048, fill)
    starts = np.arange(nearest.n + 1) * nearest.k
    directed = sparse.csr_matrix((weights.ravel(), nearest.indices.ravel(), starts), shape=(nearest.n,) * 2)
    directed.sort_indices()
    back = directed.T.tocsr()
    union = (directed + back - directed.multiply(back)).tocsr()
    union.sort_indices()
    return union


def _fuzzy(distances: Floats, overall: float) -> Floats:
    """Directed weights (n, k); bandwidths stay above a share of the row's, else of the ``overall`` mean."""
    k = distances.shape[1]
    positive = np.where(distances > 0, distances, np.inf).min(axis=1)
    rho = np.where(np.isfinite(positive), positive, 0.0)
    excess = np.maximum(distances - rho[:, None], 0.0)
    # The means of the original count the cell itself, at distance 0.
    floor = 1e-3 * np.where(rho > 0, distances.sum(axis=1) / (k + 1), overall)
    sigma = np.maximum(_bandwidths(excess, target=np.log2(k + 1)), floor)[:, None]
    return np.exp(-np.divide(excess, sigma, out=np.zeros_like(excess), where=sigma > 0))


def _bandwidths(excess: Floats, *, target: float) -> Floats:
    """Find σ (N,) with Σ exp(-excess / σ) = target; 0 where too many are as near as the nearest."""
    sigma = np.zeros(len(excess))
    solvable = (excess == 0).sum(axis=1) < target
    scale = excess[solvable].mean(axis=1)
    unit = excess[solvable] / scale[:, None]

    def off(rate: Floats, rows: Ints) -> tuple[Floats, Floats]:
        weights = np.exp(unit[rows] * -rate[:, None])
        return weights.sum(axis=1) - target, -(unit[rows] * weights).sum(axis=1)

    sigma[solvable] = scale / falling_root(off, len(scale), tolerance=1e-9)
    return sigma


def with_self(nearest: Neighbors) -> Ints:
    """Return (N, k + 1) indices, each cell first among its own neighbours."""
    return np.hstack([np.arange(nearest.n)[:, None], nearest.indices])
