"""Ranks instead of a model: each cell's genes as normal scores, and their whitened components.

The label-free half of Souza and Mehta's pipeline (arXiv:2602.16696, code
Emergent-Behaviors-in-Biology/Linear-representations-for-scRNA-seq-data; facts only, no licence file).
"""

import dataclasses
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Self

import numpy as np
import scipy.linalg
import scipy.sparse as sp
from anndata import AnnData
from scipy.sparse.linalg import LinearOperator, eigsh
from scipy.special import ndtri

from contract.errors import NotApplicable
from models.cells_file import Cells, blocks_of
from models.normalise import find_genes
from models.options import RankOptions
from models.registry import ADAPTERS
from models.state import read_state, write_state

NOISE_FLOOR = 1e-10
HELD_VALUES = 1 << 25
"""Scores that are held in memory, 400 MB; those of more cells lie in a file."""


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
    streams = rowwise = True

    def __init__(self, options: RankOptions) -> None:
        self.options = options
        self.genes: list[str] = []
        self.mean, self.scale = np.zeros(0), np.zeros(0)
        self.loadings = np.zeros((0, 0))

    def fit(self, train: Cells, *, seed: int) -> Self:
        """Choose genes and find their components; ``seed`` changes nothing.

        Two readings of the cells, flat memory: scores that are more than ``HELD_VALUES`` lie in a
        temporary file (``TMPDIR``), 8 bytes a value, which the solver reads once a step. O(Z · components).

        Raises
        ------
        NotApplicable
            If the cells do not vary.
        """
        mean, variance, expressed = _moments(train)
        allowed = expressed & (variance > NOISE_FLOOR * variance.max(initial=0.0))
        if "in_all" in train.var:
            allowed &= train.var["in_all"].to_numpy(dtype=bool)
        usable = np.flatnonzero(allowed)
        if not len(usable):
            raise NotApplicable("the cells to be fitted are all alike")
        chosen = np.sort(usable[np.argsort(-variance[usable], kind="stable")[: self.options.n_genes]])
        self.genes = train.var_names[chosen].tolist()
        self.mean, self.scale = mean[chosen], variance[chosen] ** -0.5
        with tempfile.TemporaryFile() as file:
            scores = SpilledScores(file)
            for block in blocks_of(train, "ranks"):
                scores.append(normal_scores(sp.csr_matrix(block.X)).columns(chosen))
            self.loadings = _whitening(scores, self.mean, self.scale, most=self.options.components)
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


class SpilledScores:
    """Normal scores, iterated over in the blocks that went in: the first in memory, the others in a file."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._held: list[Scores] = []
        self._spilled: list[tuple[np.ndarray, np.ndarray, tuple[int, int]]] = []

    @property
    def shape(self) -> tuple[int, int]:
        """Cells N, genes G."""
        sizes = [scores.above.shape for scores in self._held] + [shape for *_, shape in self._spilled]
        return sum(n for n, _ in sizes), sizes[0][1]

    def append(self, scores: Scores) -> None:
        """Add cells at the end."""
        above = scores.above
        if not self._spilled and sum(held.above.nnz for held in self._held) + above.nnz <= HELD_VALUES:
            self._held.append(scores)
            return
        above.data.astype(np.float32).tofile(self._file)
        above.indices.astype(np.int32).tofile(self._file)
        self._spilled.append((scores.rest, above.indptr, above.shape))

    def __iter__(self) -> Iterator[Scores]:
        yield from self._held
        self._file.seek(0)
        for rest, ends, shape in self._spilled:
            data = np.fromfile(self._file, dtype=np.float32, count=ends[-1]).astype(np.float64)
            indices = np.fromfile(self._file, dtype=np.int32, count=ends[-1])
            yield Scores(rest, sp.csr_matrix((data, indices, ends), shape=shape))


def _moments(cells: Cells) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean and variance of each gene's scores (G,), and whether any cell expresses it."""
    n, total, square = 0, np.zeros(cells.n_vars), np.zeros(cells.n_vars)
    expressed = np.zeros(cells.n_vars, dtype=bool)
    for block in blocks_of(cells, "moments of ranks"):
        scores = normal_scores(sp.csr_matrix(block.X))
        rest, above = scores.rest, scores.above
        n += len(rest)
        total += np.asarray(above.sum(axis=0)).ravel() + rest.sum()
        square += np.asarray(above.multiply(above).sum(axis=0)).ravel() + 2 * (above.T @ rest) + rest @ rest
        expressed[above.indices] = True  # what is stored was above 0
    mean = total / n
    return mean, np.maximum(square / n - mean**2, 0.0), expressed


def _whitening(scores: SpilledScores, mean: np.ndarray, scale: np.ndarray, *, most: int) -> np.ndarray:
    """Right singular vectors (G, C ≤ most) of the standardised scores, over their standard deviations."""
    n, genes = scores.shape
    if min(n, genes) <= 2 * most:
        _, strength, right = scipy.linalg.svd(_triangle(scores, mean, scale), full_matrices=False)
    else:
        squares, right = eigsh(_scatter(scores, mean, scale), k=most, v0=np.ones(genes))
        strength, right = np.sqrt(np.maximum(squares, 0.0))[::-1], right.T[::-1]
    real = strength[:most] ** 2 > NOISE_FLOOR * n * genes
    strength, right = strength[:most][real], right[:most][real]
    if not len(strength):
        raise NotApplicable("the cells to be fitted are all alike")
    signs = np.sign(right[np.arange(len(right)), np.abs(right).argmax(axis=1)])
    return (right * (signs * np.sqrt(n) / strength)[:, None]).T


def _triangle(scores: SpilledScores, mean: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """R (≤ G, G) of the standardised scores' QR decomposition: it has their right singular vectors."""
    found = np.zeros((0, len(mean)))
    for block in scores:
        found = scipy.linalg.qr(np.vstack([found, (block.dense() - mean) * scale]), mode="r")[0][: len(mean)]
    return found


def _scatter(scores: SpilledScores, mean: np.ndarray, scale: np.ndarray) -> LinearOperator:
    """The standardised scores' inner products (G, G) as an operator, so that zeros stay unstored."""

    def times(x: np.ndarray) -> np.ndarray:
        x = scale * x.ravel()
        found = np.zeros(len(mean))
        for block in scores:
            y = block.above @ x + block.rest * x.sum() - mean @ x
            found += block.above.T @ y + block.rest @ y - mean * y.sum()
        return scale * found

    return LinearOperator((len(mean), len(mean)), matvec=times, dtype=np.float64)
