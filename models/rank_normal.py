"""Ranks instead of a model: each cell's genes as normal scores, and their whitened components.

The label-free half of Souza and Mehta's pipeline (arXiv:2602.16696, code
Emergent-Behaviors-in-Biology/Linear-representations-for-scRNA-seq-data; facts only, no licence file).
"""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import scipy.linalg
import scipy.sparse as sp
from anndata import AnnData
from scipy.sparse.linalg import LinearOperator, svds
from scipy.special import ndtri

from contract.errors import NotApplicable
from models.normalise import find_genes
from models.options import RankOptions
from models.registry import ADAPTERS
from models.state import read_state, write_state

NOISE_FLOOR = 1e-10


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """Normal scores (N, G): ``rest`` (N,), that of genes a cell does not express, plus ``above`` (CSR)."""

    rest: np.ndarray
    above: sp.csr_matrix

    def columns(self, chosen: np.ndarray) -> "Scores":
        """The scores of some genes; ranks stay those among all."""
        return Scores(self.rest, self.above[:, chosen])

    def dense(self) -> np.ndarray:
        """The scores as one array (N, G)."""
        return self.above.toarray() + self.rest[:, None]


def normal_scores(counts: sp.csr_matrix) -> Scores:
    """Rank the G genes of each cell and give rank r the normal quantile of r / (G + 1); each row of length 1.

    Ties share their mean rank, genes without a count are one tie. Any monotone normalisation of a
    cell (depth, logarithm) changes nothing. Cost: O(Z log Z), and no dense array.

    Raises
    ------
    NotApplicable
        If a cell's genes are all alike: it has no ranks.
    """
    counts = sp.csr_matrix(counts, dtype=np.float64, copy=True)
    counts.eliminate_zeros()
    n, genes = counts.shape
    sizes = np.diff(counts.indptr)
    rows = np.repeat(np.arange(n), sizes)
    order = np.lexsort((counts.data, rows))
    tie = np.cumsum(_starts(rows[order], counts.data[order])) - 1
    place = np.arange(len(order)) - counts.indptr[rows[order]] + 1.0
    rank = np.empty(len(order))
    rank[order] = (np.bincount(tie, weights=place) / np.bincount(tie))[tie]
    silent = genes - sizes
    score = ndtri((silent[rows] + rank) / (genes + 1))
    rest = ndtri((silent + 1) / 2 / (genes + 1))
    length = np.sqrt(np.bincount(rows, weights=score**2, minlength=n) + silent * rest**2)
    if (length <= 1e-9).any():
        raise NotApplicable(f"{int((length <= 1e-9).sum())} cell(s) whose genes are all alike have no ranks")
    rest = rest / length
    above = sp.csr_matrix(
        (score / length[rows] - rest[rows], counts.indices, counts.indptr), shape=(n, genes)
    )
    return Scores(rest, above)


