"""Scaling curves: what more training, a larger network or a longer input is worth to one recipe.

Descriptive: no verdict rests on a curve, and each of its points is about the trainings behind it.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from board.evidence import Evidence
from board.family import Key
from board.gain import FEWEST_UNITS
from board.intervals import combine, jackknife_component, mean_component
from board.results import Results, Run
from board.samples import Sample
from board.svg import Curve, curves
from metrics.table import Metric

LEVEL = 0.95
DEFAULTS = (None, False, "trained")


@dataclass(frozen=True, kw_only=True, slots=True)
class Axis:
    """What the contestants of a curve differ in: the options that may differ, and which amount they set."""

    name: str
    title: str
    options: tuple[str, ...]
    amount: str


AXES = (
    Axis(
        name="training",
        title="cells seen in pre-training, repeats counted",
        options=("budget_cells", "init"),
        amount="cells",
    ),
    Axis(name="size", title="weights of the network", options=("size",), amount="parameters"),
    Axis(name="length", title="tokens read of a cell, at most", options=("context",), amount="context"),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """One contestant on a curve: its amounts, its value, and half of the value's interval over units.

    ``seen`` holds ``cells`` and ``tokens`` of its pre-training, ``parameters``, and the ``context`` that it
    reads; ``half`` is null with fewer than 4 units, an incomplete jackknife, or units that are all alike.
    """

    curve: str
    model: str
    seen: Mapping[str, int]
    value: float
    half: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Scaling:
    """The curves of one task, data set and access along one axis: their steps by curve and amount."""

    id: str
    axis: Axis
    key: Key
    metric: str
    steps: tuple[Step, ...]
    picture: Markup


def scalings(results: Results, evidence: Evidence, metrics: Mapping[str, Metric]) -> list[Scaling]:
    """Every curve of two or more amounts, in the order of the study's tasks and data sets."""
    study = results.study
    keys = [key for key in evidence.samples if results.dataset(key[1]).ok]
    keys.sort(key=lambda key: (study.tasks.index(key[0]), study.datasets.index(key[1]), key[2]))
    found = (_scaling(results, evidence, metrics, axis=axis, key=key) for axis in AXES for key in keys)
    return [one for one in found if one]


def _scaling(
    results: Results, evidence: Evidence, metrics: Mapping[str, Metric], *, axis: Axis, key: Key
) -> Scaling | None:
    task, dataset, access = key
    groups: dict[str, list[Step]] = {}
    for model in results.study.models:
        sample = evidence.samples[key].get(model)
        runs = [run for run in results.runs_of(model, dataset=dataset, access=access, task=task) if run.ok]
        if sample is None or sample.value is None or not runs or (seen := _seen(runs)) is None:
            continue
        step = Step(
            curve=_name(runs[0], axis),
            model=model,
            seen=seen,
            value=sample.value,
            half=half_width(sample),
        )
        groups.setdefault(_alike(runs[0], axis), []).append(step)
    lines = [sorted(own, key=lambda step: step.seen[axis.amount]) for own in groups.values()]
    lines = [own for own in lines if len({amount for s in own if (amount := s.seen[axis.amount]) > 0}) > 1]
    if not lines:
        return None
    metric = metrics[results.study.primary[task].metric]
    title = f"{metric.title} over {axis.title}: {task}, {dataset}, {access}"
    drawn = [_curve(own, axis) for own in lines]
    reference = evidence.references[key]
    if reference is not None and reference.value is not None:
        drawn.append(Curve(name=results.study.reference, points=((0.0, reference.value),)))
    return Scaling(
        id=f"scaling-{axis.name}-{task}-{dataset}-{access}",
        axis=axis,
        key=key,
        metric=metric.title,
        steps=tuple(step for own in lines for step in own),
        picture=curves(drawn, title=title, across=f"{axis.title} (logarithmic)", quality=metric.title),
    )


def _seen(runs: Sequence[Run]) -> dict[str, int] | None:
    """Amounts of a recipe trained on a corpus, the first training's; null for everybody else."""
    told = (runs[0].checkpoint or {}).get("seen")
    if not told or "recipe" not in runs[0].options:
        return None
    return {**told, "context": runs[0].options.get("context") or told["length"]}


def _alike(run: Run, axis: Axis) -> str:
    """The same for contestants that differ in nothing but what the axis is about."""
    shared = {name: value for name, value in run.options.items() if name not in axis.options}
    corpus = (run.checkpoint or {}).get("corpus")
    return json.dumps([shared, corpus, run.fit], sort_keys=True)


def _name(run: Run, axis: Axis) -> str:
    """What a curve's contestants share, in words; what is as usual is left out."""
    options = {name: value for name, value in run.options.items() if name not in axis.options}
    words = [str(options.pop(name)) for name in ("recipe", "size") if name in options]
    rest = [f"{name.replace('_', ' ')} {value}" for name, value in options.items() if value not in DEFAULTS]
    return ", ".join([" ".join(words), *rest])


def _curve(steps: Sequence[Step], axis: Axis) -> Curve:
    return Curve(
        name=steps[0].curve, points=tuple((float(step.seen[axis.amount]), step.value) for step in steps)
    )


def half_width(sample: Sample) -> float | None:
    """Half of the 95 % interval of a contestant's own value over units, averaged over its trainings.

    Null with fewer than 4 units, an incomplete jackknife, or where all units are alike.
    """
    parts = sample.parts[sample.trained].mean(axis=0)
    known = np.isfinite(parts)
    if sample.per_unit:
        parts = parts[known]
    elif not known.all():
        return None
    if len(parts) < FEWEST_UNITS:
        return None
    part = mean_component(parts) if sample.per_unit else jackknife_component(parts, sample.cells)
    if not part.variance > 0:
        return None
    return combine(float(parts.mean()), [part], level=LEVEL, units=len(parts)).half_width
