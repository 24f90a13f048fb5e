"""A prediction folder as a value, and what was asked in each fold."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from contract.errors import UserError
from contract.files import read_table
from contract.outcome import Outcome
from tasks.cells import Cells, text
from tasks.folds import Asked
from tasks.prediction_table import nothing, read_answers
from tasks.runs import RECORD, Run, read_record, run_of

FILES = ("outcome.json", "run.json", "cost.json", "predictions.parquet")
ON_VALIDATION = "validation_balanced_accuracy"
_ANSWER = {
    "type": "object",
    "required": ["status"],
    "properties": {
        "status": {"enum": ["ok", "not_applicable"]},
        "reason": {"type": "string"},
        "curve": {"type": "array", "items": {"type": "object"}},
    },
}
_FOLDS = {"type": "object", "additionalProperties": {"type": "object", "additionalProperties": _ANSWER}}
OF_LABELS = RECORD | {
    "required": [*RECORD["required"], "folds"],
    "properties": RECORD["properties"] | {"folds": _FOLDS},
}
"""JSON schema of ``run.json`` of a contestant that was given labels."""
_NUMBER, _TEXT = {"type": ["integer", "null"]}, {"type": ["string", "null"]}
_ASKED = {
    "type": "object",
    "additionalProperties": False,
    "properties": {"shots": _NUMBER, "draw": _NUMBER, "hidden": _TEXT},
}
QUESTIONS = {
    "type": "object",
    "required": ["protocol", "label", "folds"],
    "properties": {
        "protocol": {"type": "string"},
        "label": {"enum": ["label", "condition"]},
        "folds": _FOLDS | {"additionalProperties": {"type": "object", "additionalProperties": _ASKED}},
    },
}
"""JSON schema of ``questions.json``."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Predicted:
    """A run and its table; ``answers``: fold → question → status and reason."""

    run: Run
    table: pd.DataFrame
    answers: Mapping[str, Mapping[str, Mapping[str, Any]]]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Questions:
    """What was asked of one data set: ``cell`` (N,) names, ``label`` (N,) that is to be predicted.

    ``cells`` are the N cells with that label in the place of their type; ``asked``: fold → question.
    """

    protocol: str
    cell: pd.Index
    cells: Cells
    asked: Mapping[str, Mapping[str, Asked]]

    @property
    def folds_of(self) -> dict[Asked, list[tuple[str, str]]]:
        """Each thing that was asked → (fold, name of the question there)."""
        found: dict[Asked, list[tuple[str, str]]] = {}
        for fold, questions in sorted(self.asked.items()):
            for name, what in questions.items():
                found.setdefault(what, []).append((fold, name))
        return found


def read_asked(folds: Path | None, *, data: Path, cells: Cells) -> Questions | None:
    """What was asked, from a folder of folds; null where the protocol does not fit the data set."""
    if folds is None or not (folds / "outcome.json").is_file():
        where = "--folds" if folds is None else str(folds)
        raise UserError(where, found="no folds", todo="run 'python -m tasks folds' first")
    if Outcome.read(folds / "outcome.json").status != "ok":
        return None
    about = read_record(folds / "questions.json", QUESTIONS)
    truth = read_table(data / "truth.parquet", columns=["cell", about["label"]])
    label = text(truth[about["label"]])
    nothing = np.full(len(label), None, dtype=object)
    own = cells if about["label"] == "label" else replace(cells, label=label, ontology_id=nothing)
    return Questions(
        protocol=about["protocol"],
        cell=pd.Index(truth["cell"].astype(str)),
        cells=own,
        asked={
            fold: {name: Asked(**what) for name, what in questions.items()}
            for fold, questions in about["folds"].items()
        },
    )


def read_predictions(folder: Path, *, folds: Path | None) -> Predicted:
    """Read a prediction folder; a table that is not what it should be makes the run failed.

    It should be the one that was written, made from these ``folds``, with one row for each of their test
    cells in each question that was answered.

    Raises
    ------
    UserError
        If a file is missing, or its record is not one of predictions.
    """
    folder = Path(folder)
    for name in FILES:
        if not (folder / name).is_file():
            raise UserError(
                str(folder / name), found="no such file", todo="run 'python -m models predict' first"
            )
    facts, outcome = read_record(folder / "run.json", OF_LABELS), Outcome.read(folder / "outcome.json")
    table = nothing()
    if outcome.status == "ok":
        table, problem = read_answers(folder / "predictions.parquet", facts, folds=folds)
        outcome = replace(outcome, status="failed", stage="score", reason=problem) if problem else outcome
    run = run_of(facts, outcome=outcome, cost=read_record(folder / "cost.json"))
    searched = search(facts["folds"])
    if searched:
        run = replace(run, made={**run.made, "search": searched})
    return Predicted(run=run, table=table, answers=facts["folds"])


def search(answers: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> dict[str, dict[str, float]]:
    """Fold → balanced accuracy on its validation units, by all labels: of the ``frozen`` probe, and ``best``.

    The best record of fine-tuning was chosen on these very units. Folds in which nothing was fine-tuned,
    or nothing searched, are not there.
    """
    found = {}
    for fold, questions in answers.items():
        curve = questions.get("all", {}).get("curve") or ()
        tried = [record for record in curve if "run" in record and ON_VALIDATION in record]
        frozen = [record[ON_VALIDATION] for record in tried if record.get("step") == 0]
        if frozen:
            found[fold] = {"frozen": frozen[0], "best": max(record[ON_VALIDATION] for record in tried)}
    return found