def _starts(rows: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Where a new cell or a new value begins, in sorted entries."""
    new = np.ones(len(rows), dtype=bool)
    new[1:] = (rows[1:] != rows[:-1]) | (values[1:] != values[:-1])
    return new


class RankPca:
    """Whitened principal components of standardised normal scores.

    Published: 20,000 genes by analysis of variance between types, which needs labels; here the
    20,000 whose scores vary most. A gene that other cells lack counts as its mean over the fitted cells.
    """

    card = ADAPTERS["rank_pca"].card
    rowwise = True

    def __init__(self, options: RankOptions) -> None:
        self.options = options
        self.genes: list[str] = []
        self.mean, self.scale = np.zeros(0), np.zeros(0)
        self.loadings = np.zeros((0, 0))

    def fit(self, train: AnnData, *, seed: int) -> Self:
        """Choose genes and find their components; ``seed`` changes nothing. O(Z · components).

        Raises
        ------
        NotApplicable
            If the cells do not vary.
        """
        counts = sp.csr_matrix(train.X)
        scores = normal_scores(counts)
        allowed = np.asarray((counts > 0).sum(axis=0)).ravel() > 0
        if "in_all" in train.var:
            allowed &= train.var["in_all"].to_numpy(dtype=bool)
        mean, variance = _moments(scores)
        usable = np.flatnonzero(allowed & (variance > NOISE_FLOOR * variance.max(initial=0.0)))
        if not len(usable):
            raise NotApplicable("the cells to be fitted are all alike")
        chosen = np.sort(usable[np.argsort(-variance[usable], kind="stable")[: self.options.n_genes]])
        self.genes = train.var_names[chosen].tolist()
        self.mean, self.scale = mean[chosen], variance[chosen] ** -0.5
        self.loadings = _whitening(
            scores.columns(chosen), self.mean, self.scale, most=self.options.components
        )
        return self

    def embed(self, cells: AnnData) -> np.ndarray:
        """Coordinates (N, components), float32, of unit variance over the fitted cells."""
        there, columns = find_genes(cells, self.genes)
        scores = normal_scores(sp.csr_matrix(cells.X)).columns(columns)
        loadings = self.scale[there, None] * self.loadings[there]
        found = scores.above @ loadings + np.outer(scores.rest, loadings.sum(axis=0))
        return np.ascontiguousarray(found - self.mean[there] @ loadings, dtype=np.float32)

    def save(self, state: Path) -> None:
        """Write genes, moments and loadings."""
        about = {"options": dataclasses.asdict(self.options), "genes": self.genes}
        arrays = {"mean": self.mean, "scale": self.scale, "loadings": self.loadings}
        write_state(state, arrays=arrays, about=about)

    @classmethod
    def load(cls, state: Path) -> Self:
        """Read what ``save`` wrote."""
        arrays, about = read_state(state)
        self = cls(RankOptions(**about["options"]))
        self.genes = about["genes"]
        self.mean, self.scale, self.loadings = arrays["mean"], arrays["scale"], arrays["loadings"]
        return self


def _moments(scores: Scores) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance of each gene's scores (G,)."""
    rest, above, n = scores.rest, scores.above, len(scores.rest)
    mean = np.asarray(above.mean(axis=0)).ravel() + rest.mean()
    square = np.asarray(above.multiply(above).sum(axis=0)).ravel() + 2 * (above.T @ rest) + rest @ rest
    return mean, np.maximum(square / n - mean**2, 0.0)


def _whitening(scores: Scores, mean: np.ndarray, scale: np.ndarray, *, most: int) -> np.ndarray:
    """Right singular vectors (G, C ≤ most) of the standardised scores, over their standard deviations."""
    n, genes = scores.above.shape
    size = min(n, genes)
    if size <= 2 * most:
        _, strength, right = scipy.linalg.svd((scores.dense() - mean) * scale, full_matrices=False)
    else:
        _, strength, right = svds(_standardised(scores, mean, scale), k=most, v0=np.ones(size))
        strength, right = strength[::-1], right[::-1]
    real = strength[:most] ** 2 > NOISE_FLOOR * n * genes
    strength, right = strength[:most][real], right[:most][real]
    if not len(strength):
        raise NotApplicable("the cells to be fitted are all alike")
    signs = np.sign(right[np.arange(len(right)), np.abs(right).argmax(axis=1)])
    return (right * (signs * np.sqrt(n) / strength)[:, None]).T


def _standardised(scores: Scores, mean: np.ndarray, scale: np.ndarray) -> LinearOperator:
    """The standardised scores (N, G) as an operator, so that zeros stay unstored."""
    rest, above = scores.rest, scores.above

    def forth(x: np.ndarray) -> np.ndarray:
        x = scale * x.ravel()
        return above @ x + rest * x.sum() - mean @ x

    def back(y: np.ndarray) -> np.ndarray:
        y = y.ravel()
        return scale * (above.T @ y + rest @ y - mean * y.sum())

    return LinearOperator(above.shape, matvec=forth, rmatvec=back, dtype=np.float64)
