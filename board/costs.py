"""Section 5 of the page: what it costs, and quality over cost."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from markupsafe import Markup

from board.evidence import Evidence
from board.results import Results, Run
from board.svg import Point, scatter
from board.text import NOTHING, seconds, size
from metrics import pareto_fronts
from metrics.table import Metric


@dataclass(frozen=True, kw_only=True, slots=True)
class Amount:
    """A number as text, and what to sort it by."""

    text: str
    order: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Cost:
    """One contestant on one data set with one fit: mean times and highest peaks of the runs that worked.

    ``device`` names the machines, too; ``date`` is that of the first run and the last.
    """

    dataset: str
    model: str
    fit: str
    amounts: tuple[Amount, ...]
    device: str
    date: str


def costs(results: Results) -> list[Cost]:
    """Times of pre-training, fitting, embedding, embedding 10,000 cells; peak memory and GPU memory."""
    groups: dict[tuple[str, str, str], list[Run]] = {}
    for run in results.runs:
        if run.ok:
            groups.setdefault((run.dataset, run.model, run.fit), []).append(run)
    return [_cost(key, runs) for key, runs in groups.items()]


def _cost(key: tuple[str, str, str], runs: list[Run]) -> Cost:
    dataset, model, fit = key
    stages = [_mean([run.seconds(stage) for run in runs]) for stage in ("pretrain", "fit", "embed")]
    times = [_amount(value, seconds) for value in [*stages, unit_cost(runs)]]
    peaks = [_amount(_peak(runs, what), size) for what in ("peak_rss_bytes", "peak_gpu_bytes")]
    devices, dates = (sorted({str(run.cost.get(w) or NOTHING) for run in runs}) for w in ("device", "date"))
    machines = sorted({str(run.cost["machine"]) for run in runs if run.cost.get("machine")})
    return Cost(
        dataset=dataset,
        model=model,
        fit=fit,
        amounts=(*times, *peaks),
        device="; ".join([", ".join(devices), *machines]),
        date=dates[0] if dates[0] == dates[-1] else f"{dates[0]} to {dates[-1]}",
    )


def unit_cost(runs: list[Run]) -> float | None:
    """Seconds for embedding 10,000 cells, the mean over the runs that worked."""
    return _mean([run.cost.get("seconds_per_10k_cells") for run in runs if run.ok])


def spent(runs: list[Run]) -> float | None:
    """Seconds that a data set costs, fitting and embedding, the mean over the runs that worked.

    Embedding alone would call a contestant cheap that does its work while it is fitted.
    """
    return _mean([_spent(run) for run in runs if run.ok])


def _spent(run: Run) -> float | None:
    embed = run.seconds("embed")
    return None if embed is None else embed + (run.seconds("fit") or 0.0)


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _peak(runs: list[Run], what: str) -> float | None:
    return max((run.cost[what] for run in runs if run.cost.get(what) is not None), default=None)


def _amount(value: float | None, show: Callable[[float | None], str]) -> Amount:
    return Amount(text=show(value), order=value)


@dataclass(frozen=True, kw_only=True, slots=True)
class Picture:
    """Quality over cost of one task, data set and access, and its Pareto fronts, best first.

    Controls are in no front: what sees the truth, or nothing, is not for sale.
    """

    title: str
    svg: Markup
    fronts: tuple[tuple[str, ...], ...]


def pictures(results: Results, evidence: Evidence, metrics: Mapping[str, Metric]) -> list[Picture]:
    """One picture a task, data set and access with two or more points."""
    out = []
    for key in evidence.references:
        task, dataset, access = key
        points = _points(results, evidence, key)
        if len(points) > 1:
            metric = metrics[results.study.primary[task].metric]
            title = f"{metric.title} over cost: {task}, {dataset}, {access}"
            fronts = _fronts(points, sign=1 if metric.higher_is_better else -1)
            svg = scatter(points, title=title, quality=metric.title, front=fronts[0] if fronts else ())
            out.append(Picture(title=title, svg=svg, fronts=fronts))
    return out


def _fronts(points: list[Point], *, sign: int) -> tuple[tuple[str, ...], ...]:
    """Who is beaten by nobody in both quality and cost, then who is beaten by these alone, and so on."""
    scores = {p.name: (sign * p.quality, -p.cost) for p in points if p.kind != "control"}
    return tuple(map(tuple, pareto_fronts(scores)))


def _points(results: Results, evidence: Evidence, key: tuple[str, str, str]) -> list[Point]:
    _, dataset, access = key
    reference = evidence.references[key]
    values = {c.model: c.value for c in evidence.comparisons if (c.task, c.dataset, c.access) == key}
    values[results.study.reference] = reference.value if reference else None
    found = []
    for model, value in values.items():
        runs = results.runs_of(model, dataset=dataset, access=access)
        cost = spent(runs)
        if value is not None and cost:
            found.append(Point(name=model, cost=cost, quality=value, kind=results.kind(model)))
    return found
