"""Raw values of every metric: mean over trainings, spread over trainings, and the controls' order."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean, stdev

import pandas as pd

from board.results import Results
from board.scores import as_is
from board.text import ranged
from metrics.table import Metric


@dataclass(frozen=True, kw_only=True, slots=True)
class Cell:
    """One metric of one contestant: mean and SD over ``trainings`` values, or why there is none.

    ``sd`` is null with fewer than two trainings. ``missing`` counts trainings
    without a value; ``status`` and ``reason`` are theirs. ``remark`` is about the values that are there.
    """

    mean: float | None
    sd: float | None
    trainings: int
    missing: int
    status: str
    reason: str
    remark: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sheet:
    """All raw values of one task, data set, access and readout."""

    task: str
    dataset: str
    access: str
    readout: str
    metrics: tuple[str, ...]
    models: tuple[str, ...]
    cells: Mapping[tuple[str, str], Cell]

    def means(self, metric: str) -> dict[str, float]:
        """Contestant → mean, where there is one."""
        pairs = ((model, self.cells.get((model, metric))) for model in self.models)
        return {model: cell.mean for model, cell in pairs if cell and cell.mean is not None}


def sheets(results: Results, *, metric_order: Mapping[str, Sequence[str]]) -> list[Sheet]:
    """One sheet a (task, data set, access, readout), in the study's order; metrics in the task's order."""
    rows = as_is(results.rows)
    rows = rows.assign(readout=rows["readout"].fillna("none"))
    grouped = dict(list(rows.groupby(["task", "dataset", "access", "readout"], sort=True)))
    tasks, datasets = list(results.study.tasks), list(results.study.datasets)
    order = sorted(grouped, key=lambda key: (tasks.index(key[0]), datasets.index(key[1]), *key[2:]))
    return [_sheet(results, key, grouped[key], known=metric_order[key[0]]) for key in order]


def _sheet(results: Results, key: tuple[str, ...], rows: pd.DataFrame, *, known: Sequence[str]) -> Sheet:
    task, dataset, access, readout = key
    present = set(rows["metric"])
    metrics = [name for name in known if name in present] + sorted(present - set(known))
    models = [name for name in results.study.models if name in set(rows["model"])]
    return Sheet(
        task=task,
        dataset=dataset,
        access=access,
        readout=readout,
        metrics=tuple(metrics),
        models=tuple(models),
        cells=_cells(rows),
    )


def _cells(rows: pd.DataFrame) -> dict[tuple[str, str], Cell]:
    """(contestant, metric) → cell; plain lists, since a page of many data sets has tens of thousands."""
    groups: dict[tuple[str, str], list[tuple[float, str, str]]] = {}
    columns = (rows[name].tolist() for name in ("model", "metric", "value", "status", "reason"))
    for model, metric, *found in zip(*columns, strict=True):
        groups.setdefault((model, metric), []).append(tuple(found))
    return {pair: cell(found) for pair, found in groups.items()}


def cell(found: Sequence[tuple[float, str, str]]) -> Cell:
    """Mean and SD over trainings, each ``(value, status, reason)``, of one contestant on one metric."""
    ok = [value for value, status, _ in found if status == "ok"]
    wrong = [(status, reason) for _, status, reason in found if status != "ok"]
    return Cell(
        mean=fmean(ok) if ok else None,
        sd=stdev(ok) if len(ok) > 1 else None,
        trainings=len(ok),
        missing=len(wrong),
        status=wrong[0][0] if wrong else "ok",
        reason="; ".join(sorted({reason for _, reason in wrong})),
        remark=ranged(reason or "" for _, status, reason in found if status == "ok"),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class ControlCheck:
    """Whether the controls stand in the order that a metric's definition demands.

    ``state`` is ``in order``, ``out of order``, ``tied`` (all have one value: the metric
    tells nothing apart here), ``no order expected`` or ``not checked``.
    """

    state: str
    detail: str = ""


def check_controls(metric: Metric, means: Mapping[str, float]) -> ControlCheck:
    """Compare neighbours of ``metric.control_order`` (best first) that have a value; some may tie."""
    if not metric.control_order:
        return ControlCheck(state="no order expected")
    seen = [name for name in metric.control_order if name in means]
    missing = [name for name in metric.control_order if name not in means]
    if len(seen) < 2:
        return ControlCheck(state="not checked", detail=f"no value of {', '.join(missing)}")
    sign = 1 if metric.higher_is_better else -1
    wrong = [(above, below) for above, below in pairwise(seen) if sign * (means[above] - means[below]) < 0]
    if wrong:
        told = [f"{low} ({means[low]:.3f}) beats {high} ({means[high]:.3f})" for high, low in wrong]
        return ControlCheck(state="out of order", detail="; ".join(told))
    detail = f"no value of {', '.join(missing)}" if missing else ""
    state = "tied" if len({means[name] for name in seen}) == 1 else "in order"
    return ControlCheck(state=state, detail=detail)
