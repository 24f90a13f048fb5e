"""Contestants that nobody wants to lose to: they bracket every metric from below.

Whatever is drawn is drawn in the order of the cells' names, so that a permutation of the cells
permutes the rows.
"""

from typing import Self

import numpy as np
from anndata import AnnData

from contract.errors import NotApplicable
from models.baselines import Pca
from models.cells_file import Cells, rows_of
from models.normalise import log_normalised
from models.options import JitterOptions, PcaOptions, WidthOptions
from models.registry import ADAPTERS


def by_name(cells: Cells) -> np.ndarray:
    """For each of N cells its place among the sorted cell names, int (N,)."""
    place = np.empty(cells.n_obs, dtype=np.intp)
    place[np.argsort(cells.obs_names.to_numpy(dtype=str), kind="stable")] = np.arange(cells.n_obs)
    return place


def normal(cells: Cells, *, width: int, seed: int) -> np.ndarray:
    """Standard normal draws (N, width), the same for the same set of cell names."""
    return np.random.default_rng(seed).standard_normal((cells.n_obs, width))[by_name(cells)]


class _Control:
    """A control is fitted on nothing; but for those that are ``rowwise`` it needs all names and no counts."""

    streams = True

    def fit(self, train: Cells, *, seed: int) -> Self:
        """Nothing to learn."""
        return self


class Noise(_Control):
    """Independent normal numbers."""

    card = ADAPTERS["noise"].card

    def __init__(self, options: WidthOptions, *, seed: int) -> None:
        self.options, self.seed = options, seed

    def embed(self, cells: Cells) -> np.ndarray:
        """Noise (N, width)."""
        return normal(cells, width=self.options.width, seed=self.seed).astype(np.float32)


class Constant(_Control):
    """One point for all: what a metric says when there is nothing to see."""

    card = ADAPTERS["constant"].card

    def __init__(self, options: WidthOptions) -> None:
        self.options = options

    def embed(self, cells: Cells) -> np.ndarray:
        """Ones (N, width)."""
        return np.ones((cells.n_obs, self.options.width), dtype=np.float32)


class RandomProjection(_Control):
    """Log-normalised counts of all genes along random directions.

    The direction of a gene is drawn in the order of gene names.
    """

    card = ADAPTERS["random_projection"].card
    rowwise = True

    def __init__(self, options: WidthOptions, *, seed: int) -> None:
        self.options, self.seed = options, seed

    def embed(self, cells: AnnData) -> np.ndarray:
        """Projected values (N, width)."""
        order = np.argsort(cells.var_names.to_numpy(dtype=str), kind="stable")
        width = self.options.width
        directions = np.random.default_rng(self.seed).standard_normal((cells.n_vars, width)) / np.sqrt(width)
        return np.ascontiguousarray(log_normalised(cells)[:, order] @ directions, dtype=np.float32)


class Shuffled(_Control):
    """The PCA of these cells, its rows given to the wrong cells: right geometry, no content."""

    card = ADAPTERS["shuffled"].card

    def __init__(self, options: PcaOptions, *, seed: int) -> None:
        self.pca, self.seed = Pca(options), seed

    def embed(self, cells: Cells) -> np.ndarray:
        """Permuted components (N, components)."""
        place = by_name(cells)
        row_of = np.argsort(place)
        partner = row_of[np.random.default_rng(self.seed).permutation(cells.n_obs)][place]
        return rows_of(self.pca.fit(cells, seed=self.seed), cells)[partner]


class BatchOnly(_Control):
    """A corner of the unit cube for each batch, jittered: perfect separation of what should mix."""

    card = ADAPTERS["batch_only"].card

    def __init__(self, options: JitterOptions, *, seed: int) -> None:
        self.options, self.seed = options, seed

    def embed(self, cells: Cells) -> np.ndarray:
        """One-hot batch plus jitter (N, batches).

        Raises
        ------
        NotApplicable
            If there are fewer than two batches.
        """
        names, code = np.unique(cells.obs["batch"].to_numpy(dtype=str), return_inverse=True)
        if len(names) < 2:
            raise NotApplicable(f"{len(names)} batch(es): nothing to tell apart")
        jitter = self.options.jitter * normal(cells, width=len(names), seed=self.seed)
        return (np.eye(len(names))[code] + jitter).astype(np.float32)
