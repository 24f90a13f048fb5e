"""Which genes vary most. Scanpy takes seconds to load, so what needs no such genes does without this."""

import warnings

import anndata as ad
import numpy as np
import scanpy as sc

from contract.errors import NotApplicable
from models.normalise import log_normalised


def choose_genes(cells: ad.AnnData, *, n_genes: int) -> list[str]:
    """Names of the ``n_genes`` most variable genes of ``cells``, in their order there.

    Scanpy's flavour ``seurat`` (dispersion of log-normalised counts within bins of the mean;
    10.1038/nbt.3192). Only genes that are expressed, and in a corpus only those that each of its
    data sets measured (``var["in_all"]``).

    Raises
    ------
    NotApplicable
        If no such gene is there.
    """
    values = log_normalised(cells)
    allowed = np.asarray(values.max(axis=0).todense()).ravel() > 0
    if "in_all" in cells.var:
        allowed &= cells.var["in_all"].to_numpy(dtype=bool)
    if not allowed.any():
        raise NotApplicable("no gene is expressed in the cells to be fitted")
    table = ad.AnnData(X=values[:, allowed].astype(np.float32), var=cells.var.loc[allowed, []])
    if table.n_vars <= n_genes:
        return table.var_names.tolist()
    table.uns["log1p"] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # means of bins with one gene
        sc.pp.highly_variable_genes(table, flavor="seurat", n_top_genes=n_genes)
    return table.var_names[table.var["highly_variable"]].tolist()
