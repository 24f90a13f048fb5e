"""Values of each contestant on a task's primary metric, as arrays over trainings and units."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tasks.study import Primary

UNIT_KINDS = ("donor:", "batch:")


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Sample:
    """One contestant on one metric of one data set in one access: S trainings, U units.

    ``whole`` (S,) holds the value over all cells, NaN where there is none. ``parts``
    (S, U) holds the value of each unit alone (``per_unit``) or with that unit left
    out, NaN where undefined. ``reason`` says why values are missing, ``""`` if none is.
    """

    units: tuple[str, ...]
    whole: np.ndarray
    parts: np.ndarray
    per_unit: bool
    reason: str

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


def primary_samples(
    rows: pd.DataFrame, primary: Mapping[str, Primary]
) -> dict[tuple[str, str, str], dict[str, Sample]]:
    """``(task, dataset, access)`` → contestant → its values on the task's primary metric."""
    groups: dict[tuple[str, str, str], dict[str, Sample]] = {}
    for task, rule in primary.items():
        chosen = primary_rows(rows, task=task, primary=rule)
        for (dataset, access), group in chosen.groupby(["dataset", "access"], sort=True):
            groups[task, dataset, access] = {
                model: sample(own) for model, own in group.groupby("model", sort=True)
            }
    return groups


def primary_rows(rows: pd.DataFrame, *, task: str, primary: Primary) -> pd.DataFrame:
    """Rows of one task's primary metric, with its readout where the task has one."""
    chosen = rows[(rows["task"] == task) & (rows["metric"] == primary.metric)]
    return chosen[chosen["readout"] == primary.readout] if primary.readout else chosen


def training(rows: pd.DataFrame) -> pd.Series:
    """Which training a row belongs to: pre-training seed and fitting seed, as one text."""
    seeds = rows[["pretrain_seed", "fit_seed"]].astype("object")
    return seeds.where(seeds.notna(), "-").astype(str).agg("/".join, axis=1)


def sample(rows: pd.DataFrame) -> Sample:
    """Arrange the rows of one contestant on one metric of one data set in one access."""
    rows = rows.assign(training=training(rows))
    per_unit = bool(rows["unit"].str.startswith(UNIT_KINDS).any())
    of_units = rows[rows["unit"].str.startswith(UNIT_KINDS if per_unit else "without:")]
    trainings = sorted(rows["training"].unique())
    wide = of_units.pivot(index="training", columns="unit", values="value").reindex(trainings)
    whole = rows[rows["unit"] == "set"].set_index("training")["value"].reindex(trainings)
    return Sample(
        units=tuple(str(unit).removeprefix("without:") for unit in wide.columns),
        whole=whole.to_numpy(dtype=float),
        parts=wide.to_numpy(dtype=float),
        per_unit=per_unit,
        reason=_reasons(rows),
    )


def _reasons(rows: pd.DataFrame) -> str:
    wrong = rows[(rows["status"] != "ok") & (rows["unit"] == "set")]
    if wrong.empty:
        wrong = rows[rows["status"] != "ok"]
    pairs = wrong[["status", "reason"]].drop_duplicates().sort_values(["status", "reason"])
    return "; ".join(
        f"{str(status).replace('_', ' ')}: {reason}" for status, reason in pairs.itertuples(index=False)
    )
