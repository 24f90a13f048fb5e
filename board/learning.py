"""Learning from labels: does each contestant beat the reference, and what does it make of few labels?

The words are those of the gains; curves over shots are descriptive, and no verdict rests on them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from markupsafe import Markup
from scipy.special import stdtrit

from board.evidence import Comparison, Evidence
from board.gain import FEWEST_UNITS
from board.results import Results
from board.samples import UNIT_KINDS
from tasks.study import Primary

HEADS = {
    "logistic": "logistic regression",
    "ridge": "ridge regression",
    "svm": "a linear support vector machine",
    "boosting": "boosted trees",
    "knn": "nearest neighbours",
}
LEVEL = 0.95
WIDTH, HEIGHT, PAD = 160, 44, 5


@dataclass(frozen=True, kw_only=True, slots=True)
class Point:
    """A mean over units at one number of labels a type, and half of its interval (null: under 4 units)."""

    value: float
    half: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """One contestant: is it better, by how much, and its points, null where there is none."""

    model: str
    what: str
    answer: str
    comparison: Comparison | None
    points: tuple[Point | None, ...]
    picture: Markup


@dataclass(frozen=True, kw_only=True, slots=True)
class Lesson:
    """One task on one data set. ``shots`` are labels told of each type, null for all of them."""

    id: str
    task: str
    dataset: str
    metric: str
    protocol: str
    at_random: bool
    reference: str
    shots: tuple[int | None, ...]
    lines: tuple[Line, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Search:
    """Balanced accuracy on a fold's validation units: of the frozen probe, and the best of fine-tuning."""

    model: str
    dataset: str
    seed: int
    fold: str
    frozen: float
    best: float


def searches(results: Results) -> list[Search]:
    """What each fine-tuned contestant found on the units it chose by, in each fold where that is stored."""
    return [
        Search(model=run.model, dataset=run.dataset, seed=run.seed, fold=fold, **found)
        for model in results.study.models
        for run in results.runs_of(model)
        for fold, found in sorted(run.made.get("search", {}).items())
    ]


def lessons(results: Results, evidence: Evidence) -> list[Lesson]:
    """A lesson for each task that a protocol asks, on each data set that has an answer, in their order."""
    keys = [(task, name) for task in results.study.by_protocol for name in results.study.datasets]
    found = (_lesson(results, evidence, task=task, dataset=name) for task, name in keys)
    return [lesson for lesson in found if lesson]


def _lesson(results: Results, evidence: Evidence, *, task: str, dataset: str) -> Lesson | None:
    study = results.study
    primary = study.primary[task]
    rows = _rows(results.rows, task=task, dataset=dataset, primary=primary)
    if rows.empty:
        return None
    few = sorted({int(k) for k in rows["shots"].dropna()})
    shots = (*few, *([None] if rows["shots"].isna().any() else []))
    curves = {model: _points(own, shots) for model, own in rows.groupby("model", sort=False)}
    words = {c.model: c for c in evidence.comparisons if (c.task, c.dataset) == (task, dataset)}
    of_reference = curves.get(study.reference, ())
    low, high = _ends(list(curves.values()))
    lines = [
        Line(
            model=model,
            what=_what(results, model),
            answer=_answer(words.get(model), reference=model == study.reference),
            comparison=words.get(model),
            points=curves[model],
            picture=_picture(curves[model], beside=of_reference, low=low, high=high),
        )
        for model in study.models
        if model in curves
    ]
    protocol = str(rows["split"].iloc[0])
    return Lesson(
        id=f"learning-{task}-{dataset}",
        task=task,
        dataset=dataset,
        metric=primary.metric,
        protocol=protocol,
        at_random="at random" in protocol,
        reference=_what(results, study.reference),
        shots=shots,
        lines=tuple(lines),
    )


def _rows(rows: pd.DataFrame, *, task: str, dataset: str, primary: Primary) -> pd.DataFrame:
    """Values of single units on the primary metric, ok ones, by any number of labels."""
    own = rows[(rows["task"] == task) & (rows["dataset"] == dataset) & (rows["status"] == "ok")]
    own = own[(own["metric"] == primary.metric) & own["unit"].str.startswith(UNIT_KINDS)]
    return own.assign(shots=own["shots"].astype("Float64").astype(float))


def _points(rows: pd.DataFrame, shots: Sequence[int | None]) -> tuple[Point | None, ...]:
    return tuple(_point(rows[rows["shots"].isna()] if k is None else rows[rows["shots"] == k]) for k in shots)


def _point(rows: pd.DataFrame) -> Point | None:
    """Mean over units of their means over draws and trainings; Student's interval over units."""
    values = rows.groupby("unit")["value"].mean().to_numpy(dtype=float)
    if not len(values):
        return None
    n = len(values)
    if n < FEWEST_UNITS:
        return Point(value=float(values.mean()), half=None)
    half = float(stdtrit(n - 1, (1 + LEVEL) / 2) * values.std(ddof=1) / np.sqrt(n))
    return Point(value=float(values.mean()), half=half)


def _answer(found: Comparison | None, *, reference: bool) -> str:
    """The question in three words; a control is asked nothing."""
    if reference:
        return "the reference"
    if found is None or found.control:
        return "a control"
    told = {"better": "yes", "worse": "no: it is worse", "equivalent": "no: neither is better"}
    return told.get(found.word, "not shown")


def _what(results: Results, model: str) -> str:
    """A contestant in words: what stands on what."""
    run = next((run for run in results.runs_of(model) if run.given_labels), None)
    if run is None:
        return model
    name, head = str(run.card.get("name") or model), run.options.get("head")
    return f"{HEADS.get(head, head)} on {name}" if head else name


def _ends(curves: Sequence[Sequence[Point | None]]) -> tuple[float, float]:
    values = [point.value for curve in curves for point in curve if point]
    low, high = min(values), max(values)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _picture(
    own: Sequence[Point | None], *, beside: Sequence[Point | None], low: float, high: float
) -> Markup:
    """A curve with the reference's dashed behind it; the numbers stand beside it as text."""
    frame = Markup('<svg viewBox="0 0 {0} {1}" width="{0}" height="{1}" aria-hidden="true">')
    dashed = _path(beside, low=low, high=high, dash="3 3")
    return (
        frame.format(WIDTH, HEIGHT) + dashed + _path(own, low=low, high=high, dash="none") + Markup("</svg>")
    )


def _path(points: Sequence[Point | None], *, low: float, high: float, dash: str) -> Markup:
    """One number of labels a step: the axis is not to scale, as the table is not."""
    step = (WIDTH - 2 * PAD) / max(len(points) - 1, 1)
    places = [
        (
            round(PAD + i * step, 1),
            round(HEIGHT - PAD - (HEIGHT - 2 * PAD) * (p.value - low) / (high - low), 1),
        )
        for i, p in enumerate(points)
        if p
    ]
    text = " ".join(f"{x},{y}" for x, y in places)
    line = Markup('<polyline points="{}" fill="none" stroke="currentColor" stroke-dasharray="{}"/>')
    dots = Markup("").join(
        Markup('<circle cx="{}" cy="{}" r="2" fill="currentColor"/>').format(x, y)
        for x, y in (places if dash == "none" else ())
    )
    return line.format(text, dash) + dots
