"""The baselines that a foundation model has to beat: variable genes, and their principal components."""

import dataclasses
from pathlib import Path
from typing import Self

import numpy as np
import scipy.linalg
from anndata import AnnData

from contract.errors import NotApplicable
from models.cells_file import Cells, blocks_of
from models.normalise import find_genes, log_normalised
from models.options import GeneOptions, PcaOptions
from models.registry import ADAPTERS
from models.state import read_state, write_state
from models.variable_genes import choose_genes

NOISE_FLOOR = 1e-10


class Hvg:
    """Log-normalised values of the genes that vary most among the fitted cells.

    A gene that other cells lack is filled with its mean over the fitted cells.
    """

    card = ADAPTERS["hvg"].card
    streams = rowwise = True

    def __init__(self, options: GeneOptions) -> None:
        self.options = options
        self.genes: list[str] = []
        self.mean = np.zeros(0)

    def fit(self, train: Cells, *, seed: int) -> Self:
        """Choose genes; ``seed`` changes nothing. The cells are read twice, block by block."""
        self.genes = choose_genes(train, n_genes=self.options.n_genes)
        columns = train.var_names.get_indexer(self.genes)
        sums = np.zeros(len(self.genes))
        for block in blocks_of(train, "means of genes"):
            sums += np.asarray(log_normalised(block)[:, columns].sum(axis=0)).ravel()
        self.mean = sums / train.n_obs
        return self

    def embed(self, cells: AnnData) -> np.ndarray:
        """Values (N, genes), float32."""
        there, columns = find_genes(cells, self.genes)
        values = np.tile(self.mean.astype(np.float32), (cells.n_obs, 1))
        values[:, there] = log_normalised(cells)[:, columns].toarray()
        return values

    def save(self, state: Path) -> None:
        """Write genes and means."""
        about = {"options": dataclasses.asdict(self.options), "genes": self.genes}
        write_state(state, arrays={"mean": self.mean}, about=about)

    @classmethod
    def load(cls, state: Path) -> Self:
        """Read what ``save`` wrote."""
        arrays, about = read_state(state)
        self = cls(GeneOptions(**about["options"]))
        self.genes, self.mean = about["genes"], arrays["mean"]
        return self


class Pca:
    """Principal components of centred, unscaled log-normalised variable genes.

    Fitted on some cells, others are projected. A gene that the others lack counts as its mean
    over the fitted cells, so that it adds nothing. Eigenvectors of the gene covariance are exact
    and signed by their largest loading: no solver's random start.
    """

    card = ADAPTERS["pca"].card
    streams = rowwise = True

    def __init__(self, options: PcaOptions) -> None:
        self.options = options
        self.genes: list[str] = []
        self.mean = np.zeros(0)
        self.loadings = np.zeros((0, 0))

    def fit(self, train: Cells, *, seed: int) -> Self:
        """Choose G genes and find their components; O(N · expressed²) + O(G³), ``seed`` changes nothing.

        The cells are read twice, block by block: memory of G² numbers and one block.

        Raises
        ------
        NotApplicable
            If the cells do not vary.
        """
        self.genes = choose_genes(train, n_genes=self.options.n_genes)
        columns = train.var_names.get_indexer(self.genes)
        sums, squares = np.zeros(len(columns)), np.zeros((len(columns), len(columns)))
        for block in blocks_of(train, "covariance of genes"):
            values = log_normalised(block)[:, columns]
            sums += np.asarray(values.sum(axis=0)).ravel()
            squares += (values.T @ values).toarray()
        self.mean = sums / train.n_obs
        scatter = squares - train.n_obs * np.outer(self.mean, self.mean)
        self.loadings = _leading_eigenvectors(
            scatter, most=self.options.components, floor=NOISE_FLOOR * np.trace(squares)
        )
        return self

    def embed(self, cells: AnnData) -> np.ndarray:
        """Coordinates (N, components), float32; fewer where the fitted cells span fewer."""
        there, columns = find_genes(cells, self.genes)
        loadings = self.loadings[there]
        scores = log_normalised(cells)[:, columns] @ loadings - self.mean[there] @ loadings
        return np.ascontiguousarray(scores, dtype=np.float32)

    def save(self, state: Path) -> None:
        """Write genes, means and loadings."""
        about = {"options": dataclasses.asdict(self.options), "genes": self.genes}
        write_state(state, arrays={"mean": self.mean, "loadings": self.loadings}, about=about)

    @classmethod
    def load(cls, state: Path) -> Self:
        """Read what ``save`` wrote."""
        arrays, about = read_state(state)
        self = cls(PcaOptions(**about["options"]))
        self.genes, self.mean, self.loadings = about["genes"], arrays["mean"], arrays["loadings"]
        return self


def _leading_eigenvectors(scatter: np.ndarray, *, most: int, floor: float) -> np.ndarray:
    """Unit eigenvectors (G, C ≤ most) of the largest eigenvalues above ``floor``, which is rounding."""
    size = len(scatter)
    values, vectors = scipy.linalg.eigh(scatter, subset_by_index=[max(0, size - most), size - 1])
    values, vectors = values[::-1], vectors[:, ::-1]
    real = values > floor
    if not real.any():
        raise NotApplicable("the cells to be fitted are all alike")
    vectors = vectors[:, real]
    largest = np.abs(vectors).argmax(axis=0)
    return vectors * np.sign(vectors[largest, np.arange(vectors.shape[1])])
