"""Neighbours and distance sums in float64: for few cells, and where single precision cannot decide."""

import numpy as np
from scipy.spatial.distance import cdist

from metrics.checks import Floats, Ints, Singles

SPARE = 16  # candidates beyond k
BLOCK_BYTES = 2**24  # of one step
SLACK = 3e-7  # of |x|² + |y|²: more than rounding in float32 can move a squared distance
CLOSE = 0.1  # a mean distance below this share of a vector's length is summed in float64
FEW, WIDE = 1024, 16  # beyond both, a matrix product is faster than differences, coordinate by coordinate


def nearest_exact(points: Floats | Singles, rows: Ints, k: int) -> tuple[Ints, Floats]:
    """Search in float64: the expansion proposes, rows it cannot decide are searched whole."""
    points = points.astype(np.float64, copy=False)
    n, squares = len(points), np.einsum("ij,ij->i", points, points)
    indices, distances = np.empty((len(rows), k), dtype=np.int64), np.empty((len(rows), k))
    if not k:
        return indices, distances
    width = min(n - 1, k + SPARE)
    step = max(1, BLOCK_BYTES // (8 * max(n, (k + SPARE) * points.shape[1])))
    for start in range(0, len(rows), step):
        block = slice(start, start + step)
        here = rows[block]
        rough = _expansion(points, squares, here)
        rough[np.arange(len(here)), here] = np.inf
        candidates = np.argpartition(rough, width - 1, axis=1)[:, :width]
        candidates.sort(axis=1)
        exact = differences(points, here, candidates)
        order = np.argsort(exact, axis=1, kind="stable")[:, :k]
        indices[block] = np.take_along_axis(candidates, order, axis=1)
        distances[block] = np.take_along_axis(exact, order, axis=1)
        if width == n - 1:
            continue
        border = np.take_along_axis(rough, candidates, axis=1).max(axis=1)
        last, length = distances[block][:, -1], np.sqrt(squares[here])
        reach = last**2 + 2e-13 * points.shape[1] * (length**2 + (length + last) ** 2)
        for i in np.flatnonzero(border <= reach):
            near = np.flatnonzero(rough[i] <= reach[i])
            exact_row = differences(points, here[i : i + 1], near[None])[0]
            chosen = np.argsort(exact_row, kind="stable")[:k]
            indices[start + i], distances[start + i] = near[chosen], exact_row[chosen]
    return indices, distances


def sums_exact(points: Floats, rows: Ints, own: Ints | None, n_groups: int) -> Floats:
    """Sums (M, L) of the distances of ``rows`` (M,) to the cells of each group; none without groups."""
    totals = np.zeros((len(rows), n_groups))
    if own is None:
        return totals
    hot = np.zeros((len(points), n_groups))
    hot[np.arange(len(points)), own] = 1
    step = max(1, BLOCK_BYTES // (8 * len(points)))
    for start in range(0, len(rows), step):
        totals[start : start + step] = _distances(points, rows[start : start + step]) @ hot
    return totals


def _distances(points: Floats, rows: Ints) -> Floats:
    if points.shape[1] < WIDE or len(points) <= FEW:
        return cdist(points[rows], points)
    rough = _expansion(points, np.einsum("ij,ij->i", points, points), rows)
    rough[np.arange(len(rows)), rows] = 0.0
    return np.sqrt(np.maximum(rough, 0.0, out=rough), out=rough)


def _expansion(points: Floats, squares: Floats, rows: Ints) -> Floats:
    rough = points[rows] @ points.T
    rough *= -2.0
    rough += squares
    rough += squares[rows, None]
    return rough


def differences(points: Floats, rows: Ints, columns: Ints) -> Floats:
    """Distances (M, W) of each of ``rows`` (M,) to its own ``columns`` (M, W), coordinate by coordinate."""
    distances = np.empty(columns.shape, dtype=points.dtype)
    step = max(1, 2**18 // (columns.shape[1] * points.shape[1]))  # fits a cache
    store = np.empty((min(step, len(rows)), columns.shape[1], points.shape[1]), dtype=points.dtype)
    for start in range(0, len(rows), step):
        block = slice(start, min(start + step, len(rows)))
        apart = store[: block.stop - start]
        np.take(points, columns[block], axis=0, out=apart, mode="clip")  # clip: without a second copy
        apart -= points[rows[block], None]
        np.einsum("ijk,ijk->ij", apart, apart, out=distances[block])
    return np.sqrt(distances, out=distances)
