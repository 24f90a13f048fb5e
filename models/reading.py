"""What the engine reads of an AnnData: counts, units, organisms, the data sets of a corpus."""

from dataclasses import dataclass
from typing import Any

import anndata as ad
import h5py
import numpy as np
import scipy.sparse as sp

from contract.errors import UserError
from models.cells_file import Cells, CellsFile
from models.transformer.counts import Counts, Reader


def counts_of(cells: Cells) -> Reader:
    """The counts of some cells; those of a file are read when they are asked for."""
    totals = np.asarray(cells.obs["total_counts"], dtype=np.float64)
    if isinstance(cells, CellsFile):
        stored = ad.io.sparse_dataset(h5py.File(cells.path, "r")["X"])  # open as long as the reader lives
        return FileCounts(stored, cells.rows, totals)
    return _checked(sp.csr_matrix(cells.X), totals)


@dataclass(frozen=True, slots=True, eq=False)
class FileCounts:
    """N cells of a file as a reader: ``rows`` (N), ascending, of what is ``stored`` (a ``CSRDataset``)."""

    stored: Any
    rows: np.ndarray
    totals: np.ndarray

    def __len__(self) -> int:
        return len(self.totals)

    def take(self, rows: np.ndarray) -> Counts:
        """The given rows, in the given order; neighbours are read in one piece, each row once."""
        distinct, where = np.unique(np.asarray(rows, dtype=np.int64), return_inverse=True)
        wanted = self.rows[distinct]
        runs = np.split(wanted, np.flatnonzero(np.diff(wanted) > 1) + 1)
        matrix = sp.vstack([self._read(run) for run in runs], format="csr")
        counts = _checked(matrix, self.totals[distinct])
        return counts if np.array_equal(where, np.arange(len(distinct))) else counts.take(where)

    def _read(self, run: np.ndarray) -> sp.csr_matrix:
        return self.stored[int(run[0]) : int(run[-1]) + 1] if len(run) else self.stored[:0]


def _checked(matrix: sp.csr_matrix, totals: np.ndarray) -> Counts:
    """The rows as the engine reads them, refused when they are not whole numbers from 0 on."""
    if not (np.isfinite(matrix.data) & (matrix.data >= 0) & (matrix.data == np.rint(matrix.data))).all():
        raise UserError("X", found="values that are not counts", expected="whole numbers from 0 on")
    return Counts(data=matrix.data, indices=matrix.indices, indptr=matrix.indptr, totals=totals)


def units_of(cells: Cells) -> np.ndarray:
    """Donor of each cell, or its batch where no donor is known; text (N,), one object a unit."""
    donor, batch = (cells.obs[key].astype("category").array for key in ("donor", "batch"))
    of_donor, of_batch = (
        np.array([f"{key}:{name}" for name in column.categories], dtype=object)[column.codes]
        for key, column in (("donor", donor), ("batch", batch))
    )
    return np.where(donor == "", of_batch, of_donor)


def organisms_of(cells: Cells) -> set[str]:
    """Organisms of the cells, as far as they are known."""
    return set(cells.obs["organism"].unique()) - {""}


def gene_organisms_of(cells: Cells) -> set[str]:
    """Organisms whose ids name the genes: those of the cells, unless they are named by their orthologues."""
    named = cells.uns.get("genes_of")
    return organisms_of(cells) if named is None else {str(named)}


def datasets_of(cells: Cells) -> list[str] | None:
    """Ids of the data sets of a corpus, or nothing where they are not written down."""
    if "dataset" in cells.obs:
        return sorted(cells.obs["dataset"].unique())
    return [str(cells.uns["dataset"])] if "dataset" in cells.uns else None
