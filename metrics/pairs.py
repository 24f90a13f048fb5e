"""One blocked pass over all pairs of cells: nearest neighbours, and sums of distances by group.

Single precision proposes, double precision decides: the expansion |x|² + |y|² - 2xy in float32
is four times faster than differences, but loses digits. Neighbours are therefore chosen among
candidates by differences in float64, and rows for which digits could matter are done again in float64.
"""

import numpy as np

from metrics import gpu
from metrics.checks import Floats, Ints, Singles
from metrics.pairs_exact import nearest_exact, sums_exact
from metrics.tiles import CANDIDATES, Tiles

SMALL = 1024  # so few cells are done in float64 throughout


def nearest(points: Floats | Singles, k: int) -> tuple[Ints, Floats]:
    """Indices and distances (N, k) of the nearest others of centred points (N, D), ties by index.

    Points in float32 are decided in float32.
    """
    indices, distances, _ = scan(points, k=k)
    return indices, distances


def sums(points: Floats, own: Ints, *, cells: Ints | None = None) -> Floats:
    """Sums (M, L) of the distances of M cells (all unless given) to the cells of each of L groups."""
    return scan(points, own=own, cells=cells)[2]


def scan(
    points: Floats, *, k: int = 0, own: Ints | None = None, cells: Ints | None = None
) -> tuple[Ints, Floats, Floats]:
    """Neighbours' indices and distances (M, k), and distance sums (M, L), in one pass; O(M N D).

    On a GPU where there is one and the cells are many.

    ``points`` (N, D) float64, centred; ``own`` (N,) codes of groups; ``cells`` (M,) the rows wanted.
    """
    n_groups, rows = 0 if own is None else int(own.max()) + 1, cells
    if rows is None:
        rows = np.arange(len(points))
    if len(points) >= gpu.FROM and gpu.device():
        return gpu.scan_on(gpu.device(), points, k=k, own=own, n_groups=n_groups, cells=rows)
    if len(points) <= max(SMALL, 2 * (k + CANDIDATES)):
        return *nearest_exact(points, rows, k), sums_exact(points, rows, own, n_groups)
    return Tiles(points, cells, k=k, own=own, n_groups=n_groups).scan()
