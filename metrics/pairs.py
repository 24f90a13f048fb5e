"""One blocked pass over all pairs of cells: nearest neighbours, and sums of distances by group.

Single precision proposes, double precision decides: the expansion |x|² + |y|² - 2xy in float32
is four times faster than differences, but loses digits. Neighbours are therefore chosen among
candidates by differences in float64, and rows for which digits could matter are done again in float64.
"""

import numpy as np
from numpy.typing import NDArray

from metrics import gpu
from metrics.checks import Floats, Ints, Singles
from metrics.pairs_exact import differences, nearest_exact, sums_exact
from metrics.threads import in_blocks

SMALL = 1024  # so few cells are done in float64 throughout
ROWS, COLUMNS = 256, 4096  # of one step: what stays in a cache is several times faster
SPARE = 4  # candidates beyond k
SAMPLE = 16  # one column in so many sets the bar for candidates
SLACK = 3e-7  # of |x|² + |y|²: more than rounding in float32 can move a squared distance
CLOSE = 0.1  # a mean distance below this share of a vector's length is summed in float64


def nearest(points: Floats | Singles, k: int) -> tuple[Ints, Floats]:
    """Indices and distances (N, k) of the nearest others of centred points (N, D), ties by index.

    Points in float32 are decided in float32.
    """
    indices, distances, _ = scan(points, k=k)
    return indices, distances


def sums(points: Floats, own: Ints, *, cells: Ints | None = None) -> Floats:
    """Sums (M, L) of the distances of M cells (all unless given) to the cells of each of L groups."""
    return scan(points, own=own, cells=cells)[2]


def scan(
    points: Floats, *, k: int = 0, own: Ints | None = None, cells: Ints | None = None
) -> tuple[Ints, Floats, Floats]:
    """Neighbours' indices and distances (M, k), and distance sums (M, L), in one pass; O(M N D).

    On a GPU where there is one and the cells are many.

    ``points`` (N, D) float64, centred; ``own`` (N,) codes of groups; ``cells`` (M,) the rows wanted.
    """
    rows = np.arange(len(points)) if cells is None else cells
    n_groups = 0 if own is None else int(own.max()) + 1
    if len(points) >= gpu.FROM and gpu.device():
        return gpu.scan_on(gpu.device(), points, k=k, own=own, n_groups=n_groups, cells=rows)
    if len(points) <= max(SMALL, 2 * (k + SPARE)):
        return *nearest_exact(points, rows, k), sums_exact(points, rows, own, n_groups)
    indices = np.empty((len(rows), k), dtype=np.int64)
    distances, totals = np.empty((len(rows), k)), np.zeros((len(rows), n_groups))
    columns = _Columns(points, own, n_groups)

    def work(block: slice) -> None:
        here = rows[block]
        unsure, close = columns.visit(here, k, indices[block], distances[block], totals[block])
        if len(unsure):
            indices[block][unsure], distances[block][unsure] = nearest_exact(points, here[unsure], k)
        if len(close):
            totals[block][close] = sums_exact(points, here[close], own, n_groups)

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
        one = np.ones((n, 1))
        shuffled = np.hstack([-2 * points[self.order], one, self.squares[self.order, None]])
        self.right = shuffled.astype(np.float32)
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
        search = _Search(left, self.right, k) if k else None
        store = np.empty((len(rows), COLUMNS), dtype=np.float32)
        for start in range(0, len(self.order), COLUMNS):
            tile = slice(start, min(start + COLUMNS, len(self.order)))
            rough = np.matmul(left, self.right[tile].T, out=store[:, : tile.stop - start])
            here = np.flatnonzero((self.place[rows] >= start) & (self.place[rows] < tile.stop))
            itself = (here, self.place[rows[here]] - start)
            if search:
                rough[itself] = np.inf
                search.look(rough, self.order[tile])
            if totals.shape[1]:
                rough[itself] = 0
                np.sqrt(np.abs(rough, out=rough), out=rough)  # below 0 by rounding only
                totals += rough @ self.hot[tile]
        unsure = self._decide(rows, search, indices, distances) if search else rows[:0]
        return unsure, self._close(squares, totals)

    def _decide(self, rows: Ints, search: "_Search", indices: Ints, distances: Floats) -> Ints:
        """Take the k nearest of the candidates; return the rows where one left out might be nearer."""
        candidates, border = search.candidates()
        exact = differences(self.points, rows, candidates)
        order = np.argsort(exact, axis=1, kind="stable")[:, : indices.shape[1]]
        indices[:] = np.take_along_axis(candidates, order, axis=1)
        distances[:] = np.take_along_axis(exact, order, axis=1)
        reach, length = distances[:, -1], np.sqrt(self.squares[rows])
        # What is nearer than the last neighbour cannot be longer than this cell by more than that.
        slack = SLACK * (length**2 + (length + reach) ** 2)
        return np.flatnonzero(border <= reach**2 + slack)

    def _close(self, squares: Floats, totals: Floats) -> Ints:
        if not totals.shape[1]:
            return np.empty(0, dtype=np.int64)
        length = np.sqrt(squares[:, 0] + self.squares.mean())
        return np.flatnonzero((totals / self.counts).min(axis=1) < CLOSE * length)


