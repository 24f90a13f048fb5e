"""Annotation: can a simple probe, fitted on training units, name the types of held-out units' cells?

A probe sees the embeddings and labels of ``train`` cells, then the embeddings of
``test`` cells, never their labels. Types that no training cell has stay in the
test and count as errors: an unknown type is part of the question.
"""

import functools
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

import metrics
from tasks.cells import Cells
from tasks.knowledge import Knowledge
from tasks.measured import Measured, measure, missing
from tasks.probes import Prediction, knn, logistic
from tasks.table import TASKS, Primary

TASK = TASKS["annotation"]


def score_annotation(
    Z: np.ndarray, cells: Cells, *, knowledge: Knowledge, only: Primary | None = None
) -> list[Measured]:
    """Measure an embedding ``Z`` (N, D) of N cells by each probe; or one metric by one probe (``only``).

    Returns one value of each metric over all labelled test cells (unit ``set``), one over those of
    each test unit, and the accuracy of each type (``type:<label>``); where cells have no unit, their
    batches stand in. Without a split, or without labels on both sides of it, the question does not
    exist (``not_applicable``).
    """
    labelled = cells.known("label")
    fit, test = labelled & (cells.part == "train"), labelled & (cells.part == "test")
    asked = {only.readout: (only.metric,)} if only else {r: TASK.metrics_of(r) for r in TASK.readouts}
    reason = _no_question(cells, fit=fit, test=test)
    if reason:
        return [
            missing(metric, status="not_applicable", reason=reason, readout=readout)
            for readout, names in asked.items()
            for metric in names
        ]
    Z = np.asarray(Z, dtype=np.float64)
    return [
        row
        for readout, names in asked.items()
        for row in _readout(readout, names, Z, cells, fit=fit, test=test, knowledge=knowledge)
    ]


def _no_question(cells: Cells, *, fit: np.ndarray, test: np.ndarray) -> str:
    if not (cells.part == "train").any():
        return "no split: fewer than two units, so there are no training cells"
    if not fit.any():
        return "no training cell has a label"
    return "" if test.any() else "no test cell has a label"


def predict(readout: str, Z: np.ndarray, cells: Cells, *, fit: np.ndarray, test: np.ndarray) -> Prediction:
    """Fit a probe on the cells of mask ``fit`` and apply it to those of mask ``test``."""
    label = cells.label[fit].astype(str)
    if readout == "knn":
        return knn(Z[fit], label, Z[test])
    return logistic(Z[fit], label, sampling_unit(cells)[fit].astype(str), Z[test])


def sampling_unit(cells: Cells) -> np.ndarray:
    """(N,) text: each cell's unit, or its batch where no cell of the data set has a unit."""
    if cells.known("unit").any():
        return cells.unit
    return np.array([None if name is None else f"batch:{name}" for name in cells.batch], dtype=object)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Answers:
    """M test cells: truth and answer (M,), as labels and as ontology ids (``None`` where unknown)."""

    true: np.ndarray
    predicted: np.ndarray
    confidence: np.ndarray
    true_id: np.ndarray
    predicted_id: np.ndarray
    unseen: np.ndarray
    unit: np.ndarray

    def take(self, rows: np.ndarray) -> "Answers":
        """The answers of a boolean mask (M,)."""
        return Answers(**{name: getattr(self, name)[rows] for name in self.__slots__})


def _readout(
    readout: str,
    names: tuple[str, ...],
    Z: np.ndarray,
    cells: Cells,
    *,
    fit: np.ndarray,
    test: np.ndarray,
    knowledge: Knowledge,
) -> Iterator[Measured]:
    n = int(test.sum())
    try:
        prediction = predict(readout, Z, cells, fit=fit, test=test)
    except metrics.Undefined as why:
        yield from (missing(m, status="undefined", reason=str(why), n=n, readout=readout) for m in names)
        return
    except Exception as error:  # noqa: BLE001 - a probe that breaks is a result of its own rows
        reason = f"{type(error).__name__}: {error}"
        yield from (missing(m, status="failed", reason=reason, n=n, readout=readout) for m in names)
        return
    answers = _answers(prediction, cells, fit=fit, test=test)
    yield from values_of(answers, names, unit="set", readout=readout, knowledge=knowledge)
    for unit in sorted({name for name in answers.unit if name is not None}):
        own = answers.take(answers.unit == unit)
        yield from values_of(own, names, unit=unit, readout=readout, knowledge=knowledge)
    if "accuracy" in names:
        yield from by_type(answers, readout=readout, knowledge=knowledge)


