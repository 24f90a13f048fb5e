"""Candidates for the nearest neighbours of some rows, out of squared distances in float32 tile by tile."""

from threading import Lock

import numpy as np
from numpy.typing import NDArray

from metrics.checks import Ints, Singles

MANY = 2.5  # times the wanted number should pass the bar: a margin for its being drawn from a sample
PRUNE = 8  # times the wanted number are kept before the best of them are picked out
EMPTY = np.uint64(2**64 - 1)
HALF, LOW = np.uint64(32), np.uint64(2**32 - 1)
Keys = NDArray[np.uint64]


class Candidates:
    """The cells below a bar; squared distance and name share one integer, so that both are sorted as one.

    Which are chosen does not depend on the order in which tiles, or threads, come.
    """

    def __init__(self, *, rows: int, width: int) -> None:
        """Look for the ``width`` nearest of each of so many rows."""
        self.width = width
        self.bar = np.full(rows, np.inf, dtype=np.float32)
        self._found: list[tuple[NDArray[np.uint16], Keys]] = []
        self._lock, self._held, self._in_order = Lock(), 0, False

    def set_bar(self, rows: slice, rough: Singles, *, share: float) -> None:
        """Set the bar of ``rows`` by squared distances (M, T) to a random ``share`` of all cells."""
        rank = int(np.ceil(MANY * self.width * share))
        if rank < rough.shape[1]:
            self.bar[rows] = np.partition(rough, rank, axis=1)[:, rank]

    def look(self, first: int, rough: Singles, names: Ints) -> None:
        """See squared distances (M, T) of the rows from ``first`` on to the cells ``names`` (T,)."""
        bar = self.bar[first : first + len(rough), None]
        place = np.flatnonzero(rough <= bar)
        row = place // rough.shape[1]
        self._keep(row + first, rough.ravel()[place], names[place - row * rough.shape[1]])

    def look_across(self, rough: Singles, names: Ints) -> None:
        """See the same the other way round: of the cells ``names`` (M,) to all rows (M, T)."""
        place = np.flatnonzero(rough <= self.bar)
        name = place // rough.shape[1]
        self._keep(place - name * rough.shape[1], rough.ravel()[place], names[name])

    def _keep(self, row: Ints, value: Singles, name: Ints) -> None:
        bits = np.maximum(value, 0).view(np.uint32)  # below 0 by rounding only
        keys = bits.astype(np.uint64) << HALF | name.astype(np.uint64)
        with self._lock:
            self._found.append((row.astype(np.uint16), keys))
            self._held, self._in_order = self._held + len(keys), False
            if self._held > PRUNE * self.width * len(self.bar):
                self._prune()

    def _prune(self) -> None:
        """Forget all but the best: where many cells lie on one point, all of them pass any bar."""
        chosen = self._chosen(slice(0, len(self.bar)))[0]
        row, place = np.nonzero(chosen != EMPTY)
        self._found = [(row.astype(np.uint16), chosen[row, place])]
        self._held = len(row)

    def best(self, rows: slice) -> tuple[Ints, Singles]:
        """Names (M, width), rising, and the squared distance (M,) below which none was left out."""
        chosen, count = self._chosen(rows)
        last = (chosen[:, -1] >> HALF).astype(np.uint32).view(np.float32)
        border = np.where(count >= self.width, np.minimum(last, self.bar[rows]), -np.inf)
        return np.sort((chosen & LOW).astype(np.int64), axis=1), border

    def _chosen(self, rows: slice) -> tuple[Keys, Ints]:
        """The ``width`` smallest keys of each of ``rows``, padded by ``EMPTY``, and how many were found."""
        row, key = self._of(rows)
        count = np.bincount(row, minlength=rows.stop - rows.start)
        within = np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count)
        table = np.full((len(count), max(self.width, count.max())), EMPTY)
        table[row, within] = key
        return np.partition(table, self.width - 1, axis=1)[:, : self.width], count

    def _of(self, rows: slice) -> tuple[Ints, Keys]:
        self._sort()
        row, key = self._found[0]
        inside = slice(*np.searchsorted(row, [rows.start, rows.stop]))
        return row[inside].astype(np.int64) - rows.start, key[inside]

    def _sort(self) -> None:
        if self._in_order:
            return
        row, key = (np.concatenate(parts) for parts in zip(*self._found, strict=True))
        order = np.argsort(row, kind="stable")  # 16 bits are sorted by radix
        self._found, self._in_order = [(row[order], key[order])], True
