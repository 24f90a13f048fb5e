"""One fold as a contestant may see it: training rows with labels, test rows without; the leak guard.

``fold.json``          ``{"fold", "held_out", "shared_groups"}``; ``shared_groups`` only where single cells
                       are split at random, which the page marks
``train.parquet``      ``cell, label, ontology_id, unit, group``: training rows and no other
``test.parquet``       ``cell, group``
``questions.parquet``  ``question, cell, labelled``: the training cells of each question; where not
                       ``labelled`` the counts are given and the label is not
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from contract.errors import UserError
from contract.files import read_json, read_table
from models.labelled import Labels

FILES = ("fold.json", "train.parquet", "test.parquet", "questions.parquet")


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Fold:
    """``train`` and ``test`` are rows among the N cells of the data set; ``labels`` are those of ``train``.

    ``questions``: name → (rows among ``train`` whose counts are given, mask of those whose label is).
    """

    name: str
    train: np.ndarray
    test: np.ndarray
    labels: Labels
    questions: dict[str, tuple[np.ndarray, np.ndarray]]

    def labels_of(self, question: str) -> Labels:
        """What is told of the question's training cells."""
        rows, told = self.questions[question]
        labels = self.labels.take(rows)
        nothing = np.full(len(rows), None, dtype=object)
        return Labels(
            label=np.where(told, labels.label, nothing),
            ontology_id=np.where(told, labels.ontology_id, nothing),
            unit=labels.unit,
        )


def read_fold(folder: Path, cells: pd.Index) -> Fold:
    """Read one fold of a data set whose cells have these names.

    Raises
    ------
    UserError
        If a file is missing, names a strange cell, or if anything of the test side stands among the
        training rows: one of its cells, or a cell of one of its groups.
    """
    for name in FILES:
        if not (folder / name).is_file():
            raise UserError(
                str(folder / name), found="no such file", todo="run `python -m tasks folds` first"
            )
    about = read_json(folder / "fold.json")
    train, test, asked = (read_table(folder / name) for name in FILES[1:])
    _check_leak(train, test, shared_groups=about["shared_groups"], where=str(folder / "train.parquet"))
    labels = Labels(**{name: _text(train[name]) for name in ("label", "ontology_id", "unit")})
    return Fold(
        name=str(about["fold"]),
        train=_rows(train["cell"], cells, where=str(folder / "train.parquet")),
        test=_rows(test["cell"], cells, where=str(folder / "test.parquet")),
        labels=labels,
        questions=_questions(asked, train, labels.given, where=str(folder / "questions.parquet")),
    )


def _check_leak(train: pd.DataFrame, test: pd.DataFrame, *, shared_groups: bool, where: str) -> None:
    for what in ("cell",) if shared_groups else ("cell", "group"):
        both = sorted(set(train[what].dropna()) & set(test[what].dropna()))
        if both:
            raise UserError(
                where,
                found=f"{what} {both[0]!r}, which is to be tested on ({len(both)} such)",
                expected="training rows only",
                todo="run `python -m tasks folds` again",
            )


def _questions(
    asked: pd.DataFrame, train: pd.DataFrame, given: np.ndarray, *, where: str
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    names = pd.Index(train["cell"].astype(str))
    found = {}
    for question, own in asked.groupby("question", sort=True):
        rows = _rows(own["cell"], names, where=where)
        order = np.argsort(rows)
        told = own["labelled"].to_numpy(dtype=bool)[order]
        if (told & ~given[rows[order]]).any():
            raise UserError(where, found=f"a cell of {question!r} told without a label", expected="a label")
        found[str(question)] = (rows[order], told)
    return found


def _rows(cells: pd.Series, names: pd.Index, *, where: str) -> np.ndarray:
    rows = names.get_indexer(cells.astype(str))
    if (rows < 0).any() or len(set(rows)) < len(rows):
        wrong = "a cell that is not there" if (rows < 0).any() else "a cell twice"
        raise UserError(where, found=wrong, expected="cells of the data set, each once")
    return rows


def _text(column: pd.Series) -> np.ndarray:
    return np.array([None if pd.isna(value) else str(value) for value in column], dtype=object)
