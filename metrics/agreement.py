"""Do two layouts of the same types agree? Their distances by column, and against shuffled types."""

import numpy as np

from metrics.checks import Floats


def correlations(found: Floats, wanted: Floats, weights: Floats) -> Floats:
    """Weighted Pearson correlation of each column (..., T) of found (..., T, T) and wanted (T, T).

    Entries of weight 0 do not count and may be NaN in ``wanted``. NaN where a column does not vary.
    """
    wanted = np.where(weights > 0, wanted, 0.0)
    total = weights.sum(axis=0)
    share = weights / np.where(total > 0, total, np.nan)
    x = found - (share * found).sum(axis=-2, keepdims=True)
    y = wanted - (share * wanted).sum(axis=0)
    together = (share * x * y).sum(axis=-2)
    spread = np.sqrt((share * x**2).sum(axis=-2) * (share * y**2).sum(axis=0))
    scale = np.maximum(np.abs(found).max(axis=-2) * np.abs(wanted).max(axis=0), np.finfo(float).tiny)
    return np.divide(together, spread, out=np.full_like(together, np.nan), where=spread > 1e-12 * scale)


def correlate(a: Floats, b: Floats, weights: Floats | None = None) -> float:
    """Pearson correlation of two vectors, weighted where weights are given; NaN where one does not vary."""
    if len(a) < 2:
        return np.nan
    weights = np.ones_like(a) if weights is None else weights
    return float(correlations(a[:, None], b[:, None], weights[:, None])[0])


def mean_known(values: Floats) -> Floats:
    """Mean over the first axis of what is not NaN; NaN where nothing is known."""
    known = ~np.isnan(values)
    counts = known.sum(axis=0)
    total = np.where(known, values, 0.0).sum(axis=0)
    return np.divide(total, counts, out=np.full(np.shape(total), np.nan), where=counts > 0)


def agreement(found: Floats, wanted: Floats, weights: Floats) -> float:
    """Mean over types of the mean over K draws of correlations of found (K, T, T); NaN if none is known."""
    return float(mean_known(mean_known(correlations(found, wanted, weights))))


def against_shuffled(
    found: Floats, wanted: Floats, weights: Floats, *, n_permutations: int, seed: int
) -> tuple[float, float]:
    """z-score and one-sided p-value of the agreement of found (K, T, T), were its types exchangeable.

    NaN with fewer than 2 permutations, or where none of them makes a difference. O(permutations · K T²).
    """
    observed = agreement(found, wanted, weights)
    random = np.random.default_rng(seed)
    orders = (random.permutation(len(wanted)) for _ in range(n_permutations))
    null = np.array([agreement(found[:, order][:, :, order], wanted, weights) for order in orders])
    if n_permutations < 2 or np.isnan(observed) or np.isnan(null).any() or null.std() < 1e-9:
        return np.nan, np.nan
    at_least = np.sum(null >= observed - 1e-12)
    return float((observed - null.mean()) / null.std(ddof=1)), float((1 + at_least) / (1 + n_permutations))
