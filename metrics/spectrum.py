"""Leading eigenpairs of a sparse symmetric matrix, block by block, so that all cores can work at once."""

import numpy as np
from scipy import sparse

from metrics.checks import Floats, Singles

BLOCK = 8  # vectors multiplied at once
CARRIED = 40  # eigenpairs kept over a restart beyond those wanted
ROOM = 56  # vectors beyond twice those wanted
TOLERANCE = 1e-2  # of a residual's length beside eigenvalues of order 1; 1e-4 moves kBET by less than 0.001
RESTARTS = 100
ALMOST_INSIDE = 0.1  # so small a share outside has lost digits worth a second try


def leading_pairs(matrix: sparse.spmatrix, count: int) -> tuple[Floats, Floats]:
    """Eigenvalues (count,) of largest magnitude and their vectors (n, count), largest first.

    Block Lanczos with thick restarts in float32 from a fixed start, so that repeats agree: the same
    pairs as ARPACK's, for the same work, but letting go of the interpreter (10.1137/S0895479898334605).
    Cost: some 6 products of the matrix per pair, and O(n count²).
    """
    product = matrix.tocsr().astype(np.float32)
    n = product.shape[0]
    room, kept = min(n, 2 * count + ROOM), count + CARRIED
    basis, small = np.empty((n, room), dtype=np.float32), np.zeros((room, room), dtype=np.float32)
    first = np.random.default_rng(0).uniform(-1, 1, (n, BLOCK)).astype(np.float32)
    first[:, 0] += 1  # the first vector of a walk's matrix has no change of sign
    block, used = np.linalg.qr(first)[0], 0
    for _ in range(RESTARTS):
        while used + BLOCK <= room:
            new, used = slice(used, used + BLOCK), used + BLOCK
            basis[:, new] = block
            small[:used, new], block, rest = _split(product @ block, basis[:, :used])
            small[new, :used] = small[:used, new].T
        values, mixed = np.linalg.eigh(small[:used, :used])
        best = np.argsort(-np.abs(values), kind="stable")[:kept]
        off = np.linalg.norm(rest @ mixed[-BLOCK:, best[:count]], axis=0)
        basis[:, :kept], used = basis[:, :used] @ mixed[:, best], kept
        if off.max() < TOLERANCE:
            break
        small[:] = 0
        small[range(kept), range(kept)] = values[best]
    return values[best[:count]].astype(np.float64), basis[:, :count].astype(np.float64)


def _split(image: Singles, basis: Singles) -> tuple[Singles, Singles, Singles]:
    """Split ``image``: coefficients in the span of ``basis``; directions and weights of what is outside."""
    inside = basis.T @ image
    outside = image - basis @ inside
    if (np.linalg.norm(outside, axis=0) < ALMOST_INSIDE * np.linalg.norm(image, axis=0)).any():
        outside -= basis @ (basis.T @ outside)  # twice is enough
    return inside, *np.linalg.qr(outside)
