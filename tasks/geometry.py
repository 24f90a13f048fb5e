"""The second look at every embedding: the same cells after centring, PCA and whitening.

Distances depend on how an embedding weighs its directions, which is often an accident of
training. What holds of a contestant should hold without it.
"""

from typing import Literal

import numpy as np
from scipy.linalg import eigh
from threadpoolctl import threadpool_limits

from metrics import Undefined

Geometry = Literal["as_is", "whitened"]
WIDTH = 50
ROUNDING = 4 * float(np.finfo(np.float32).eps)
"""Of the largest coordinate: what spreads less than this is rounding of float32, no direction."""


def whiten(Z: np.ndarray, *, fit: np.ndarray) -> np.ndarray:
    """Principal components of ``Z`` (N, D), at most 50, each of unit variance; (N, ≤ 50) float64.

    Centre, directions and scales are those of the cells of mask ``fit`` (N,), of all cells
    where it holds none. Invariant to shifts, rotations and scales of ``Z``, and where D ≤ 50 to any
    invertible linear map. Costs O(N·D·min(N, D)).

    Raises
    ------
    Undefined
        If the cells of ``fit`` all lie at one place.
    """
    Z = np.asarray(Z, dtype=np.float64)
    seen = Z[fit] if fit.any() else Z
    centre = seen.mean(axis=0)
    with threadpool_limits(1):  # more threads add up in another order
        spread, axes = _directions(seen - centre)
        kept = spread > ROUNDING * np.abs(seen).max()
        if not kept.any():
            raise Undefined("all cells that it is to be whitened by lie at one place")
        return (Z - centre) @ (axes[:, kept] / spread[kept])


def _directions(X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Standard deviations (K,) and unit axes (D, K) of the widest 50 directions of centred cells (N, D)."""
    n, width = X.shape
    smaller = X.T @ X if width <= n else X @ X.T
    size = len(smaller)
    power, vectors = eigh(smaller, subset_by_index=(max(0, size - WIDTH), size - 1))
    power, vectors = np.clip(power, 0, None)[::-1], vectors[:, ::-1]
    axes = vectors if width <= n else X.T @ vectors / np.sqrt(np.maximum(power, np.finfo(float).tiny))
    return np.sqrt(power / n), axes