def by_type(answers: Answers, *, readout: str | None, knowledge: Knowledge) -> Iterator[Measured]:
    """Accuracy over the cells of each type (``type:<label>``), and what the others were taken for.

    The remark is ``taken for`` and a JSON object, name → cells, so that confusions can be counted.
    """
    for name in sorted(set(answers.true)):
        own = answers.take(answers.true == name)
        others = Counter(label for label in own.predicted if label != name)
        said = dict(sorted(others.items(), key=lambda pair: (-pair[1], pair[0])))
        for found in values_of(own, ("accuracy",), unit=f"type:{name}", readout=readout, knowledge=knowledge):
            yield replace(found, reason=f"taken for {json.dumps(said, ensure_ascii=False)}" if said else "")


def _answers(prediction: Prediction, cells: Cells, *, fit: np.ndarray, test: np.ndarray) -> Answers:
    names = label_ids(cells.label[fit], cells.ontology_id[fit])
    true = cells.label[test].astype(str)
    return Answers(
        true=true,
        predicted=prediction.label,
        confidence=prediction.confidence,
        true_id=cells.ontology_id[test],
        predicted_id=np.array([names.get(label) for label in prediction.label], dtype=object),
        unseen=~np.isin(true, cells.label[fit].astype(str)),
        unit=sampling_unit(cells)[test],
    )


def label_ids(label: np.ndarray, ontology_id: np.ndarray) -> dict[str, str]:
    """The ontology id that most cells of each label have; ties go to the id that sorts first."""
    counts: dict[str, Counter[str]] = {}
    for name, term in zip(label, ontology_id, strict=True):
        if term is not None:
            counts.setdefault(name, Counter())[term] += 1
    return {name: min(found, key=lambda term: (-found[term], term)) for name, found in counts.items()}


MEASURES: Mapping[str, Callable[[Answers], float]] = {
    "accuracy": lambda a: metrics.accuracy(a.true, a.predicted),
    "balanced_accuracy": lambda a: metrics.balanced_accuracy(a.true, a.predicted),
    "macro_f1": lambda a: metrics.macro_f1(a.true, a.predicted),
    "kappa": lambda a: metrics.kappa(a.true, a.predicted),
    "ece": lambda a: metrics.expected_calibration_error(a.true == a.predicted, a.confidence),
}


def values_of(
    answers: Answers, names: tuple[str, ...], *, unit: str, readout: str | None, knowledge: Knowledge
) -> Iterator[Measured]:
    """The named metrics over these answers; ``metrics.Undefined`` and what breaks are rows, too."""
    n, unseen = len(answers.true), int(answers.unseen.sum())
    remark = (
        f"{unseen} of {n} cells are of types without a training cell and count as errors" if unseen else ""
    )
    for name in names:
        if name in MEASURES:
            how = MEASURES[name]
            yield measure(name, lambda how=how: how(answers), n=n, unit=unit, remark=remark, readout=readout)
    yield from _distances(answers, names, unit=unit, readout=readout, knowledge=knowledge)


def _distances(
    answers: Answers, names: tuple[str, ...], *, unit: str, readout: str | None, knowledge: Knowledge
) -> Iterator[Measured]:
    """LCAD over the cells whose true and predicted type have ontology ids that share an ancestor."""
    pairs = zip(answers.true_id, answers.predicted_id, strict=True)
    known = np.array([None not in pair for pair in pairs], dtype=bool)
    n_all, n = len(known), int(known.sum())

    @functools.cache
    def distances() -> metrics.Lcad:
        if not n:
            raise metrics.Undefined(
                "no test cell has an ontology id for both its true and its predicted type"
            )
        return metrics.lcad(answers.true_id[known], answers.predicted_id[known], knowledge.graph)

    def of_errors() -> float:
        found = distances()
        if np.isnan(found.mean_errors):
            raise metrics.Undefined("no answer is wrong and at a defined distance")
        return found.mean_errors

    for name, compute in (("lcad", lambda: distances().mean_all), ("lcad_errors", of_errors)):
        if name not in names:
            continue
        row = measure(name, compute, n=n, unit=unit, readout=readout)
        if row.status == "ok":
            n_used = n - distances().n_undefined
            left_out = (
                f"{n_all - n_used} of {n_all} cells have no ontology id on one side, or no common ancestor"
            )
            row = replace(row, n=n_used, reason=left_out if n_used < n_all else "")
        yield row
