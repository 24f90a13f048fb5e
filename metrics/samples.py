"""What is quadratic in cells is computed on seeded samples: the draws, and the distances within one."""

import numpy as np
from scipy.spatial.distance import pdist, squareform

from metrics.checks import Floats, Ints, Undefined

MANY_DIMENSIONS = 64  # from here on a matrix product beats differences, coordinate by coordinate


def draws(own: Ints, *, size: int, repeats: int, seed: int) -> list[Ints]:
    """Rows of ``repeats`` samples of ``size`` cells, groups ``own`` (N,) in proportion, at least two of each.

    One draw of all cells where they are no more than ``size``; Undefined where groups are too many.
    """
    if len(own) <= size:
        return [np.arange(len(own))]
    if size < 2 * (own.max() + 1):
        raise Undefined(f"a sample of {size} cells cannot hold two of each of {own.max() + 1} labels")
    random = np.random.default_rng(seed)
    return [_stratified(own, size, random) for _ in range(repeats)]


def _stratified(own: Ints, size: int, random: np.random.Generator) -> Ints:
    turn = np.empty(len(own))
    for label in range(own.max() + 1):
        inside = random.permutation(np.flatnonzero(own == label))
        ranks = np.arange(len(inside))
        turn[inside] = np.where(ranks < 2, -1.0, (ranks + random.random()) / len(inside))
    return np.sort(np.argsort(turn, kind="stable")[:size])


def standard_error(values: Floats) -> Floats:
    """Standard error of the mean over the first axis (repeats, …); NaN where there was one draw only."""
    if len(values) < 2:
        return np.full(np.shape(values)[1:], np.nan)
    return np.std(values, axis=0, ddof=1) / np.sqrt(len(values))


def pair_distances(points: Floats) -> Floats:
    """Euclidean distances (N (N - 1) / 2,) of all pairs of points (N, D).

    Of wide points by |x|² + |y|² - 2xy: off by about 1e-8 of the longest vector where two cells are alike.
    """
    if points.shape[1] < MANY_DIMENSIONS:
        return pdist(points)
    centred = points - points.mean(axis=0)
    squares = np.einsum("ij,ij->i", centred, centred)
    matrix = squares[:, None] + squares - 2.0 * (centred @ centred.T)
    return np.sqrt(np.maximum(squareform(matrix, checks=False), 0.0))
