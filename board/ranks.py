"""Which ranks the data allow the contestants on one task, data set and access: exploratory, no verdict."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import stats

from board.intervals import effective_units
from board.samples import Sample
from metrics import RankSet, Undefined, rank_sets


@dataclass(frozen=True, kw_only=True, slots=True)
class Ranks:
    """A rank set for each contestant that has a value for every unit; the others are ``left_out``.

    No set at all where ``reason`` says why.
    """

    sets: Mapping[str, RankSet]
    left_out: tuple[str, ...] = ()
    reason: str = ""


def ranks(
    samples: Mapping[str, Sample],
    *,
    level: float,
    higher_is_better: bool,
    kind: str,
    learned_from: int | None,
) -> Ranks:
    """Rank sets that hold together at ``level``, about these trainings, averaged.

    Every unit's distance from the mean is stretched until Student's t over units is as
    wide as the interval of a gain: for the units that were learned from, and in a
    jackknife for units that differ in size (``board.intervals``).
    """
    if kind == "none":
        return Ranks(sets={}, reason="this data set has no independent units")
    if learned_from == 0:
        return Ranks(sets={}, reason="it is not known how many units were learned from")
    units = sorted({unit for one in samples.values() for unit in one.units})
    values = {name: _values(one, units) for name, one in samples.items() if one.ok and one.units}
    shared = np.array([np.isfinite(own) for own in values.values()]).any(axis=0) if values else None
    complete = {name: own[shared] for name, own in values.items() if np.isfinite(own[shared]).all()}
    left_out = tuple(sorted(set(samples) - set(complete)))
    if not complete:
        return Ranks(sets={}, left_out=left_out, reason="nobody has a value for every unit")
    cells = _cells(
        samples, next(iter(complete)), [unit for unit, kept in zip(units, shared, strict=True) if kept]
    )
    by = _stretch(cells, n=len(complete), level=level, learned_from=learned_from)
    try:
        found = rank_sets(
            {name: own.mean() + by * (own - own.mean()) for name, own in complete.items()},
            level=level,
            higher_is_better=higher_is_better,
        )
    except Undefined as why:
        return Ranks(sets={}, left_out=left_out, reason=str(why))
    return Ranks(sets=found, left_out=left_out)


def _values(sample: Sample, units: list[str]) -> np.ndarray:
    """One value a unit (U,), the mean over trainings: its own, or its jackknife pseudo-value."""
    out = np.full(len(units), np.nan)
    own = sample.parts[sample.trained].mean(axis=0)
    if not sample.per_unit:
        n = len(own)
        own = n * sample.whole[sample.trained].mean() - (n - 1) * own
    for unit, value in zip(sample.units, own, strict=True):
        out[units.index(unit)] = value
    return out


def _cells(samples: Mapping[str, Sample], name: str, units: list[str]) -> np.ndarray:
    """Cells of each unit as far as they weigh: all alike where each unit has a value of its own."""
    sample = samples[name]
    if sample.per_unit:
        return np.ones(len(units))
    known = dict(zip(sample.units, sample.cells, strict=True))
    return np.array([known[unit] for unit in units])


def _stretch(cells: np.ndarray, *, n: int, level: float, learned_from: int | None) -> float:
    units, tail = len(cells), (1 - level) / max(1, n * (n - 1))
    allowance = np.sqrt(1 + units / learned_from) if learned_from else 1.0
    if units < 2 or np.count_nonzero(cells) < 2:
        return float(allowance)
    weighed, plain = stats.t.isf(tail, [effective_units(cells) - 1, units - 1])
    return float(allowance * weighed / plain)
