"""From counts to log-normalised values, alike for every baseline."""

import anndata as ad
import numpy as np
import scipy.sparse as sp

from contract.errors import NotApplicable

TARGET = 1e4
LEAST_SHARED = 0.1


def log_normalised(cells: ad.AnnData) -> sp.csr_matrix:
    """``log1p(counts / total · 10⁴)``, float64 CSR (N, G).

    The total is ``obs["total_counts"]``, that of the whole cell; where it is unknown, the sum
    over the genes that are there. A cell without counts stays all zero.
    """
    counts = sp.csr_matrix(cells.X, dtype=np.float64, copy=True)
    summed = np.asarray(counts.sum(axis=1)).ravel()
    known = np.asarray(cells.obs["total_counts"], dtype=np.float64)
    total = np.where(np.isfinite(known) & (known > 0), known, summed)
    scale = np.divide(TARGET, total, out=np.zeros_like(total), where=total > 0)
    counts.data *= np.repeat(scale, np.diff(counts.indptr))
    np.log1p(counts.data, out=counts.data)
    return counts


def find_genes(cells: ad.AnnData, genes: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Where fitted ``genes`` are: positions among ``genes``, and their columns in ``cells``.

    Raises
    ------
    NotApplicable
        If the cells have less than a tenth of them.
    """
    columns = cells.var_names.get_indexer(genes)
    there = np.flatnonzero(columns >= 0)
    if len(there) < max(1, LEAST_SHARED * len(genes)):
        raise NotApplicable(f"the cells have {len(there)} of the {len(genes)} genes that it was fitted on")
    return there, columns[there]
