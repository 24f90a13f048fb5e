"""How much one contestant exceeds another, paired over units, and how surely."""

from dataclasses import dataclass, replace

import numpy as np

from board.intervals import Component, Interval, combine, jackknife_component, learned, mean_component
from board.samples import Sample

FEWEST_UNITS = 4  # below this an interval is wider than the metric, and no verdict is given
FEWEST_TRAININGS = 5  # below this an interval is about these trainings, not about the recipe
NO_SPREAD = 1e-9  # gains of units that are equal to rounding tell nothing of the next unit


@dataclass(frozen=True, kw_only=True, slots=True)
class Gain:
    """How much a contestant exceeds the reference (up is better), what it rests on, and what was left out.

    ``value`` is null where either side has none; ``interval`` also where there are
    fewer than ``FEWEST_UNITS`` independent units. ``scope`` says what the interval speaks about.
    """

    value: float | None
    interval: Interval | None
    units: int
    scope: str = ""
    reason: str = ""


def gain(
    own: Sample,
    reference: Sample | None,
    *,
    sign: int,
    level: float,
    fixed: tuple[bool, bool],
    planned: int,
    kind: str,
    learned_from: int | None,
) -> Gain:
    """How much ``own`` exceeds ``reference``, paired over the units that both have.

    Parameters
    ----------
    sign
        -1 for a metric of which less is better: a gain above 0 is always better.
    level
        Of the interval, family-wise correction included.
    fixed
        Whether own and reference are deterministic, so that training adds no variance.
    planned
        How many trainings of ``own`` were run, failed ones included.
    kind
        ``donor``, ``batch`` or ``none``: what an independent unit is.
    learned_from
        How many units either side, or a probe on them, was fitted on; null where nothing was.
    """
    if not own.ok:
        return Gain(value=None, interval=None, units=0, reason=own.reason)
    if reference is None or not reference.ok:
        why = reference.reason if reference else "it has no run here"
        return Gain(value=None, interval=None, units=0, reason=f"the reference has no value ({why})")
    independent = kind != "none"
    paired = _Paired.of(own, reference, sign=sign)
    if paired is None:
        return Gain(value=None, interval=None, units=0, reason="no unit has a value on both sides")
    units = len(paired.parts) if independent else 0
    scope, seeded = _scope(paired, fixed=fixed, planned=planned)
    blank = Gain(value=paired.value, interval=None, units=units, scope=scope, reason=paired.left_out)
    if not independent:
        return replace(blank, reason="this data set has no independent units")
    if units < FEWEST_UNITS:
        return blank
    if not paired.per_unit and paired.left_out:
        return replace(blank, reason=f"the jackknife is incomplete: {paired.left_out}")
    if np.ptp(paired.parts) < NO_SPREAD:
        return replace(blank, reason="every unit shows the same gain, so their spread cannot be estimated")
    if learned_from == 0:
        return replace(blank, reason="it is not known how many units were learned from")
    if not paired.per_unit and np.count_nonzero(paired.cells) < 2:
        return replace(blank, reason="it is not known how many cells each unit holds")
    if paired.per_unit:
        of_units = mean_component(paired.parts)
    else:
        of_units = jackknife_component(paired.parts, paired.cells)
    if learned_from is not None:
        of_units = learned(of_units, units=units, learned_from=learned_from)
    interval = combine(paired.value, [of_units, *seeded], level=level, units=units)
    return replace(blank, interval=interval)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Paired:
    """Differences and cells (U,) of common units, each side's values (S,) by training; up is better."""

    value: float
    parts: np.ndarray
    cells: np.ndarray
    own: np.ndarray
    reference: np.ndarray
    per_unit: bool
    left_out: str

    @classmethod
    def of(cls, own: Sample, reference: Sample, *, sign: int) -> "_Paired | None":
        units = sorted(set(own.units) | set(reference.units))
        mine, theirs = _aligned(own, units), _aligned(reference, units)
        common = np.isfinite(mine).all(axis=0) & np.isfinite(theirs).all(axis=0)
        missing = [unit for unit, both in zip(units, common, strict=True) if not both]
        left_out = f"no value on both sides for {', '.join(missing)}" if missing else ""
        if own.per_unit and not common.any():
            return None
        mine, theirs = sign * mine[:, common], sign * theirs[:, common]
        if own.per_unit:
            by_training = mine.mean(axis=1), theirs.mean(axis=1)
        else:
            by_training = sign * own.whole[own.trained], sign * reference.whole[reference.trained]
        return cls(
            value=float(by_training[0].mean() - by_training[1].mean()),
            parts=mine.mean(axis=0) - theirs.mean(axis=0),
            cells=_cells(own, units)[common],
            own=by_training[0],
            reference=by_training[1],
            per_unit=own.per_unit,
            left_out=left_out,
        )


def _aligned(sample: Sample, units: list[str]) -> np.ndarray:
    """``parts`` of the trainings that have a value, its columns put in the order of ``units``."""
    parts = sample.parts[sample.trained]
    out = np.full((len(parts), len(units)), np.nan)
    out[:, [units.index(unit) for unit in sample.units]] = parts
    return out


def _cells(sample: Sample, units: list[str]) -> np.ndarray:
    found = dict(zip(sample.units, sample.cells, strict=True))
    return np.array([found.get(unit, 0.0) for unit in units])


def _scope(paired: _Paired, *, fixed: tuple[bool, bool], planned: int) -> tuple[str, list[Component]]:
    """What the interval speaks about, and the variances that training adds to it."""
    sides = [side for side, still in zip((paired.own, paired.reference), fixed, strict=True) if not still]
    count = len(paired.own)
    of = f" of {planned}" if planned > count else ""
    if not sides:
        return "Run once (deterministic).", []
    if min(len(side) for side in sides) >= FEWEST_TRAININGS:
        whose, number = ("reference's ", len(paired.reference)) if fixed[0] else ("", f"{count}{of}")
        return f"About the {whose}recipe ({number} trainings).", [mean_component(side) for side in sides]
    if fixed[0]:
        return "About these trainings of the reference.", []
    return ("About this training." if count == 1 and not of else f"About these {count}{of} trainings."), []
