"""The plain view of a data set that PCR comparison and scGraph measure against."""

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import pandas as pd
import scipy.linalg
from scipy import sparse

N_COMPONENTS = 50
N_VARIABLE = 2000
N_BINS = 20
TARGET = 1e4
N_PASSES = 3
"""How often the counts are read: for the genes, their covariance, the coordinates."""

Blocks = Callable[[], Iterable[sparse.csr_matrix]]
"""Hands out the counts anew, in blocks of rows."""


def principal_components(blocks: Blocks) -> np.ndarray:
    """Principal components of log-normalised variable genes, all cells.

    Counts are scaled to 10 000 a cell and log1p-ed; of more than 2 000 genes the 2 000 most
    variable are taken (the ``seurat`` flavour, 10.1038/nbt.3192). Eigenvectors of the covariance
    of the genes: exact, signed by their largest loading. The blocks are read three times;
    O(N · expressed · 2 000) time, memory of one block.

    Parameters
    ----------
    blocks
        Called for each reading: yields the (N, G) counts as CSR blocks of rows.

    Returns
    -------
    (N, C) float32 with C = min(50, N − 1, genes − 1), or 0 where all cells are alike.
    """
    genes = _variable_genes(blocks)
    n, total, squares = 0, 0.0, 0.0
    for values in _logged(blocks, genes):
        n += values.shape[0]
        total = total + np.asarray(values.sum(axis=0)).ravel()
        squares = squares + (values.T @ values).toarray()
    components = min(N_COMPONENTS, n - 1, len(genes) - 1)
    loadings = _loadings(n, total, squares, components) if components > 0 else np.zeros((len(genes), 0))
    shift = total / n @ loadings
    parts = [(values @ loadings - shift).astype(np.float32) for values in _logged(blocks, genes)]
    return np.ascontiguousarray(np.concatenate(parts))


def _loadings(n: int, total: np.ndarray, squares: np.ndarray, components: int) -> np.ndarray:
    """(G, C) eigenvectors of the largest variances; none where nothing varies above rounding."""
    scatter = squares - np.outer(total, total) / n
    if not np.trace(scatter) > 1e-9 * np.trace(squares):
        return np.zeros((len(total), 0))
    g = len(total)
    vectors = scipy.linalg.eigh(scatter, subset_by_index=[g - components, g - 1])[1][:, ::-1]
    largest = np.abs(vectors).argmax(axis=0)
    return vectors * np.sign(vectors[largest, np.arange(components)])


def _variable_genes(blocks: Blocks) -> np.ndarray:
    """Columns of the 2 000 genes of highest normalised dispersion, in order; all where they are fewer."""
    n, sums, squares = 0, 0.0, 0.0
    for counts in blocks():
        if counts.shape[1] <= N_VARIABLE:
            return np.arange(counts.shape[1])
        scaled = _scaled(counts)
        n += counts.shape[0]
        sums = sums + _by_gene(scaled, scaled.data)
        squares = squares + _by_gene(scaled, scaled.data**2)
    mean = sums / n
    variance = (squares - n * mean**2) / max(n - 1, 1)
    return np.flatnonzero(_most_variable(mean, np.maximum(variance, 0)))


def _most_variable(mean: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """(G,) whether log dispersion, standardised among genes of a like mean, is among the 2 000 highest."""
    with np.errstate(divide="ignore", invalid="ignore"):
        dispersion = np.log(variance / mean)  # an unexpressed gene has none, nor has one that never varies
    dispersion[~np.isfinite(dispersion)] = np.nan
    table = pd.DataFrame({"dispersion": dispersion, "bin": pd.cut(np.log1p(mean), N_BINS)})
    by_bin = table.groupby("bin", observed=True)["dispersion"]
    centre, spread = by_bin.transform("mean"), by_bin.transform("std")
    alone = spread.isna()  # the only gene of its bin gets 1
    spread, centre = spread.where(~alone, centre), centre.where(~alone, 0.0)
    ranked = ((table["dispersion"] - centre) / spread).to_numpy()
    known = ranked[~np.isnan(ranked)]
    bar = np.sort(known)[-min(N_VARIABLE, len(known))] if len(known) else np.inf
    return np.nan_to_num(ranked, nan=-np.inf) >= bar


def _logged(blocks: Blocks, genes: np.ndarray) -> Iterator[sparse.csr_matrix]:
    for counts in blocks():
        yield _scaled(counts)[:, genes].log1p()


def _scaled(counts: sparse.csr_matrix) -> sparse.csr_matrix:
    """Counts of each cell over their sum, times 10 000; a cell without counts stays empty."""
    scaled = sparse.csr_matrix(counts, dtype=np.float64)
    sums = np.asarray(scaled.sum(axis=1)).ravel()
    scaled.data *= np.repeat(TARGET / np.where(sums > 0, sums, 1.0), np.diff(scaled.indptr))
    return scaled


def _by_gene(matrix: sparse.csr_matrix, values: np.ndarray) -> np.ndarray:
    return np.bincount(matrix.indices, weights=values, minlength=matrix.shape[1])
