"""One root a row, of many falling functions at once."""

from collections.abc import Callable

import numpy as np

from metrics.checks import Floats, Ints

STEPS = 100


def falling_root(
    function: Callable[[Floats, Ints], tuple[Floats, Floats]], n: int, *, tolerance: float
) -> Floats:
    """Find x (n,) > 0 with |function(x)| < tolerance by Newton's steps, kept inside a bracket.

    ``function(x, rows)`` gives values and slopes of the falling functions of ``rows`` at x. A row
    without a root ends at the edge of its bracket, where a step no longer changes it.
    """
    x, low, high = np.ones(n), np.zeros(n), np.full(n, np.inf)
    rows = np.arange(n)
    for _ in range(STEPS):
        here = x[rows]
        value, slope = function(here, rows)
        low[rows] = np.where(value > 0, here, low[rows])
        high[rows] = np.where(value > 0, high[rows], here)
        step = np.divide(value, slope, out=np.zeros_like(value), where=slope < 0)
        tried = here - step
        middle = np.where(np.isinf(high[rows]), 2 * here, (low[rows] + high[rows]) / 2)
        inside = (tried > low[rows]) & (tried < high[rows]) & (slope < 0)
        x[rows] = np.where(np.abs(value) < tolerance, here, np.where(inside, tried, middle))
        rows = rows[np.abs(value) >= tolerance]
        if not len(rows):
            break
    return x