class _Search:
    """Candidates of some rows: the cells below a bar that some 2.5 times the wanted number should pass."""

    def __init__(self, left: Singles, right: Singles, k: int) -> None:
        self.width = k + SPARE
        self.found: list[tuple[Ints, Ints, Singles]] = []
        self.whole = len(right) <= COLUMNS  # one tile holds all: no bar is needed
        self.bar = np.full((len(left), 1), np.inf, dtype=np.float32)
        size = max(len(right) // SAMPLE, 1024)
        rank = int(np.ceil(2.5 * self.width * size / len(right)))
        if not self.whole and rank < size:
            self.bar = np.partition(left @ right[:size].T, rank, axis=1)[:, rank, None]

    def look(self, rough: Singles, names: Ints) -> None:
        """Keep what lies below the bar of the squared distances ``rough`` (M, T) to the cells ``names``."""
        if self.whole:
            column = np.argpartition(rough, self.width - 1, axis=1)[:, : self.width].ravel()
            row = np.repeat(np.arange(len(rough)), self.width)
        else:
            row, column = np.divmod(np.flatnonzero(rough < self.bar), rough.shape[1])
        self.found.append((row, names[column], rough[row, column]))

    def candidates(self) -> tuple[Ints, Singles]:
        """The ``width`` best (M, width), and the squared distance (M,) below which none was left out."""
        columns, rough, enough = _by_row(len(self.bar), self.width, self.found)
        kept = np.argpartition(rough, self.width - 1, axis=1)[:, : self.width]
        border = np.take_along_axis(rough, kept, axis=1).max(axis=1)
        candidates = np.take_along_axis(columns, kept, axis=1)
        candidates.sort(axis=1)
        return candidates, np.where(enough, np.minimum(border, self.bar[:, 0]), -np.inf)


def _by_row(
    n: int, width: int, found: list[tuple[Ints, Ints, Singles]]
) -> tuple[Ints, Singles, NDArray[np.bool_]]:
    """Lay ragged candidates out as columns (n, W ≥ width) padded by inf; ``enough`` marks full rows."""
    row, column, value = (np.concatenate(parts) for parts in zip(*found, strict=True))
    order = np.argsort(row.astype(np.uint16), kind="stable")  # 16 bits are sorted by radix
    count = np.bincount(row, minlength=n)
    within = np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count)
    shape = (n, max(width, int(count.max())))
    columns, values = np.zeros(shape, dtype=np.int64), np.full(shape, np.inf, dtype=np.float32)
    columns[row[order], within], values[row[order], within] = column[order], value[order]
    return columns, values, count >= width
