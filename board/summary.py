"""Mean values over data sets: over those that all contestants share, with what is missing in sight."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from board.evidence import Evidence
from board.results import Results
from board.samples import Sample
from metrics.table import Metric


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """One contestant: its mean over the common data sets, and on how many data sets it has a value.

    ``if_worst`` is the mean over all data sets where it has a value or failed, each failed
    training counted as the worst value there is; null where that has no bottom.
    """

    model: str
    mean: float | None
    covered: int
    failed: int
    if_worst: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Summary:
    """A task, access and source of labels over two or more real data sets; ``common`` are those all share.

    A contestant without any value is listed, but takes no data set away from the others.
    """

    task: str
    access: str
    label_source: str
    datasets: tuple[str, ...]
    common: tuple[str, ...]
    lines: tuple[Line, ...]


def summaries(results: Results, evidence: Evidence, metrics: Mapping[str, Metric]) -> list[Summary]:
    """Summaries of two or more data sets that anyone but controls entered, best mean first; no verdict."""
    groups: dict[tuple[str, str, str], list[str]] = {}
    for task, dataset, access in evidence.samples:
        entry = results.dataset(dataset)
        if entry.ok and not entry.simulated:
            source = str(entry.report.get("label_source") or "not stated")
            groups.setdefault((task, access, source), []).append(dataset)
    found = (
        _summary(results, evidence, metrics[results.study.primary[key[0]].metric], key=key, datasets=names)
        for key, names in groups.items()
        if len(names) > 1
    )
    return [one for one in found if one.lines]


def _summary(
    results: Results,
    evidence: Evidence,
    metric: Metric,
    *,
    key: tuple[str, str, str],
    datasets: Sequence[str],
) -> Summary:
    task, access, source = key
    found = {name: evidence.samples[task, name, access] for name in datasets}
    models = [
        model
        for model in results.study.models
        if not results.is_control(model) and any(model in own for own in found.values())
    ]
    valued = {
        model: {name for name, own in found.items() if model in own and own[model].ok} for model in models
    }
    some = [names for names in valued.values() if names]
    common = tuple(name for name in datasets if some and all(name in names for names in some))
    lines = [
        _line(
            model,
            [found[name].get(model) for name in datasets],
            common=_of(found, model, common),
            metric=metric,
        )
        for model in models
    ]
    sign = -1 if metric.higher_is_better else 1
    lines.sort(key=lambda line: (line.mean is None, sign * (line.mean or 0.0), line.model))
    return Summary(
        task=task,
        access=access,
        label_source=source,
        datasets=tuple(datasets),
        common=common,
        lines=tuple(lines),
    )


def _of(found: Mapping[str, Mapping[str, Sample]], model: str, common: Sequence[str]) -> list[float]:
    own = [found[name][model].value for name in common if model in found[name]]
    return [value for value in own if value is not None]


def _line(model: str, samples: Sequence[Sample | None], *, common: list[float], metric: Metric) -> Line:
    known = [one for one in samples if one is not None]
    worst = [value for one in known if (value := _if_worst(one, metric.worst)) is not None]
    bottomless = not math.isfinite(metric.worst) and any(one.failed for one in known)
    return Line(
        model=model,
        mean=float(np.mean(common)) if common else None,
        covered=sum(one.ok for one in known),
        failed=sum(one.failed > 0 for one in known),
        if_worst=float(np.mean(worst)) if worst and not bottomless else None,
    )


def _if_worst(sample: Sample, worst: float) -> float | None:
    ok = len(sample.trained)
    if not ok + sample.failed:
        return None
    if not sample.failed:
        return sample.value
    return (sum([sample.value] * ok) + worst * sample.failed) / (ok + sample.failed)
