"""The plain view of a data set that PCR comparison and scGraph measure against."""

import warnings

import anndata as ad
import numpy as np
from scipy import sparse

N_COMPONENTS = 50
N_VARIABLE = 2000


def principal_components(counts: sparse.csr_matrix) -> np.ndarray:
    """Principal components of log-normalised variable genes, all cells, seed 0.

    Counts are scaled to 10 000 a cell and log1p-ed; of more than 2 000 genes the 2 000
    most variable are taken (scanpy's ``seurat`` flavour). Some 10 s for 100 000 cells.

    Parameters
    ----------
    counts
        (N, G) CSR of counts.

    Returns
    -------
    (N, C) float32 with C = min(50, N − 1, genes − 1), or 0 where all cells are alike.
    """
    import scanpy as sc  # takes two seconds, and a refused data set never gets here

    cells = ad.AnnData(X=counts.copy())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # empty cells and unexpressed genes are reported by prepare
        sc.pp.normalize_total(cells, target_sum=1e4)
        sc.pp.log1p(cells)
        if cells.n_vars > N_VARIABLE:
            sc.pp.highly_variable_genes(cells, flavor="seurat", n_top_genes=N_VARIABLE)
            cells = cells[:, cells.var["highly_variable"]].copy()
        n_components = min(N_COMPONENTS, cells.n_obs - 1, cells.n_vars - 1)
        if n_components < 1 or not _varies(cells.X):
            return np.zeros((cells.n_obs, 0), dtype=np.float32)
        sc.pp.pca(cells, n_comps=n_components, svd_solver="arpack", random_state=0)
    return np.ascontiguousarray(cells.obsm["X_pca"], dtype=np.float32)


def _varies(matrix: sparse.csr_matrix) -> bool:
    return bool((matrix.max(axis=0) != matrix.min(axis=0)).nnz)
