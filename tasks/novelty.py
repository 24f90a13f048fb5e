"""Unseen types: is a type that was hidden in training noticed, and where on the ontology does it land?

Scores of two folds are of two models and have no common scale, so each fold and each hidden type is
measured alone; what is shown are means of these.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

import metrics
from tasks.annotation import Answers
from tasks.folds import Asked
from tasks.knowledge import Knowledge
from tasks.mapping import answers_of, unanswered
from tasks.measured import Measured, measure, missing
from tasks.predictions import Predicted, Questions
from tasks.table import TASKS

METRICS = TASKS["novelty"].metrics
FEWEST = 3
"""Cells of the hidden type, and of others, without which a unit says nothing about it."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Piece:
    """M test cells of one fold: which are ``new`` (M,), how new each looked (M,), what was said of it."""

    new: np.ndarray
    score: np.ndarray
    answers: Answers

    def take(self, rows: np.ndarray) -> "Piece":
        """The cells of a boolean mask (M,)."""
        return Piece(new=self.new[rows], score=self.score[rows], answers=self.answers.take(rows))

    @property
    def enough(self) -> bool:
        """Whether there are cells enough on both sides."""
        return FEWEST <= self.new.sum() <= len(self.new) - FEWEST


def score_novelty(
    found: Predicted, questions: Questions, *, knowledge: Knowledge
) -> Iterator[tuple[Asked, Measured]]:
    """Every metric: mean over hidden types and folds (``set``), of each unit, and of each hidden type.

    Test cells are those of the hidden type (to be noticed) and those of types that were told.
    """
    pieces: dict[str, list[Piece]] = {}
    reasons: list[str] = []
    for asked, places in questions.folds_of.items():
        if asked.hidden is not None:
            reasons += unanswered(found, places)
            pieces[asked.hidden] = [
                _piece(found.table, questions, place, hidden=asked.hidden) for place in places
            ]
    every = [piece for own in pieces.values() for piece in own]
    if not any(len(piece.new) for piece in every):
        why = next(iter(reasons), "no type was hidden")
        yield from ((Asked(), missing(name, status="not_applicable", reason=why)) for name in METRICS)
        return
    for unit, own in _by_unit(pieces, every):
        for name, how in MEASURES.items():
            yield Asked(), _mean(name, how, own, unit=unit, knowledge=knowledge)


def _piece(table: pd.DataFrame, questions: Questions, place: tuple[str, str], *, hidden: str) -> Piece:
    """Cells of types that neither were told nor are the hidden one are left out: they are new, too."""
    answers, score = answers_of(table, questions, [place])
    rows = (answers.true == hidden) | ~answers.unseen
    answers = answers.take(rows)
    return Piece(new=answers.true == hidden, score=score[rows], answers=answers)


def _by_unit(
    pieces: Mapping[str, Sequence[Piece]], every: Sequence[Piece]
) -> Iterator[tuple[str, list[Piece]]]:
    yield "set", list(every)
    for name, own in pieces.items():
        yield f"type:{name}", list(own)
    for unit in sorted({name for piece in every for name in piece.answers.unit if name is not None}):
        yield unit, [piece.take(piece.answers.unit == unit) for piece in every]


def _mean(name: str, how: "How", pieces: Sequence[Piece], *, unit: str, knowledge: Knowledge) -> Measured:
    """Mean of a metric over the pieces that have cells enough; undefined where none has."""
    usable = [piece for piece in pieces if piece.enough]
    n = sum(len(piece.new) for piece in usable)

    def compute() -> float:
        if not usable:
            raise metrics.Undefined(
                f"fewer than {FEWEST} cells of a hidden type, or of others, in every fold"
            )
        return float(np.mean([how(piece, knowledge) for piece in usable]))

    left_out = sum(piece.new.any() and not piece.enough for piece in pieces)
    remark = f"{left_out} pairs of fold and hidden type have too few cells" if left_out else ""
    return measure(name, compute, n=n, unit=unit, remark=remark)


def _landing(piece: Piece, knowledge: Knowledge) -> float:
    """Ontology steps from a hidden type to what its cells were taken for."""
    true, said = piece.answers.true_id[piece.new], piece.answers.predicted_id[piece.new]
    known = np.array([None not in pair for pair in zip(true, said, strict=True)], dtype=bool)
    if not known.any():
        raise metrics.Undefined("no ontology id of a hidden type, or of what its cells were taken for")
    return metrics.lcad(true[known], said[known], knowledge.graph).mean_all


How = Callable[[Piece, Knowledge], float]
MEASURES: Mapping[str, How] = {
    "auroc": lambda piece, _: metrics.auroc(piece.new, piece.score),
    "aupr": lambda piece, _: metrics.aupr(piece.new, piece.score),
    "fpr95": lambda piece, _: metrics.fpr95(piece.new, piece.score),
    "lcad": _landing,
}
