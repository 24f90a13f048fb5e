"""Harmony: principal components moved until batches mix within soft clusters (10.1038/s41592-019-0619-0)."""

from typing import Self

import harmonypy
import numpy as np

from contract.errors import NotApplicable, UserError
from models.baselines import Pca
from models.cells_file import Cells, rows_of
from models.options import HarmonyOptions, PcaOptions
from models.registry import ADAPTERS


class Harmony:
    """Harmony on the components of ``Pca``; it has no way to map other cells, so it is transductive."""

    card = ADAPTERS["harmony"].card
    streams = True

    def __init__(self, options: HarmonyOptions) -> None:
        self.options = options
        self._rows: dict[str, int] = {}
        self._values = np.zeros((0, 0), dtype=np.float32)

    def fit(self, train: Cells, *, seed: int) -> Self:
        """Correct the components of all cells for ``obs["batch"]``, in the order of their names.

        Raises
        ------
        NotApplicable
            If there are fewer than two batches.
        """
        batch = train.obs["batch"].astype(str)
        if batch.nunique() < 2:
            raise NotApplicable(f"{batch.nunique()} batch(es): nothing to correct")
        order = np.argsort(train.obs_names.to_numpy(dtype=str))
        pca = Pca(PcaOptions(n_genes=self.options.n_genes, components=self.options.components))
        components = rows_of(pca.fit(train, seed=seed), train)[order]
        corrected = harmonypy.run_harmony(
            components.astype(np.float64),
            train.obs[["batch"]].iloc[order].astype(str),
            ["batch"],
            theta=self.options.theta,
            nclust=max(1, min(round(train.n_obs / 30), 100)),
            max_iter_harmony=self.options.max_iterations,
            random_state=seed,
            verbose=False,
            ncores=1,
        ).Z_corr
        self._values = np.ascontiguousarray(_as_rows(corrected, shape=components.shape), dtype=np.float32)
        self._rows = {name: row for row, name in enumerate(train.obs_names[order])}
        return self

    def embed(self, cells: Cells) -> np.ndarray:
        """Corrected components (N, components) of cells that it was fitted on.

        Raises
        ------
        UserError
            For any other cell.
        """
        strangers = [name for name in cells.obs_names if name not in self._rows]
        if strangers:
            raise UserError(
                "harmony", found=f"cell {strangers[0]!r}, unseen when fitted", expected="the fitted cells"
            )
        return self._values[[self._rows[name] for name in cells.obs_names]]


def _as_rows(corrected: np.ndarray, *, shape: tuple[int, int]) -> np.ndarray:
    """Cells as rows: harmonypy 2 answers so, harmonypy 0 the other way round."""
    corrected = np.asarray(corrected)
    if corrected.shape == shape:
        return corrected
    if corrected.shape == shape[::-1]:
        return corrected.T
    raise ValueError(f"harmonypy answered with shape {corrected.shape} to components of shape {shape}")
