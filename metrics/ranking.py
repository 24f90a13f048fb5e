"""Ranks without weights: who is beaten by nobody."""

from collections.abc import Mapping, Sequence

import numpy as np

from metrics.checks import Undefined


def pareto_fronts(scores: Mapping[str, Sequence[float]], *, eps: float = 0.0) -> list[list[str]]:
    """Sort contestants into fronts, best first, names sorted within; larger is better in every score.

    One dominates another if it is better somewhere and nowhere worse by more than ``eps``. With eps > 0
    this is no order (two can dominate each other, and then stay together in what is left); 0.001 is the
    value of Wu et al. (10.1186/s13059-025-03781-6). Undefined with NaN. Silent on uncertainty. O(M² S).
    """
    if eps < 0:
        raise ValueError(f"eps must not be negative, found {eps}")
    names = sorted(scores)
    if not names:
        return []
    values = np.array([scores[name] for name in names], dtype=np.float64)
    if values.ndim != 2:
        raise ValueError("every contestant needs the same number of scores")
    if np.isnan(values).any():
        raise Undefined(f"a score is missing for {names[int(np.isnan(values).any(axis=1).argmax())]}")
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
