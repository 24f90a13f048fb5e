"""What the engine reads of an AnnData: counts, units, organisms, the data sets of a corpus."""

from dataclasses import dataclass

import h5py
import numpy as np

from contract.errors import UserError
from models.cells_file import Cells, CellsFile
from models.h5ad import read_rows
from models.transformer.counts import Counts, Reader

PIECE = 1 << 20


def counts_of(cells: Cells) -> Reader:
    """The counts of some cells; those of a file are read when they are asked for."""
    totals = np.asarray(cells.obs["total_counts"], dtype=np.float64)
    if isinstance(cells, CellsFile):
        stored = h5py.File(cells.path, "r")["X"]  # open as long as the reader lives
        return FileCounts(stored, cells.ends[cells.rows], cells.ends[cells.rows + 1], totals)
    from scipy import sparse

    matrix = sparse.csr_matrix(cells.X)
    return _checked(Counts(matrix.data, matrix.indices, matrix.indptr, totals))


@dataclass(frozen=True, slots=True, eq=False)
class FileCounts:
    """N cells of a CSR matrix in a file as a reader: from ``starts`` to ``stops`` (N), ascending."""

    stored: h5py.Group
    starts: np.ndarray
    stops: np.ndarray
    totals: np.ndarray

    def __len__(self) -> int:
        return len(self.totals)

    def take(self, rows: np.ndarray) -> Counts:
        """The given rows, in the given order; neighbours are read in one piece, each row once."""
        distinct, where = np.unique(np.asarray(rows, dtype=np.int64), return_inverse=True)
        arrays = read_rows(self.stored, self.starts[distinct], self.stops[distinct])
        counts = _checked(Counts(*arrays, self.totals[distinct]))
        return counts if np.array_equal(where, np.arange(len(distinct))) else counts.take(where)


def _checked(counts: Counts) -> Counts:
    """The rows as the engine reads them, refused when they are not whole numbers from 0 on."""
    for start in range(0, len(counts.data), PIECE):
        piece = counts.data[start : start + PIECE]
        if not (np.isfinite(piece) & (piece >= 0) & (piece == np.rint(piece))).all():
            raise UserError("X", found="values that are not counts", expected="whole numbers from 0 on")
    return counts


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
