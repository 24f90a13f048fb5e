"""One root a row, of many falling functions at once."""

from collections.abc import Callable

import numpy as np

from metrics.checks import Floats, Ints

STEPS = 100


def falling_root(
    function: Callable[[Floats, Ints], tuple[Floats, Floats]], n: int, *, tolerance: float
) -> Floats:
    """Find x (n,) > 0 with |function(x)| < tolerance by Newton's steps, kept inside a bracket.

    ``function(x, rows)`` gives values and slopes of the falling functions of ``rows`` at x; each must have
    a root.
    """
    x, low, high = np.ones(n), np.zeros(n), np.full(n, np.inf)
    rows = np.arange(n)
    for _ in range(STEPS):
        here = x[rows]
        value, slope = function(here, rows)
        low[rows] = np.where(value > 0, here, low[rows])
        high[rows] = np.where(value > 0, high[rows], here)
        # Where the function is nearly flat, a step would leave for far away.
        far = np.abs(value) >= -slope * 10 * here
        tried = here - np.divide(value, slope, out=np.zeros_like(value), where=~far)
        middle = np.where(np.isinf(high[rows]), 2 * here, (low[rows] + high[rows]) / 2)
        inside = ~far & (tried > low[rows]) & (tried < high[rows])
        x[rows] = np.where(np.abs(value) < tolerance, here, np.where(inside, tried, middle))
        rows = rows[np.abs(value) >= tolerance]
        if not len(rows):
            break
    return x
