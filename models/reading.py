"""What the engine reads of an AnnData: counts, units, organisms, the data sets of a corpus."""

import numpy as np
import scipy.sparse as sp
from anndata import AnnData

from contract.errors import UserError
from models.transformer.counts import Counts


def counts_of(cells: AnnData) -> Counts:
    """The counts of an AnnData, refused when they are not whole numbers from 0 on."""
    matrix = sp.csr_matrix(cells.X)
    if not (np.isfinite(matrix.data) & (matrix.data >= 0) & (matrix.data == np.rint(matrix.data))).all():
        raise UserError("X", found="values that are not counts", expected="whole numbers from 0 on")
    totals = np.asarray(cells.obs["total_counts"], dtype=np.float64)
    return Counts(data=matrix.data, indices=matrix.indices, indptr=matrix.indptr, totals=totals)


def units_of(cells: AnnData) -> np.ndarray:
    """Donor of each cell, or its batch where no donor is known; text (N,)."""
    donor, batch = (cells.obs[key].astype(str).to_numpy(dtype="U") for key in ("donor", "batch"))
    return np.where(donor != "", np.char.add("donor:", donor), np.char.add("batch:", batch))


def organisms_of(cells: AnnData) -> set[str]:
    """Organisms of the cells, as far as they are known."""
    return set(cells.obs["organism"].astype(str)) - {""}


def datasets_of(cells: AnnData) -> list[str] | None:
    """Ids of the data sets of a corpus, or nothing where they are not written down."""
    if "dataset" in cells.obs:
        return sorted(set(cells.obs["dataset"].astype(str)))
    return [str(cells.uns["dataset"])] if "dataset" in cells.uns else None
