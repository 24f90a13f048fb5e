"""Predictions of one data set to score rows: the tasks that a study's protocol asks."""

import sys
from collections.abc import Iterator, Sequence
from typing import Any

from contract.outcome import Outcome
from tasks.folds import Asked
from tasks.knowledge import Knowledge
from tasks.lines import absent, facts, line, not_listed
from tasks.mapping import score_mapping
from tasks.measured import Measured
from tasks.novelty import score_novelty
from tasks.predictions import Predicted, Questions
from tasks.study import Study

SCORES = {"mapping": score_mapping, "novelty": score_novelty}


def score_predictions(
    study: Study,
    predicted: Sequence[Predicted],
    *,
    asked: Questions | None,
    listed: Sequence[str],
    prepared: Outcome,
    knowledge: Knowledge,
) -> Iterator[dict[str, Any]]:
    """Score rows of every run; ``listed`` are the tasks of the data set's entry."""
    for number, one in enumerate(predicted, start=1):
        outcome = one.run.outcome if prepared.status == "ok" else prepared
        split = asked.protocol if asked else "none"
        rows = []
        for task in study.by_protocol:
            own = outcome if outcome.status != "ok" or task in listed else not_listed(task)
            for what, value in _values(task, one, asked, outcome=own, knowledge=knowledge):
                shared = facts(study, one.run, split=split)
                rows.append(
                    shared | line(value, task=task, access="inductive", shots=what.shots, draw=what.draw)
                )
        n_ok = sum(row["status"] == "ok" for row in rows)
        print(
            f"[{number}/{len(predicted)}] {one.run.name}: {n_ok} of {len(rows)} values",
            file=sys.stderr,
            flush=True,
        )
        yield from rows


def _values(
    task: str, one: Predicted, asked: Questions | None, *, outcome: Outcome, knowledge: Knowledge
) -> Iterator[tuple[Asked, Measured]]:
    if outcome.status != "ok" or asked is None:
        yield from ((Asked(), value) for value in absent(task, outcome))
    else:
        yield from SCORES[task](one, asked, knowledge=knowledge)
