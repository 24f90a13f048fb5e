"""What scores need of log expression: its variable genes and its principal components."""

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse
from scipy.sparse.linalg import LinearOperator, svds

from metrics.checks import Floats, Ints, Undefined

DENSE_UP_TO = 3000  # cells or genes, whichever are fewer: beyond it, an iterative decomposition


def by_cell(X: ArrayLike | sparse.spmatrix) -> Floats | sparse.csr_matrix:
    """Return X (N, G) as float64 whose rows can be taken; Undefined with NaN or infinite values."""
    matrix = X.tocsr().astype(np.float64) if sparse.issparse(X) else np.asarray(X, dtype=np.float64)
    if matrix.ndim != 2:
        raise ValueError(f"expected a matrix of cells × genes, found shape {matrix.shape}")
    if not np.isfinite(matrix.data if sparse.issparse(matrix) else matrix).all():
        raise Undefined("the expression has NaN or infinite values")
    return matrix


def principal_components(X: ArrayLike | sparse.spmatrix, count: int) -> Floats:
    """Scores (N, ≤ count) of the leading components of centred X (N, G), to rounding; signs are arbitrary.

    A sparse X is never made dense where genes are fewer than cells, or both are many.
    """
    matrix = by_cell(X)
    n, g = matrix.shape
    mean = np.asarray(matrix.mean(axis=0)).ravel()
    count = min(count, n, g)
    if min(n, g) > max(DENSE_UP_TO, 2 * count):
        return _iterated(matrix, mean, count)
    if n <= g:
        centred = (matrix.toarray() if sparse.issparse(matrix) else matrix) - mean
        values, vectors = np.linalg.eigh(centred @ centred.T)
        return vectors[:, ::-1][:, :count] * np.sqrt(np.maximum(values[::-1][:count], 0.0))
    if sparse.issparse(matrix):
        scatter = (matrix.T @ matrix).toarray() - n * np.outer(mean, mean)
    else:
        matrix, mean = matrix - mean, np.zeros(g)
        scatter = matrix.T @ matrix
    axes = np.linalg.eigh(scatter)[1][:, ::-1][:, :count]
    return matrix @ axes - mean @ axes


def _iterated(matrix: Floats | sparse.csr_matrix, mean: Floats, count: int) -> Floats:
    n, g = matrix.shape
    centred = LinearOperator(
        (n, g),
        matvec=lambda v: matrix @ v.ravel() - mean @ v.ravel(),
        rmatvec=lambda u: matrix.T @ u.ravel() - mean * u.sum(),
        dtype=np.float64,
    )
    start = np.random.default_rng(0).uniform(0.5, 1.5, min(n, g))
    left, values, _ = svds(centred, k=count, v0=start, solver="arpack")
    return left[:, ::-1] * values[::-1]


class Moments:
    """Sums over cells of expression and its square (G,), from log1p expression, block by block."""

    def __init__(self) -> None:
        self.n = 0
        self.total: Floats | float = 0.0
        self.squares: Floats | float = 0.0

    def add(self, X_log1p: ArrayLike | sparse.spmatrix) -> None:
        """Count the cells of a block (N, G)."""
        known = sparse.issparse(X_log1p)
        linear = X_log1p.expm1() if known else np.expm1(np.asarray(X_log1p, dtype=np.float64))
        square = linear.multiply(linear) if known else linear**2
        self.n += linear.shape[0]
        self.total = self.total + np.asarray(linear.sum(axis=0), dtype=np.float64).ravel()
        self.squares = self.squares + np.asarray(square.sum(axis=0), dtype=np.float64).ravel()


def most_variable(moments: Moments, count: int) -> Ints:
    """Genes (≤ count,) with the highest dispersion among genes of like mean (scanpy's flavour ``seurat``).

    Twenty bins of log mean; dispersion scaled within its bin; a bin of one gene scores 1.
    Source: 10.1038/nbt.3192.
    """
    n, g = moments.n, len(moments.total)
    if g <= count:
        return np.arange(g)
    mean = moments.total / n
    variance = (moments.squares / n - mean**2) * n / (n - 1)
    varies = (mean > 0) & (variance > 0)
    dispersion = np.log(np.where(varies, variance, 1.0) / np.where(varies, mean, 1.0))
    level = np.log1p(mean)
    edges = np.linspace(level.min(), level.max(), 21)
    bins = np.clip(np.searchsorted(edges, level, side="left") - 1, 0, 19)
    scaled = np.full(g, -np.inf)
    for code in np.unique(bins[varies]):
        inside = np.flatnonzero(varies & (bins == code))
        spread = dispersion[inside].std(ddof=1) if len(inside) > 1 else 0.0
        middle = dispersion[inside].mean()
        scaled[inside] = (dispersion[inside] - middle) / spread if spread > 0 else 1.0
    return np.sort(np.argsort(-scaled, kind="stable")[:count])
