"""Values of genes put aside on disk, so that those of a gene can be looked at together, however many."""

import tempfile
from collections.abc import Iterator
from typing import Self

import numpy as np

from models.transformer.counts import offsets_of

ENTRY = np.dtype([("gene", "<i4"), ("value", "<f8")])
IN_MEMORY = 2**25


class Spill:
    """Values come a block of cells at a time and go a share of the genes at a time.

    Gene g is of share g modulo ``shares``, which parts the much expressed ones evenly. 12 bytes a
    value, in memory up to 32 MiB, then in a temporary file.
    """

    def __init__(self, shares: int) -> None:
        self.shares = shares
        self._file = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115 - closed by __exit__
        self._pieces: list[tuple[int, np.ndarray]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def add(self, genes: np.ndarray, values: np.ndarray) -> None:
        """Put aside the values (n,) of genes (n,)."""
        share = genes % self.shares
        order = np.argsort(share, kind="stable")
        entries = np.empty(len(genes), dtype=ENTRY)
        entries["gene"], entries["value"] = genes[order], values[order]
        self._pieces.append((self._file.tell(), offsets_of(np.bincount(share, minlength=self.shares))))
        self._file.write(entries.tobytes())

    def taken(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield genes and values of each share, each gene whole, in the order in which they came."""
        for share in range(self.shares):
            parts = [self._read(start, ends[share], ends[share + 1]) for start, ends in self._pieces]
            entries = np.concatenate([np.empty(0, dtype=ENTRY), *parts])
            yield entries["gene"].astype(np.int64), np.ascontiguousarray(entries["value"])

    def _read(self, start: int, low: int, high: int) -> np.ndarray:
        self._file.seek(start + int(low) * ENTRY.itemsize)
        return np.frombuffer(self._file.read(int(high - low) * ENTRY.itemsize), dtype=ENTRY)
