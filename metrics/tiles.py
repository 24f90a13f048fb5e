"""All pairs of cells in float32, tile by tile; each pair is computed once where both its cells are rows."""

import numpy as np

from metrics.candidates import Candidates
from metrics.checks import Floats, Ints, Singles
from metrics.pairs_exact import CLOSE, SLACK, differences, nearest_exact, sums_exact
from metrics.threads import in_blocks

BLOCK, STEP = 2048, 256  # cells of a tile, and rows of it at a time: what stays in a cache is faster
CANDIDATES = 4  # beyond k
SAMPLE = 16  # one cell in so many sets the bar for candidates


class Tiles:
    """Rows and columns in the order of their groups, so that like cells lie close in memory.

    Results are the same to the last bit on any number of cores: no two tiles add to the same number.
    """

    def __init__(
        self, points: Floats, cells: Ints | None, *, k: int, own: Ints | None, n_groups: int
    ) -> None:
        """Take centred points (N, D), the rows wanted (all: None), and codes of groups (N,)."""
        n = len(points)
        self.points, self.k, self.own, self.n_groups = points, k, own, n_groups
        code = np.zeros(n, dtype=np.int64) if own is None else own
        self.squares = np.einsum("ij,ij->i", points, points)
        self.columns = np.argsort(code, kind="stable")
        self.mirrored = cells is None
        self.in_turn = self.columns if cells is None else np.argsort(code[cells], kind="stable")
        self.rows = self.columns if cells is None else cells[self.in_turn]
        place = np.empty(n, dtype=np.int64)
        place[self.columns] = np.arange(n)
        self.place = place[self.rows]
        one = np.ones((n, 1))
        right = np.hstack([-2 * points, one, self.squares[:, None]]).astype(np.float32)
        chosen = np.random.default_rng(0).permutation(n)[: max(n // SAMPLE, 1024)]
        self.right, self.sample = right[self.columns], right[chosen]
        left = np.hstack([points, self.squares[:, None], one]).astype(np.float32)
        self.left = left[self.rows]
        self.counts = np.bincount(code)
        starts = np.cumsum(self.counts) - self.counts
        # Sums are kept apart by group and block: each is written by one tile alone.
        self.cuts = np.unique(np.concatenate([starts, np.arange(0, n, BLOCK), [n]]))
        self.first_part = np.searchsorted(self.cuts, starts)
        self.ones = np.ones(BLOCK, dtype=np.float32)

    def scan(self) -> tuple[Ints, Floats, Floats]:
        """Neighbours' indices and distances (M, k), and distance sums (M, L)."""
        n, m = len(self.columns), len(self.rows)
        self.found = [
            Candidates(rows=min(BLOCK, m - start), width=self.k + CANDIDATES) for start in range(0, m, BLOCK)
        ]
        self.parts = np.zeros((m, len(self.cuts) - 1 if self.n_groups else 0))
        if self.k:
            in_blocks(m, STEP, self._set_bar)
        tiles = [
            (row, column)
            for row in range(0, m, BLOCK)
            for column in range(row if self.mirrored else 0, n, BLOCK)
        ]
        in_blocks(len(tiles), 1, lambda turn: self._visit(*tiles[turn.start]))
        self.indices = np.empty((m, self.k), dtype=np.int64)
        self.distances, self.totals = np.empty((m, self.k)), np.empty((m, self.n_groups))
        in_blocks(m, BLOCK, self._decide_block)
        return self.indices, self.distances, self.totals

    def _set_bar(self, rows: slice) -> None:
        at = rows.start % BLOCK
        rough, share = self.left[rows] @ self.sample.T, len(self.sample) / len(self.columns)
        self.found[rows.start // BLOCK].set_bar(slice(at, at + len(rough)), rough, share=share)

    def _visit(self, first_row: int, first_column: int) -> None:
        """Look at one tile, and at its mirror image where that is another one."""
        columns = slice(first_column, min(first_column + BLOCK, len(self.columns)))
        across = self.mirrored and first_row != first_column
        last_row, width = min(first_row + BLOCK, len(self.rows)), columns.stop - columns.start
        store = np.empty((STEP, width), dtype=np.float32)
        for start in range(first_row, last_row, STEP):
            rows = slice(start, min(start + STEP, last_row))
            rough = store[: rows.stop - rows.start]
            np.matmul(self.left[rows], self.right[columns].T, out=rough)
            place = self.place[rows] - first_column
            here = np.flatnonzero((place >= 0) & (place < width))
            if self.k:
                rough[here, place[here]] = np.inf
                self.found[first_row // BLOCK].look(start - first_row, rough, self.columns[columns])
                if across:
                    self.found[first_column // BLOCK].look_across(rough, self.rows[rows])
            if self.n_groups:
                rough[here, place[here]] = 0
                np.sqrt(np.abs(rough, out=rough), out=rough)  # below 0 by rounding only
                self._add(rows, columns, rough, across)

    def _add(self, rows: slice, columns: slice, apart: Singles, across: bool) -> None:
        """Add distances (M, T) to the parts of the sums of rows and, ``across``, of columns."""
        for part, inside in self._parts(columns):
            self.parts[rows, part] = apart[:, inside] @ self.ones[: inside.stop - inside.start]
        for part, inside in self._parts(rows) if across else ():
            self.parts[columns, part] += self.ones[: inside.stop - inside.start] @ apart[inside]

    def _parts(self, cells: slice) -> list[tuple[int, slice]]:
        """Parts that overlap ``cells``, each with where it lies within them."""
        first = np.searchsorted(self.cuts, cells.start, side="right") - 1
        last = np.searchsorted(self.cuts, cells.stop)
        edges = np.clip(self.cuts[first : last + 1], cells.start, cells.stop) - cells.start
        return [(first + i, slice(edges[i], edges[i + 1])) for i in range(last - first)]

    def _decide_block(self, block: slice) -> None:
        for start in range(block.start, block.stop, STEP):
            rows = slice(start, min(start + STEP, block.stop))
            if self.k:
                self._decide(rows, self.found[block.start // BLOCK], block.start)
            if self.n_groups:
                self._sum(rows)

    def _decide(self, rows: slice, found: Candidates, first: int) -> None:
        """Take the k nearest of the candidates; search whole where one left out might be nearer."""
        cells, at = self.rows[rows], self.in_turn[rows]
        candidates, border = found.best(slice(rows.start - first, rows.stop - first))
        exact = differences(self.points, cells, candidates)
        order = np.argsort(exact, axis=1, kind="stable")[:, : self.k]
        distances = np.take_along_axis(exact, order, axis=1)
        self.indices[at], self.distances[at] = np.take_along_axis(candidates, order, axis=1), distances
        reach, length = distances[:, -1], np.sqrt(self.squares[cells])
        # What is nearer than the last neighbour cannot be longer than this cell by more than that.
        slack = SLACK * (length**2 + (length + reach) ** 2)
        unsure = np.flatnonzero(border <= reach**2 + slack)
        if len(unsure):
            again = nearest_exact(self.points, cells[unsure], self.k)
            self.indices[at[unsure]], self.distances[at[unsure]] = again

    def _sum(self, rows: slice) -> None:
        """Join the parts of each sum; sum anew in float64 where a group is close."""
        cells, at = self.rows[rows], self.in_turn[rows]
        totals = np.add.reduceat(self.parts[rows], self.first_part, axis=1)
        length = np.sqrt(self.squares[cells] + self.squares.mean())
        close = np.flatnonzero((totals / self.counts).min(axis=1) < CLOSE * length)
        if len(close):
            totals[close] = sums_exact(self.points, cells[close], self.own, self.n_groups)
        self.totals[at] = totals
