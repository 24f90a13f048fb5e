"""An h5ad of counts that is written, and read again, a block of rows at a time."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import anndata as ad
import numpy as np
import pandas as pd
from scipy import sparse

from atlas.disk import new_h5
from atlas.stored import open_stored

CHUNK = 1 << 16
"""Values in one piece of the file."""


class CountsFile:
    """An h5ad in the making: append CSR blocks of float32 counts, then ``close`` with all that names them.

    The same blocks, in pieces of whatever size, give the same bytes. Memory of one block.
    """

    def __init__(self, path: Path) -> None:
        self._closing = ExitStack()
        self._file, self._raw = self._closing.enter_context(new_h5(path))
        ad.io.write_elem(self._file, "/", ad.AnnData())
        for name in ("X", "obs", "var"):
            if name in self._file:
                del self._file[name]
        self._x = self._file.create_group("X")
        growing = {"maxshape": (None,), "chunks": (CHUNK,)}
        self._data = self._x.create_dataset("data", shape=(0,), dtype=np.float32, **growing)
        self._indices = self._x.create_dataset("indices", shape=(0,), dtype=np.int32, **growing)
        self._ends = [np.zeros(1, dtype=np.int64)]
        self._stored = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._closing.close()

    def append(self, counts: sparse.csr_matrix) -> None:
        """Add rows at the end."""
        start, self._stored = self._stored, self._stored + counts.nnz
        for dataset, values in ((self._data, counts.data), (self._indices, counts.indices)):
            dataset.resize((self._stored,))
            dataset[start:] = values
        self._ends.append(start + np.asarray(counts.indptr[1:], dtype=np.int64))
        self._raw.check()

    def finish(self, *, obs: pd.DataFrame, var: pd.DataFrame, uns: Mapping[str, Any]) -> None:
        """Write what names the rows and columns; only then is the file whole."""
        self._x.create_dataset("indptr", data=np.concatenate(self._ends))
        shape = {"shape": np.array([len(obs), len(var)])}
        self._x.attrs.update({"encoding-type": "csr_matrix", "encoding-version": "0.1.0", **shape})
        for name, value in (("obs", obs), ("var", var), ("uns", dict(uns))):
            ad.io.write_elem(self._file, name, value)


def write_cells(cells: ad.AnnData, path: Path) -> None:
    """Write cells that are in memory, texts as they are."""
    with new_h5(path) as (file, _):
        ad.io.write_elem(file, "/", cells)


def counts_of(path: Path) -> Iterator[sparse.csr_matrix]:
    """Yield the counts of a file of ours in blocks of rows."""
    with open_stored(path, where=str(path)) as stored:
        for _, _, block in stored.matrices["X"].blocks():
            yield block
