"""Values of each contestant on a task's primary metric, as arrays over trainings and units."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from tasks.study import Primary

UNIT_KINDS = ("donor:", "batch:")
Geometry = Literal["as_is", "whitened"]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Sample:
    """One contestant on one metric of one data set in one access: S trainings, U units.

    ``whole`` (S,) holds the value over all cells, NaN where there is none. ``parts``
    (S, U) holds the value of each unit alone (``per_unit``) or with that unit left
    out, NaN where undefined. ``cells`` (U,) are those of each unit. ``reason`` says why
    values are missing, ``""`` if none is; ``failed`` counts trainings that failed.
    """

    units: tuple[str, ...]
    whole: np.ndarray
    parts: np.ndarray
    cells: np.ndarray
    per_unit: bool
    reason: str
    failed: int = 0

    @property
    def ok(self) -> bool:
        """Whether any training has a value."""
        return bool(len(self.trained))

    @property
    def trained(self) -> np.ndarray:
        """Indices of the trainings that have a value."""
        values = self.parts if self.per_unit else self.whole[:, None]
        return np.flatnonzero(np.isfinite(values).any(axis=1))

    @property
    def value(self) -> float | None:
        """Mean over trainings of the mean over units (``per_unit``), else of the value over all cells."""
        if not self.ok:
            return None
        values = self.parts if self.per_unit else self.whole[:, None]
        return float(np.nanmean(values[self.trained], axis=1).mean())


class _Row(NamedTuple):
    """What counts of a score row, once it is known whose it is."""

    training: str
    split: str
    unit: str
    n: int
    value: float
    status: str
    reason: str


def primary_samples(
    rows: pd.DataFrame, primary: Mapping[str, Primary], *, geometry: Geometry = "as_is"
) -> dict[tuple[str, str, str], dict[str, Sample]]:
    """``(task, dataset, access)`` → contestant → its values on the task's primary metric."""
    groups: dict[tuple[str, str, str], dict[str, list[_Row]]] = {}
    for task, rule in primary.items():
        chosen = primary_rows(rows, task=task, primary=rule, geometry=geometry)
        chosen = chosen.assign(
            training=training(chosen), n=chosen["n"].fillna(0), split=chosen["split"].fillna("")
        )
        chosen = chosen.sort_values(["dataset", "access", "model"])
        columns = [
            "dataset",
            "access",
            "model",
            "training",
            "split",
            "unit",
            "n",
            "value",
            "status",
            "reason",
        ]
        for dataset, access, model, *own in chosen[columns].itertuples(index=False, name=None):
            groups.setdefault((task, dataset, access), {}).setdefault(model, []).append(_Row(*own))
    return {key: {model: _sample(own) for model, own in models.items()} for key, models in groups.items()}


def primary_rows(
    rows: pd.DataFrame, *, task: str, primary: Primary, geometry: Geometry = "as_is"
) -> pd.DataFrame:
    """Rows of one task's primary metric, with its readout where the task has one, and all labels it may see.

    What a few labels of each type give (``shots``) is another question.
    """
    whole = rows["shots"].isna() & rows["draw"].isna() & (rows["geometry"] == geometry)
    chosen = rows[whole & (rows["task"] == task) & (rows["metric"] == primary.metric)]
    return chosen[chosen["readout"] == primary.readout] if primary.readout else chosen


def training(rows: pd.DataFrame) -> pd.Series:
    """Which training a row belongs to: pre-training seed and fitting seed, as one text."""
    seeds = rows[["pretrain_seed", "fit_seed"]].astype("object")
    first, second = (seeds[name].where(seeds[name].notna(), "-").astype(str) for name in seeds)
    return first + "/" + second


def _sample(rows: Sequence[_Row]) -> Sample:
    """Arrange the rows of one contestant on one metric of one data set in one access.

    Of several splits, the value over all cells is the mean over splits, and a unit's own value the
    mean over those that test it. Leaving a unit out changes only these; where one of
    them has no value, the mean has none.
    """
    if len({(row.training, row.split, row.unit) for row in rows}) < len(rows):
        raise ValueError("two values of one unit in one training and split")
    per_unit = any(row.unit.startswith(UNIT_KINDS) for row in rows)
    of_units = [row for row in rows if row.unit.startswith(UNIT_KINDS if per_unit else "without:")]
    trainings, splits = _places(row.training for row in rows), _places(row.split for row in rows)
    units = _places(row.unit for row in of_units)
    whole = np.full((len(trainings), len(splits)), np.nan)
    parts = np.full((len(trainings), len(splits), len(units)), np.nan)
    tested = np.zeros((len(splits), len(units)), dtype=bool)
    for row in rows:
        if row.unit == "set":
            whole[trainings[row.training], splits[row.split]] = row.value
    for row in of_units:
        at = splits[row.split], units[row.unit]
        parts[trainings[row.training], *at] = row.value
        tested[at] = True
    if per_unit:
        parts = np.where(tested, parts, 0).sum(axis=1) / tested.sum(axis=0)
    else:
        parts = np.where(tested, parts, whole[:, :, None]).mean(axis=1)
    return Sample(
        units=tuple(name.removeprefix("without:") for name in units),
        whole=whole.mean(axis=1),
        parts=parts,
        cells=_cells(rows, of_units, units=units, per_unit=per_unit),
        per_unit=per_unit,
        reason=_reasons(rows),
        failed=len({row.training for row in rows if row.status == "failed" and row.unit == "set"}),
    )


def _places(names: Iterable[str]) -> dict[str, int]:
    return {name: place for place, name in enumerate(sorted(set(names)))}


def _cells(
    rows: Sequence[_Row], of_units: Sequence[_Row], *, units: Mapping[str, int], per_unit: bool
) -> np.ndarray:
    """Cells (U,) of each unit: of its own value, or those that leaving it out took from its split."""
    whole: dict[str, int] = {}
    for row in rows:
        if row.unit == "set":
            whole[row.split] = max(whole.get(row.split, 0), row.n)
    cells = np.zeros(len(units))
    for row in of_units:
        cells[units[row.unit]] = row.n if per_unit else max(whole.get(row.split, 0) - row.n, 0)
    return cells


def _reasons(rows: Sequence[_Row]) -> str:
    wrong = [row for row in rows if row.status != "ok"]
    of_set = [row for row in wrong if row.unit == "set"]
    pairs = sorted({(row.status, row.reason) for row in of_set or wrong})
    return "; ".join(f"{status.replace('_', ' ')}: {reason}" for status, reason in pairs)
