"""Which units train and which test: whole donors or batches, never single cells.

A cell whose unit is unknown could belong to a donor of the other side, so it is
*excluded* from both. With fewer than two units there is no split: every cell is
``test``, nothing can be fitted on train, and a task that needs both sides is not
applicable.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

TRAIN, TEST, EXCLUDED = "train", "test", "excluded"
CANDIDATES = 256


def split_parts(
    units: Sequence[str | None],
    *,
    batches: Sequence[str | None],
    labels: Sequence[str | None],
    test_fraction: float,
    seed: int,
) -> np.ndarray:
    """Give each of N cells its part.

    Of 256 random orders of the units, each cut where the test side is nearest to
    ``test_fraction`` of the cells, the best is taken: labels absent from train weigh
    most, then batches of several units that are on one side only, then labels absent
    from test, then the distance from the fraction.

    Parameters
    ----------
    units, batches, labels
        (N,) text, ``None`` where unknown.
    test_fraction
        Share of the cells that the test side should hold, between 0 and 1.

    Returns
    -------
    (N,) text: ``train``, ``test`` or ``excluded``; the same for the same arguments.
    """
    codes, names = _codes(units)
    if len(names) < 2:
        return np.full(len(codes), TEST, dtype=object)
    in_test = _best_cut(
        sizes=np.bincount(codes[codes >= 0], minlength=len(names)),
        batch_counts=_table(codes, batches, len(names)),
        label_counts=_table(codes, labels, len(names)),
        test_fraction=test_fraction,
        seed=seed,
    )
    parts = np.where(in_test[codes], TEST, TRAIN).astype(object)
    parts[codes < 0] = EXCLUDED
    return parts


def _codes(values: Sequence[str | None]) -> tuple[np.ndarray, list[str]]:
    codes, names = pd.factorize(pd.Series(list(values), dtype=object), sort=True)
    return codes, list(names)


def _table(codes: np.ndarray, values: Sequence[str | None], n_units: int) -> np.ndarray:
    """(U, V) cells of each unit with each value; unknown units and values are left out."""
    columns, names = _codes(values)
    counts = np.zeros((n_units, len(names)), dtype=np.int64)
    known = (codes >= 0) & (columns >= 0)
    np.add.at(counts, (codes[known], columns[known]), 1)
    return counts


def _best_cut(
    *,
    sizes: np.ndarray,
    batch_counts: np.ndarray,
    label_counts: np.ndarray,
    test_fraction: float,
    seed: int,
) -> np.ndarray:
    rng = np.random.default_rng(seed)
    best, best_cost = np.zeros(len(sizes), dtype=bool), (np.inf,)
    several = batch_counts[:, (batch_counts > 0).sum(axis=0) > 1]
    for _ in range(CANDIDATES):
        in_test = _cut(rng.permutation(len(sizes)), sizes=sizes, test_fraction=test_fraction)
        cost = (
            _absent(label_counts[~in_test]),
            _absent(several[in_test]) + _absent(several[~in_test]),
            _absent(label_counts[in_test]),
            abs(sizes[in_test].sum() / sizes.sum() - test_fraction),
        )
        if cost < best_cost:
            best, best_cost = in_test, cost
    return best


def _cut(order: np.ndarray, *, sizes: np.ndarray, test_fraction: float) -> np.ndarray:
    """Put the first units of ``order`` into test, as many as come nearest; each side keeps one at least."""
    shares = np.cumsum(sizes[order])[:-1] / sizes.sum()
    n_test = 1 + int(np.argmin(np.abs(shares - test_fraction)))
    in_test = np.zeros(len(order), dtype=bool)
    in_test[order[:n_test]] = True
    return in_test


def _absent(counts: np.ndarray) -> int:
    return int((counts.sum(axis=0) == 0).sum())
