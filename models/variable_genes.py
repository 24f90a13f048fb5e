"""Which genes vary most: scanpy's flavour ``seurat``, from sums over blocks of cells."""

import numpy as np
import pandas as pd

from contract.errors import NotApplicable
from models.cells_file import Cells, blocks_of
from models.normalise import log_normalised

BINS = 20


def choose_genes(cells: Cells, *, n_genes: int) -> list[str]:
    """Names of the ``n_genes`` most variable genes of ``cells``, in their order there.

    Scanpy's flavour ``seurat`` (dispersion of log-normalised counts within bins of the mean;
    10.1038/nbt.3192): the same genes. Only genes that are expressed, and in a corpus only those
    that each of its data sets measured (``var["in_all"]``). Fewer where fewer have a dispersion.
    One reading of the cells; memory of a block.

    Raises
    ------
    NotApplicable
        If no such gene is there.
    """
    mean, variance = _moments(cells)
    allowed = mean > 0
    if "in_all" in cells.var:
        allowed &= cells.var["in_all"].to_numpy(dtype=bool)
    if not allowed.any():
        raise NotApplicable("no gene is expressed in the cells to be fitted")
    names = cells.var_names[allowed]
    if len(names) <= n_genes:
        return names.tolist()
    dispersion = _dispersion(mean[allowed], variance[allowed])
    known = dispersion[~np.isnan(dispersion)]
    if not len(known):
        raise NotApplicable("the cells to be fitted are all alike")
    least = np.sort(known)[-min(n_genes, len(known))]
    return names[np.nan_to_num(dispersion, nan=-np.inf) >= least].tolist()


def _moments(cells: Cells) -> tuple[np.ndarray, np.ndarray]:
    """Mean and unbiased variance (G,) of counts scaled to 10,000 a cell."""
    n, sums, squares = 0, np.zeros(cells.n_vars), np.zeros(cells.n_vars)
    for block in blocks_of(cells, "variable genes"):
        logged = log_normalised(block)
        values = np.expm1(logged.data.astype(np.float32)).astype(np.float64)  # as scanpy is handed them
        n += block.n_obs
        sums += np.bincount(logged.indices, weights=values, minlength=cells.n_vars)
        squares += np.bincount(logged.indices, weights=values**2, minlength=cells.n_vars)
    mean = sums / n
    return mean, np.maximum(squares / n - mean**2, 0.0) * n / max(n - 1, 1)


def _dispersion(mean: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """(G,) log of variance over mean, standardised among genes of a like mean; NaN where nothing varies."""
    with np.errstate(divide="ignore"):
        raw = np.log(variance / mean)
    raw[np.isneginf(raw)] = np.nan
    table = pd.DataFrame({"raw": raw, "bin": pd.cut(np.log1p(mean), BINS)})
    of_bin = table.groupby("bin", observed=True)["raw"]
    centre, spread = of_bin.transform("mean"), of_bin.transform("std")
    alone = spread.isna()  # the only gene of its bin gets 1
    return ((table["raw"] - centre.where(~alone, 0.0)) / spread.where(~alone, centre)).to_numpy()
