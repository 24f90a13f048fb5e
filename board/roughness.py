"""Roughness against task loss: whether ROGI-XD of the training units foretells how well types are named.

Descriptive: no verdict rests on it. What it is worth as a rule of choice is weighed in ``board.advice``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from markupsafe import Markup

from board.advice import ACCESSES, beforehand
from board.evidence import Evidence
from board.results import Results
from board.svg import Point, scatter
from metrics.table import Metric

TASK = "annotation"
ACROSS = "ROGI-XD of the training units (lower is smoother)"
FEWEST = 4
"""Contestants that a correlation of ranks needs: three stand in one of six orders, which says nothing."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rough:
    """One contestant: ROGI-XD of the training units (0 to 1, lower is smoother), and its loss on the test."""

    model: str
    rogi: float
    loss: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Roughness:
    """One data set and access: its contestants by rising roughness; ``correlation`` is Spearman's (-1 to 1).

    Null, and a ``reason``, with fewer than 4 contestants, or where all have one roughness or one loss.
    """

    id: str
    dataset: str
    access: str
    loss: str
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
        before = beforehand(results, access=access)
        for entry in results.datasets:
            samples = evidence.samples.get((TASK, entry.id, access), {})
            lines = [
                Rough(model=model, rogi=known["rogi"], loss=abs(metric.best - sample.value))
                for model, sample in samples.items()
                if sample.value is not None and not results.is_control(model)
                if "rogi" in (known := before.get((entry.id, model), {}))
            ]
            if len(lines) > 1:
                lines.sort(key=lambda line: (line.rogi, line.model))
                found.append(_view(results, lines, metric, dataset=entry.id, access=access))
    return found


def _view(
    results: Results, lines: Sequence[Rough], metric: Metric, *, dataset: str, access: str
) -> Roughness:
    loss = f"{metric.best:g} − {metric.title.lower()}" if metric.higher_is_better else metric.title.lower()
    points = [
        Point(name=line.model, cost=line.rogi, quality=line.loss, kind=results.kind(line.model))
        for line in lines
    ]
    title = f"{loss} over ROGI-XD of the training units: {dataset}, {access}"
    correlation, reason = rank_correlation([line.rogi for line in lines], [line.loss for line in lines])
    return Roughness(
        id=f"roughness-{dataset}-{access}",
        dataset=dataset,
        access=access,
        loss=loss,
        lines=tuple(lines),
        correlation=correlation,
        reason=reason,
        picture=scatter(
            points, title=title, quality=loss, across="ROGI-XD of the training units (lower is smoother)"
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
