"""Intervals for a mean difference that rests on few independent units.

A gain has one variance from the units it was measured on and, where a recipe
rather than a checkpoint is judged, one from each side's training seeds. Each is
a ``Component``; ``combine`` adds them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats


@dataclass(frozen=True, kw_only=True, slots=True)
class Component:
    """One independent estimate of a part of the variance of a gain: squared standard error and its dof."""

    variance: float
    dof: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Interval:
    """``value`` with ``low`` and ``high`` at ``level``, resting on so many independent ``units``."""

    value: float
    low: float
    high: float
    level: float
    dof: float
    units: int

    @property
    def half_width(self) -> float:
        """Half the length: the smallest gain that this interval could have told from none."""
        return (self.high - self.low) / 2


def mean_component(values: np.ndarray) -> Component:
    """Variance of the mean of independent values (U,), U ≥ 2: units, or training seeds."""
    count = _at_least_two(values)
    return Component(variance=float(np.var(values, ddof=1)) / count, dof=count - 1)


def jackknife_component(left_out: np.ndarray) -> Component:
    """Variance of a statistic from its values (U,) with one unit left out each, U ≥ 2.

    ``(U - 1) / U · Σ (d_(-u) - mean)²``, which for a mean is ``mean_component`` exactly
    (Efron & Stein 1981, doi:10.1214/aos/1176345462).
    """
    count = _at_least_two(left_out)
    spread = float(np.sum((left_out - left_out.mean()) ** 2))
    return Component(variance=(count - 1) / count * spread, dof=count - 1)


def _at_least_two(values: np.ndarray) -> int:
    if values.ndim != 1 or len(values) < 2 or not np.isfinite(values).all():
        raise ValueError(f"a variance needs two or more finite values in one dimension, got {values!r}")
    return len(values)


def combine(value: float, components: Sequence[Component], *, level: float, units: int) -> Interval:
    """Student interval whose squared standard error is the sum of the components.

    Degrees of freedom after Satterthwaite (1946, doi:10.2307/3002019); with one
    component they are its own.
    """
    variance = sum(part.variance for part in components)
    if variance > 0:
        dof = variance**2 / sum(part.variance**2 / part.dof for part in components)
    else:
        dof = min(part.dof for part in components)
    half = float(stats.t.ppf((1 + level) / 2, dof) * np.sqrt(variance))
    return Interval(value=value, low=value - half, high=value + half, level=level, dof=dof, units=units)


def family_level(level: float, *, size: int) -> float:
    """Level of each interval of a family of ``size`` so that all hold together at ``level`` (Bonferroni)."""
    return 1 - (1 - level) / max(size, 1)
