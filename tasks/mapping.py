"""Reference mapping: how well the cells of held-out groups were named, by all labels or by a few."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from tasks.annotation import Answers, by_type, label_ids, sampling_unit, values_of
from tasks.folds import Asked
from tasks.knowledge import Knowledge
from tasks.measured import Measured, missing
from tasks.prediction_table import CLASS
from tasks.predictions import Predicted, Questions
from tasks.table import TASKS

METRICS = TASKS["mapping"].metrics


def score_mapping(
    found: Predicted, questions: Questions, *, knowledge: Knowledge
) -> Iterator[tuple[Asked, Measured]]:
    """Every metric over the test cells of all folds (unit ``set``), and over those of each unit.

    By all labels there is the share of cells named rightly of each type, too (``type:<label>``).
    A type that a fold's training cells do not have stays in its test and counts as errors.
    A fold that could not be answered takes its cells out of all values; the reason says so.
    """
    for asked, places in questions.folds_of.items():
        if asked.hidden is not None:
            continue
        reasons = unanswered(found, places)
        answers, _ = answers_of(found.table, questions, places)
        if not len(answers.true):
            why = next(iter(reasons), "no test cell has a label")
            yield from ((asked, missing(name, status="not_applicable", reason=why)) for name in METRICS)
            continue
        remark = f"{len(reasons)} of {len(places)} folds without an answer: {reasons[0]}" if reasons else ""
        for value in _values(answers, types=asked.shots is None, knowledge=knowledge):
            yield asked, _with(value, remark)


def unanswered(found: Predicted, places: Sequence[tuple[str, str]]) -> list[str]:
    """Why a question was not answered, for each fold where it was not."""
    answers = (found.answers.get(fold, {}).get(name, {}) for fold, name in places)
    return [a.get("reason") or "the fold has no answer" for a in answers if a.get("status") != "ok"]


def answers_of(
    table: pd.DataFrame, questions: Questions, places: Sequence[tuple[str, str]]
) -> tuple[Answers, np.ndarray]:
    """Truth and answer of the M labelled test cells of these (fold, question) pairs; how new each looked."""
    wanted = pd.MultiIndex.from_tuples([(fold.removeprefix("fold-"), name) for fold, name in places])
    own = table[pd.MultiIndex.from_frame(table[["fold", "question"]].astype(str)).isin(wanted)]
    rows = questions.cell.get_indexer(own["cell"].astype(str))
    labelled = questions.cells.known("label")
    kept = (rows >= 0) & labelled[rows]
    own, rows = own[kept], rows[kept]
    cells = questions.cells
    true = cells.label[rows].astype(str)
    columns = [name for name in own.columns if name.startswith(CLASS)]
    probability = own[columns].to_numpy(dtype=np.float64)
    told = {name.removeprefix(CLASS): np.isfinite(probability[:, i]) for i, name in enumerate(columns)}
    ids = label_ids(cells.label[labelled], cells.ontology_id[labelled])
    predicted = own["predicted"].to_numpy(dtype=str)
    nowhere = np.zeros(len(own), dtype=bool)
    answers = Answers(
        true=true,
        predicted=predicted,
        confidence=np.nanmax(probability, axis=1) if len(own) else np.zeros(0),
        true_id=cells.ontology_id[rows],
        predicted_id=np.array([ids.get(name) for name in predicted], dtype=object),
        unseen=~np.array([told.get(name, nowhere)[i] for i, name in enumerate(true)], dtype=bool),
        unit=sampling_unit(cells)[rows],
    )
    return answers, own["unseen_score"].to_numpy(dtype=np.float64)


def _values(answers: Answers, *, types: bool, knowledge: Knowledge) -> Iterator[Measured]:
    yield from values_of(answers, METRICS, unit="set", readout=None, knowledge=knowledge)
    for unit in sorted({name for name in answers.unit if name is not None}):
        own = answers.take(answers.unit == unit)
        yield from values_of(own, METRICS, unit=unit, readout=None, knowledge=knowledge)
    if types:
        yield from by_type(answers, readout=None, knowledge=knowledge)


def _with(value: Measured, remark: str) -> Measured:
    return replace(value, reason="; ".join(filter(None, [value.reason, remark]))) if remark else value
