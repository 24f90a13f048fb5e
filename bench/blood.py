"""Cells for the speed of transformers: those of a file, or made up with the lengths of 10x blood."""

from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
from scipy import sparse

from models.transformer.counts import offsets_of

GENES = 20_000
EXPRESSED, SPREAD = 1200, 0.45  # median and log deviation of genes a cell, as 10x finds them in blood
UNITS = ("donor", "donor_id", "batch")


def read_cells(path: Path | None, *, cells: int | None, seed: int = 0) -> ad.AnnData:
    """At most so many cells of an h5ad of raw counts, drawn with ``seed``; made up without a ``path``.

    ``obs`` has what a corpus has: ``donor`` (``""`` where the file names none), ``batch``, ``organism``,
    ``total_counts``.
    """
    if path is None:
        return _as_corpus(made_up(cells or 1000, seed=seed), np.array([""] * (cells or 1000)))
    data = ad.read_h5ad(path)
    chosen = np.random.default_rng(seed).permutation(data.n_obs)[:cells]
    data = data[np.sort(chosen)]
    known = [data.obs[name].astype(str).to_numpy() for name in UNITS if name in data.obs]
    matrix = sparse.csr_matrix(data.X, dtype=np.float32)
    matrix.eliminate_zeros()
    return _as_corpus(matrix, known[0] if known else np.array([""] * len(chosen)), genes=list(data.var_names))


def _as_corpus(matrix: sparse.csr_matrix, donor: np.ndarray, *, genes: list[str] | None = None) -> ad.AnnData:
    names = genes or [f"ENSG{i:011d}" for i in range(matrix.shape[1])]
    obs = pd.DataFrame(
        {
            "donor": donor,
            "batch": "",
            "organism": "",
            "total_counts": np.asarray(matrix.sum(1), dtype=np.float64).ravel(),
        },
        index=[f"cell{i}" for i in range(matrix.shape[0])],
    )
    return ad.AnnData(X=matrix, obs=obs, var=pd.DataFrame(index=names))


def made_up(cells: int, *, seed: int = 0) -> sparse.csr_matrix:
    """Counts (N, 20,000) without biology: only length and depth of a cell are like those of blood."""
    rng = np.random.default_rng(seed)
    lengths = np.clip(rng.lognormal(np.log(EXPRESSED), SPREAD, cells), 100, GENES // 4).astype(np.int64)
    chance = 1.0 / np.arange(10, GENES + 10)
    chance /= chance.sum()
    indices = np.concatenate([np.sort(rng.choice(GENES, n, replace=False, p=chance)) for n in lengths])
    data = rng.geometric(0.6, len(indices)).astype(np.float32)
    return sparse.csr_matrix((data, indices, offsets_of(lengths)), shape=(cells, GENES))
