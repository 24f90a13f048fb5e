"""One blocked pass over all pairs of cells: nearest neighbours, and sums of distances by group.

Single precision proposes, double precision decides: the expansion |x|² + |y|² - 2xy in float32
is four times faster than differences, but loses digits. Neighbours are therefore chosen among
candidates by differences in float64, and rows for which digits could matter are done again in float64.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from threadpoolctl import threadpool_limits

from metrics.checks import Floats, Ints

Singles = NDArray[np.float32]
SMALL = 1024  # so few cells are done in float64 throughout
ROWS, COLUMNS = 256, 4096  # of one step: what stays in a cache is several times faster
BLOCK_BYTES = 2**24  # of one step in float64, over all columns
WIDE = 16  # from here on a matrix product is faster than differences, coordinate by coordinate
SPARE = 16  # candidates beyond k
SAMPLE = 16  # one column in so many sets the bar for candidates
SLACK = 3e-7  # of |x|² + |y|²: more than rounding in float32 can move a squared distance
CLOSE = 0.1  # a mean distance below this share of a vector's length is summed in float64


def workers() -> int:
    """Threads to use: ``OMP_NUM_THREADS`` where it is set, else the cores this process may run on."""
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    return int(wanted) if wanted.isdigit() and int(wanted) else len(os.sched_getaffinity(0))


def in_blocks(n: int, step: int, work: Callable[[slice], None]) -> None:
    """Call ``work`` on slices of n rows, side by side; numpy lets go of the interpreter in each."""
    blocks = [slice(start, min(start + step, n)) for start in range(0, n, step)]
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(min(workers(), len(blocks))) as pool:
        for done in pool.map(work, blocks):
            assert done is None


def nearest(points: Floats, k: int) -> tuple[Ints, Floats]:
    """Indices and distances (N, k) of the nearest others of centred points (N, D), ties by index."""
    indices, distances, _ = scan(points, k=k)
    return indices, distances


def sums(points: Floats, own: Ints, *, cells: Ints | None = None) -> Floats:
    """Sums (M, L) of the distances of M cells (all unless given) to the cells of each of L groups."""
    return scan(points, own=own, cells=cells)[2]


def scan(
    points: Floats, *, k: int = 0, own: Ints | None = None, cells: Ints | None = None
) -> tuple[Ints, Floats, Floats]:
    """Neighbours' indices and distances (M, k), and distance sums (M, L), in one pass; O(M N D).

    ``points`` (N, D) float64, centred; ``own`` (N,) codes of groups; ``cells`` (M,) the rows wanted.
    """
    rows = np.arange(len(points)) if cells is None else cells
    n_groups = 0 if own is None else int(own.max()) + 1
    indices = np.empty((len(rows), k), dtype=np.int64)
    distances, totals = np.empty((len(rows), k)), np.zeros((len(rows), n_groups))
    if len(points) <= SMALL:
        return *_nearest_exact(points, rows, k), _sums_exact(points, rows, own, n_groups)
    columns = _Columns(points, own, n_groups)

    def work(block: slice) -> None:
        here = rows[block]
        unsure, close = columns.visit(here, k, indices[block], distances[block], totals[block])
        indices[block][unsure], distances[block][unsure] = _nearest_exact(points, here[unsure], k)
        totals[block][close] = _sums_exact(points, here[close], own, n_groups)

    in_blocks(len(rows), ROWS, work)
    return indices, distances, totals


class _Columns:
    """All points as columns in shuffled order, ready for the product that gives squared distances."""

    def __init__(self, points: Floats, own: Ints | None, n_groups: int) -> None:
        n = len(points)
        self.points = points
        self.squares = np.einsum("ij,ij->i", points, points)
        # Shuffled, so that the first few are a sample of all.
        self.order = np.random.default_rng(0).permutation(n)
        shuffled = points[self.order]
        one = np.ones((n, 1))
        self.right = np.hstack([-2 * shuffled, one, self.squares[self.order, None]]).astype(np.float32)
        self.place = np.empty(n, dtype=np.int64)
        self.place[self.order] = np.arange(n)
        self.hot = np.zeros((n, n_groups), dtype=np.float32)
        if n_groups:
            self.hot[np.arange(n), own[self.order]] = 1
            self.counts = np.bincount(own, minlength=n_groups)

    def visit(
        self, rows: Ints, k: int, indices: Ints, distances: Floats, totals: Floats
    ) -> tuple[Ints, Ints]:
        """Fill what is wanted for ``rows``; return which of them are unsure, and which have close groups."""
        squares = self.squares[rows, None]
        left = np.hstack([self.points[rows], squares, np.ones_like(squares)]).astype(np.float32)
        bar = self._bar(left, k)
        found: list[tuple[Ints, Ints, Singles]] = []
        for start in range(0, len(self.order), COLUMNS):
            tile = slice(start, start + COLUMNS)
            rough = left @ self.right[tile].T
            self_row = np.flatnonzero((self.place[rows] >= start) & (self.place[rows] < start + COLUMNS))
            self_at = (self_row, self.place[rows[self_row]] - start)
            if k:
                rough[self_at] = np.inf
                flat = np.flatnonzero((rough < bar).ravel())
                row, column = np.divmod(flat, rough.shape[1])
                found.append((row, self.order[start + column], rough.ravel()[flat]))
            if totals.shape[1]:
                rough[self_at] = 0
                np.sqrt(np.maximum(rough, 0, out=rough), out=rough)
                totals += rough @ self.hot[tile]
        unsure = self._choose(rows, k, bar, found, indices, distances) if k else rows[:0]
        return unsure, self._close(squares, totals)

    def _bar(self, left: Singles, k: int) -> Singles:
        """A squared distance (M, 1) below which some 2.5 times the wanted neighbours should lie."""
        n, width = len(self.order), k + SPARE
        size = max(n // SAMPLE, min(n, 1024))
        rank = int(np.ceil(2.5 * width * size / n))
        if not k or rank >= size:
            return np.full((len(left), 1), np.inf, dtype=np.float32)
        return np.partition(left @ self.right[:size].T, rank, axis=1)[:, rank, None]

    def _choose(
        self,
        rows: Ints,
        k: int,
        bar: Singles,
        found: list[tuple[Ints, Ints, Singles]],
        indices: Ints,
        distances: Floats,
    ) -> Ints:
        """Take the k nearest of the candidates; return the rows where one left out might be nearer."""
        width = min(k + SPARE, len(self.order) - 1)
        candidates, rough, enough = _by_row(len(rows), width, found)
        kept = np.argpartition(rough, width - 1, axis=1)[:, :width]
        border = np.take_along_axis(rough, kept, axis=1).max(axis=1)
        candidates = np.take_along_axis(candidates, kept, axis=1)
        candidates.sort(axis=1)
        exact = differences(self.points, rows, candidates)
        order = np.argsort(exact, axis=1, kind="stable")[:, :k]
        indices[:] = np.take_along_axis(candidates, order, axis=1)
        distances[:] = np.take_along_axis(exact, order, axis=1)
        slack = SLACK * (self.squares[rows] + self.squares.max())
        near_border = np.minimum(border, bar[:, 0]) <= distances[:, -1] ** 2 + slack
        return np.flatnonzero(~enough | (near_border & (width < len(self.order) - 1)))

    def _close(self, squares: Floats, totals: Floats) -> Ints:
        if not totals.shape[1]:
            return np.empty(0, dtype=np.int64)
        length = np.sqrt(squares[:, 0] + self.squares.mean())
        return np.flatnonzero((totals / self.counts).min(axis=1) < CLOSE * length)


def _by_row(
    n: int, width: int, found: list[tuple[Ints, Ints, Singles]]
) -> tuple[Ints, Singles, NDArray[np.bool_]]:
    """Lay ragged candidates out as columns (n, W ≥ width) padded by inf; ``enough`` marks full rows."""
    row, column, value = (np.concatenate(parts) for parts in zip(*found, strict=True))
    order = np.argsort(row, kind="stable")
    count = np.bincount(row, minlength=n)
    within = np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count)
    shape = (n, max(width, int(count.max())))
    columns, values = np.zeros(shape, dtype=np.int64), np.full(shape, np.inf, dtype=np.float32)
    columns[row[order], within], values[row[order], within] = column[order], value[order]
    return columns, values, count >= width


def _nearest_exact(points: Floats, rows: Ints, k: int) -> tuple[Ints, Floats]:
    """Search in float64: the expansion proposes, rows it cannot decide are searched whole."""
    n, squares = len(points), np.einsum("ij,ij->i", points, points)
    indices, distances = np.empty((len(rows), k), dtype=np.int64), np.empty((len(rows), k))
    if not k:
        return indices, distances
    width = min(n - 1, k + SPARE)
    step = max(1, BLOCK_BYTES // (8 * max(n, (k + SPARE) * points.shape[1])))
    for start in range(0, len(rows), step):
        block = slice(start, start + step)
        here = rows[block]
        rough = _expansion(points, squares, here)
        rough[np.arange(len(here)), here] = np.inf
        candidates = np.argpartition(rough, width - 1, axis=1)[:, :width]
        candidates.sort(axis=1)
        exact = differences(points, here, candidates)
        order = np.argsort(exact, axis=1, kind="stable")[:, :k]
        indices[block] = np.take_along_axis(candidates, order, axis=1)
        distances[block] = np.take_along_axis(exact, order, axis=1)
        if width == n - 1:
            continue
        border = np.take_along_axis(rough, candidates, axis=1).max(axis=1)
        slack = 1e-13 * points.shape[1] * (squares[here] + squares.max())
        reach = distances[block][:, -1] ** 2 + 2 * slack
        for i in np.flatnonzero(border <= reach):
            near = np.flatnonzero(rough[i] <= reach[i])
            exact_row = differences(points, here[i : i + 1], near[None])[0]
            chosen = np.argsort(exact_row, kind="stable")[:k]
            indices[start + i], distances[start + i] = near[chosen], exact_row[chosen]
    return indices, distances


def _sums_exact(points: Floats, rows: Ints, own: Ints | None, n_groups: int) -> Floats:
    totals = np.zeros((len(rows), n_groups))
    if own is None:
        return totals
    hot = np.zeros((len(points), n_groups))
    hot[np.arange(len(points)), own] = 1
    step = max(1, BLOCK_BYTES // (8 * len(points)))
    for start in range(0, len(rows), step):
        totals[start : start + step] = _distances(points, rows[start : start + step]) @ hot
    return totals


def _distances(points: Floats, rows: Ints) -> Floats:
    if points.shape[1] < WIDE or len(points) <= SMALL:
        return cdist(points[rows], points)
    rough = _expansion(points, np.einsum("ij,ij->i", points, points), rows)
    rough[np.arange(len(rows)), rows] = 0.0
    return np.sqrt(np.maximum(rough, 0.0, out=rough), out=rough)


def _expansion(points: Floats, squares: Floats, rows: Ints) -> Floats:
    rough = points[rows] @ points.T
    rough *= -2.0
    rough += squares
    rough += squares[rows, None]
    return rough


def differences(points: Floats, rows: Ints, columns: Ints) -> Floats:
    """Distances (M, W) of each of ``rows`` (M,) to its own ``columns`` (M, W), coordinate by coordinate."""
    distances = np.empty(columns.shape)
    step = max(1, 2**20 // (columns.shape[1] * points.shape[1]))  # fits a cache
    for start in range(0, len(rows), step):
        block = slice(start, start + step)
        apart = points[columns[block]]
        apart -= points[rows[block], None]
        distances[block] = np.sqrt(np.einsum("...d,...d->...", apart, apart))
    return distances
