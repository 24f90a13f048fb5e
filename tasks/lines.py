"""From a measured value to a score row, as ``tasks.rows.SCHEMA`` has it."""

from typing import Any

from contract.outcome import Outcome
from metrics import TABLE
from tasks.geometry import Geometry
from tasks.integration import Access
from tasks.measured import Measured, missing
from tasks.runs import Run, corpus_of
from tasks.study import Study
from tasks.table import TASKS

SPLIT = "0"
"""Name of the one split that ``atlas prepare`` makes."""


def facts(study: Study, run: Run, *, split: str = SPLIT) -> dict[str, Any]:
    """What all rows of a run have in common; a protocol's name stands in the place of the split."""
    trained_elsewhere = run.checkpoint is not None or corpus_of(run.model) is not None
    return {
        "study": study.id,
        "dataset": run.dataset,
        "model": run.model,
        "checkpoint": f"{run.model}/seed-{run.seed}" if trained_elsewhere else None,
        "adaptation": _adaptation(run),
        "pretrain_seed": run.seed if trained_elsewhere else None,
        "fit_seed": None if trained_elsewhere else run.seed,
        "split": split,
    }


def _adaptation(run: Run) -> str:
    if run.options.get("finetune"):
        return "fine_tuned"
    return "none" if run.fit == "none" else "fitted"


def line(
    value: Measured,
    *,
    task: str,
    access: Access,
    geometry: Geometry = "as_is",
    shots: int | None = None,
    draw: int | None = None,
) -> dict[str, Any]:
    """What is a value's own."""
    return {
        "readout": value.readout or "none",
        "access": access,
        "geometry": geometry,
        "shots": shots,
        "draw": draw,
        "task": task,
        "metric": value.metric,
        "metric_version": TABLE[value.metric].version,
        "unit": value.unit,
        "n": value.n,
        "value": value.value,
        "status": value.status,
        "reason": value.reason,
    }


def absent(task: str, outcome: Outcome) -> list[Measured]:
    """A run without an answer still has a row for each metric, which says why."""
    return [
        missing(metric, status=outcome.status, reason=f"{outcome.stage}: {outcome.reason}", readout=readout)
        for readout in TASKS[task].readouts or (None,)
        for metric in TASKS[task].metrics_of(readout)
    ]


def not_listed(task: str) -> Outcome:
    """The outcome of a task that the data set's entry does not list."""
    reason = "the entry of the data set does not list this task"
    return Outcome(status="not_applicable", stage=task, reason=reason)
