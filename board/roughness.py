"""Roughness against task loss: whether smooth embeddings are those that name types well.

ROGI-XD is that of the training units where the study measured it there (``tasks.beforehand``), else that of
the test cells. Descriptive: no verdict rests on it. What it is worth as a rule of choice is weighed in
``board.advice``, by the training units alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from markupsafe import Markup

from board.advice import ACCESSES
from board.evidence import Evidence
from board.results import Results
from board.svg import Point, scatter
from metrics.table import Metric
from tasks.table import BEFOREHAND

TASK = "annotation"
TRAINING, TEST = "training units", "test cells"
MOST_DRAWN = 8
"""Pictures on a page: of twenty data sets they would be a tenth of it."""

FEWEST = 4
"""Contestants that a correlation of ranks needs: three stand in one of six orders, which says nothing."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rough:
    """One contestant: ROGI-XD (0 to 1, lower is smoother), and its loss on the test."""

    model: str
    rogi: float
    loss: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Roughness:
    """One data set and access: its contestants by rising roughness; ``correlation`` is Spearman's (-1 to 1).

    ``where`` says of which cells the roughness is. The correlation is null, and there is a ``reason``, with
    fewer than 4 contestants, or where all have one roughness or one loss.
    """

    id: str
    dataset: str
    access: str
    loss: str
    where: str
    lines: tuple[Rough, ...]
    correlation: float | None
    reason: str
    picture: Markup


def roughnesses(results: Results, evidence: Evidence, metrics: Mapping[str, Metric]) -> list[Roughness]:
    """A view of each data set and access where two contestants or more have both; controls are left out."""
    if TASK not in results.study.tasks:
        return []
    metric = metrics[results.study.primary[TASK].metric]
    found = []
    for access in ACCESSES:
        known = _roughness(results, access=access)
        for entry in results.datasets:
            where, rogi = known.get(entry.id, (TEST, {}))
            samples = evidence.samples.get((TASK, entry.id, access), {})
            lines = [
                Rough(model=model, rogi=rogi[model], loss=abs(metric.best - sample.value))
                for model, sample in samples.items()
                if sample.value is not None and not results.is_control(model) and model in rogi
            ]
            if len(lines) > 1:
                lines.sort(key=lambda line: (line.rogi, line.model))
                found.append(_view(results, lines, metric, dataset=entry.id, access=access, where=where))
    return found


def _roughness(results: Results, *, access: str) -> dict[str, tuple[str, dict[str, float]]]:
    """Data set → of which cells, and contestant → ROGI-XD, the mean over trainings; never of both kinds."""
    rows = results.rows
    rows = rows[(rows["access"] == access) & (rows["status"] == "ok")]
    rows = rows[(rows["metric"] == "rogi_xd") & (rows["geometry"] == "as_is")]
    found = {}
    for unit, where in (("set", TEST), (BEFOREHAND, TRAINING)):
        own = rows[rows["unit"] == unit]
        for dataset, of in own.groupby("dataset"):
            found[dataset] = (where, of.groupby("model")["value"].mean().to_dict())
    return found


def _view(
    results: Results, lines: Sequence[Rough], metric: Metric, *, dataset: str, access: str, where: str
) -> Roughness:
    loss = f"{metric.best:g} − {metric.title.lower()}" if metric.higher_is_better else metric.title.lower()
    points = [
        Point(name=line.model, cost=line.rogi, quality=line.loss, kind=results.kind(line.model))
        for line in lines
    ]
    title = f"{loss} over ROGI-XD of the {where}: {dataset}, {access}"
    correlation, reason = rank_correlation([line.rogi for line in lines], [line.loss for line in lines])
    return Roughness(
        id=f"roughness-{dataset}-{access}",
        dataset=dataset,
        access=access,
        loss=loss,
        where=where,
        lines=tuple(lines),
        correlation=correlation,
        reason=reason,
        picture=scatter(
            points, title=title, quality=loss, across=f"ROGI-XD of the {where} (lower is smoother)"
        ),
    )


def rank_correlation(x: Sequence[float], y: Sequence[float]) -> tuple[float | None, str]:
    """Spearman's correlation (-1 to 1; about 0 by chance) of two rows of n values, or why there is none.

    Ties share their mean rank. Spearman 1904, doi:10.2307/1412159.
    """
    if len(x) < FEWEST:
        return None, f"{len(x)} contestants; {FEWEST} are needed"
    ranks = [pd.Series(values).rank().to_numpy() for values in (x, y)]
    if any(np.ptp(own) == 0 for own in ranks):
        return None, "all contestants have the same value"
    return float(np.corrcoef(*ranks)[0, 1]), ""
