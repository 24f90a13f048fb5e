"""Approximate neighbours of very many cells, with the share found that a check against all pairs gives."""

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from metrics.checks import Floats, Ints
from metrics.pairs import scan
from metrics.threads import in_blocks

RECALL = 0.95  # of the true neighbours, at least
CHECKED = 1_000  # cells whose true neighbours are searched
PER_LIST = 1_000  # cells of a list, about
SAMPLE = 100_000  # cells that place the lists


def nearest_by_index(points: Floats, k: int, *, seed: int = 0) -> tuple[Ints, Floats, float]:
    """Indices and distances (N, k) of near others of centred points (N, D), and the measured recall.

    Cells are parted into lists of about 1,000 by k-means; a cell is compared with those of the nearest
    lists, as many as bring the recall on 1,000 seeded cells to 0.95. O(N^1.5 D).
    """
    random = np.random.default_rng(seed)
    lists = _Lists(points, max(1, len(points) // PER_LIST), random)
    checked = np.sort(random.choice(len(points), min(CHECKED, len(points)), replace=False))
    true = scan(points, k=k, cells=checked)[0]
    probes = 4
    while True:
        found, _ = lists.search(checked, k, probes)
        recall = float(np.mean([np.isin(a, b).mean() for a, b in zip(true, found, strict=True)]))
        if recall >= RECALL or probes >= lists.n:
            break
        probes = min(2 * probes, lists.n)
    return *lists.search(np.arange(len(points)), k, probes), recall


class _Lists:
    """Cells parted by the nearest of some centres."""

    def __init__(self, points: Floats, n: int, random: np.random.Generator) -> None:
        self.points, self.n = points, n
        sample = random.choice(len(points), min(SAMPLE, len(points)), replace=False)
        # Lloyd's steps from random cells: lists need be of like size, not clusters.
        start = points[random.choice(sample, n, replace=False)].astype(np.float32)
        from sklearn.cluster import KMeans  # heavy, and needed here only

        with threadpool_limits(1):  # more threads add up in another order
            fit = KMeans(n, init=start, n_init=1, max_iter=10).fit(points[sample].astype(np.float32))
        self.centres = fit.cluster_centers_.astype(np.float64)
        self.own = np.empty(len(points), dtype=np.int64)

        def assign(rows: slice) -> None:
            self.own[rows] = self._to_centres(points[rows]).argmin(axis=1)

        in_blocks(len(points), 4096, assign)
        order = np.argsort(self.own, kind="stable")
        self.members = np.split(order, np.cumsum(np.bincount(self.own, minlength=n))[:-1])
        self.nearest_lists = np.argsort(self._to_centres(self.centres), axis=1, kind="stable")

    def _to_centres(self, points: Floats) -> Floats:
        """Squared distances (M, n), less what is the same for all centres."""
        return np.square(self.centres).sum(axis=1) - 2.0 * (points @ self.centres.T)

    def search(self, cells: Ints, k: int, probes: int) -> tuple[Ints, Floats]:
        """Indices and distances (M, k) of the nearest among the cells of the ``probes`` nearest lists."""
        indices, distances = np.empty((len(cells), k), dtype=np.int64), np.empty((len(cells), k))
        wanted = [np.flatnonzero(self.own[cells] == one) for one in range(self.n)]

        def work(block: slice) -> None:
            rows = wanted[block.start]
            if len(rows):
                indices[rows], distances[rows] = self._within(cells[rows], block.start, k, probes)

        in_blocks(self.n, 1, work)
        return indices, distances

    def _within(self, cells: Ints, own: int, k: int, probes: int) -> tuple[Ints, Floats]:
        near = self._candidates(own, k, probes)
        at = np.searchsorted(near, cells)
        found, distances, _ = scan(self.points[near], k=k, cells=at)
        return near[found], distances

    def _candidates(self, own: int, k: int, probes: int) -> NDArray[np.int64]:
        """Sorted cells of the nearest lists: of more where these hold too few."""
        order = self.nearest_lists[own]
        while sum(len(self.members[one]) for one in order[:probes]) <= k:
            probes *= 2
        return np.sort(np.concatenate([self.members[one] for one in {own, *order[:probes].tolist()}]))
