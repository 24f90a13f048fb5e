"""Compressed rows of counts: the only form in which cells enter the engine."""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

TYPE, BATCH = 0, 1
BLOCK_CELLS = 2048


@dataclass(frozen=True, slots=True, eq=False)
class Counts:
    """N cells × G genes as CSR arrays: ``data`` and ``indices`` (non-zeros), ``indptr`` (N + 1).

    ``totals`` (N): counts of the whole cell, before any gene was left out; NaN where that is
    unknown. Explicitly stored zeros are allowed; every reader of counts leaves them out.
    ``marks`` int64 (N, 2), only in training and only where an objective asks for them: the number
    of each cell's type and batch, −1 where unknown.
    """

    data: np.ndarray
    indices: np.ndarray
    indptr: np.ndarray
    totals: np.ndarray
    marks: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.indptr) - 1

    @property
    def rows(self) -> np.ndarray:
        """Row of each stored value, int64."""
        return np.repeat(np.arange(len(self)), np.diff(self.indptr))

    def take(self, rows: np.ndarray) -> "Counts":
        """The given rows, in the given order."""
        starts = self.indptr[rows].astype(np.int64)
        lengths = self.indptr[np.asarray(rows) + 1] - starts
        indptr = offsets_of(lengths)
        where = np.arange(indptr[-1]) + np.repeat(starts - indptr[:-1], lengths)
        return Counts(
            data=self.data[where],
            indices=self.indices[where],
            indptr=indptr,
            totals=self.totals[rows],
            marks=None if self.marks is None else self.marks[rows],
        )


class Reader(Protocol):
    """Anything that can hand out rows: ``Counts`` itself, or a reader backed by a file.

    Who reads a whole corpus asks for ascending rows, a few thousand at a time, so that memory
    does not depend on its size.
    """

    def __len__(self) -> int: ...

    def take(self, rows: np.ndarray) -> Counts:
        """The given rows, in the given order."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Marked:
    """A reader whose cells bear ``marks`` (N, 2), as those of ``Counts``."""

    reader: Reader
    marks: np.ndarray

    def __len__(self) -> int:
        return len(self.reader)

    def take(self, rows: np.ndarray) -> Counts:
        """The given rows, in the given order, with their marks."""
        return dataclasses.replace(self.reader.take(rows), marks=self.marks[rows])


@dataclass(frozen=True, slots=True, eq=False)
class Chosen:
    """Some ``rows`` of a reader, as a reader of its own; nothing is read before it is asked for."""

    reader: Reader
    rows: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, rows: np.ndarray) -> Counts:
        """The given rows of the chosen ones, in the given order."""
        return self.reader.take(self.rows[rows])


def blocks(reader: Reader) -> Iterator[tuple[np.ndarray, Counts]]:
    """Yield row numbers and their counts, 2,048 cells at a time, from first to last."""
    for start in range(0, len(reader), BLOCK_CELLS):
        rows = np.arange(start, min(start + BLOCK_CELLS, len(reader)))
        yield rows, reader.take(rows)


def offsets_of(lengths: np.ndarray) -> np.ndarray:
    """Offsets (N + 1) of ragged rows with the given lengths (N)."""
    return np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
