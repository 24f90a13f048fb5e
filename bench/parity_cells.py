"""Real cells that our scores and the peer's are compared on."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import anndata as ad
import harmonypy
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from atlas.reference import principal_components

SETS = ("datasets/kang_ctrl_8donors", "datasets/kang_ifnb_7types", "embeddings/harmony_cell_lines_pcs")
WIDTH = 20  # one width for all, so that JAX compiles once


@dataclass(frozen=True, kw_only=True)
class Case:
    """Cells with an embedding Z (N, D) and the uncorrected one (N, C), their types and batches (N,)."""

    name: str
    Z: NDArray
    reference: NDArray
    labels: NDArray
    batch: NDArray


def cases(folder: Path, *, cells: int) -> Iterator[Case]:
    """Principal components and Harmony of at most so many cells of each real set, drawn with seed 0.

    ``folder`` holds ``datasets/`` and ``embeddings/``.
    """
    for name in SETS:
        data = ad.read_h5ad(folder / f"{name}.h5ad")
        drawn = np.random.default_rng(0).choice(data.n_obs, min(cells, data.n_obs), replace=False)
        data = data[np.sort(drawn)]
        known = {column: data.obs[column].to_numpy(dtype=str) for column in ("cell_type", "batch")}
        reference = _components(data)
        components = reference[:, :WIDTH]
        for what, Z in (("PCA", components), ("Harmony", _harmony(components, known["batch"]))):
            yield Case(
                name=f"{Path(name).name} {what}",
                Z=Z,
                reference=reference,
                labels=known["cell_type"],
                batch=known["batch"],
            )


def _components(data: ad.AnnData) -> NDArray:
    """Principal components, or those that came with the data."""
    if "X_pca_scaled" in data.obsm:
        return np.asarray(data.obsm["X_pca_scaled"])
    return principal_components(lambda: [sparse.csr_matrix(data.X, dtype=np.float32)])


def _harmony(components: NDArray, batch: NDArray) -> NDArray:
    obs = pd.DataFrame({"batch": batch})
    run = harmonypy.run_harmony(components.astype(np.float64), obs, ["batch"], random_state=0, verbose=False)
    return np.asarray(run.Z_corr, dtype=np.float32)
