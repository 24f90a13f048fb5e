"""Ranks without weights: who is beaten by nobody, and how surely who is ahead of whom."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import t as student_t

from metrics.checks import Floats, Undefined

MIN_UNITS = 4


def pareto_fronts(scores: Mapping[str, Sequence[float]], *, eps: float = 0.0) -> list[list[str]]:
    """Sort contestants into fronts, best first, names sorted within; larger is better in every score.

    One dominates another if it is better somewhere and nowhere worse by more than ``eps``. With eps > 0
    this is no order (two can dominate each other, and then stay together in what is left); 0.001 is the
    value of Wu et al. (10.1186/s13059-025-03781-6). Undefined with NaN or infinity. Silent on
    uncertainty. O(M² S).
    """
    if eps < 0:
        raise ValueError(f"eps must not be negative, found {eps}")
    names = sorted(scores)
    if not names:
        return []
    values = np.array([scores[name] for name in names], dtype=np.float64)
    if values.ndim != 2:
        raise ValueError("every contestant needs the same number of scores")
    _refuse_gaps(names, values)
    gap = values[:, None] - values[None]
    dominates = (gap > 0).any(axis=2) & (gap >= -eps).all(axis=2)
    beaten_by = dominates.sum(axis=0)
    left, fronts = np.ones(len(names), dtype=bool), []
    while left.any():
        front = left & (beaten_by == 0)
        if not front.any():
            front = left.copy()  # a circle of mutual ε-dominance: nobody in it is ahead
        fronts.append([name for name, inside in zip(names, front, strict=True) if inside])
        beaten_by = beaten_by - dominates[front].sum(axis=0)
        left &= ~front
    return fronts


def _refuse_gaps(names: Sequence[str], values: Floats) -> None:
    broken = (~np.isfinite(values)).any(axis=1)
    if broken.any():
        raise Undefined(f"a value is missing for {names[int(broken.argmax())]}")


@dataclass(frozen=True)
class RankSet:
    """Ranks that the data allow a contestant: ``best`` to ``worst``, 1 the first; ``mean`` over units."""

    best: int
    worst: int
    mean: float


def rank_sets(
    values: Mapping[str, ArrayLike], *, level: float = 0.95, higher_is_better: bool = True
) -> dict[str, RankSet]:
    """Rank sets of contestants from one value a unit (U,) of each, units in the same order.

    All sets together hold all true ranks with probability ``level``: each pair's mean difference over
    units is tested at (1 - level) / pairs by Student's t; a contestant ranks behind those that surely
    beat it, and ahead of those that it surely beats. Ties share the better rank. A difference equal in all
    units has no spread to judge it by, and is not sure. Units are independent
    (donor means, jackknife pseudo-values), their differences roughly normal. Undefined with fewer than
    4 units or a missing value. O(M² U).
    Source: 10.1093/restud/rdad006, with Bonferroni's correction, which few units need, for its bootstrap.
    """
    if not 0 < level < 1:
        raise ValueError(f"level must lie in (0, 1), found {level}")
    names = sorted(values)
    if not names:
        return {}
    columns = [np.asarray(values[name], dtype=np.float64) for name in names]
    if len({column.shape for column in columns}) != 1 or columns[0].ndim != 1:
        raise ValueError(f"contestants differ in units: {[column.shape for column in columns]}")
    table = np.stack(columns)
    n_units = table.shape[1]
    if n_units < MIN_UNITS:
        raise Undefined(f"{n_units} units; at least {MIN_UNITS} are needed")
    _refuse_gaps(names, table)
    beats = _surely_above(table if higher_is_better else -table, alpha=1 - level)
    ahead, behind = beats.sum(axis=0), beats.sum(axis=1)
    return {
        name: RankSet(best=1 + int(ahead[i]), worst=len(names) - int(behind[i]), mean=float(table[i].mean()))
        for i, name in enumerate(names)
    }


def _surely_above(table: Floats, *, alpha: float) -> NDArray[np.bool_]:
    """Boolean (M, M): row i lies above row j in the mean, at a two-sided level alpha over all pairs."""
    m, n_units = table.shape
    n_pairs = max(1, m * (m - 1) // 2)
    gaps = table[:, None] - table[None]
    mean, error = gaps.mean(axis=2), gaps.std(axis=2, ddof=1) / np.sqrt(n_units)
    limit = student_t.isf(alpha / n_pairs / 2, n_units - 1)
    # Differences equal in all units (to rounding) are a lattice of few cells, not certainty.
    varies = error > np.abs(table).max() * 1e-12
    return varies & (mean > limit * error)
