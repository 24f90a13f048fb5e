"""Section 4 of the page: what has a value, what has not, and why."""

from dataclasses import dataclass

import pandas as pd

from board.results import Results, Run
from board.scores import STATUSES, as_is


@dataclass(frozen=True, kw_only=True, slots=True)
class Covered:
    """One contestant on one data set: runs, values by status (in the order of ``STATUSES``), reasons."""

    dataset: str
    model: str
    runs: str
    counts: tuple[int, ...]
    reasons: tuple[str, ...]


def coverage(results: Results) -> list[Covered]:
    """Every contestant on every data set of the study, whether it has rows or not."""
    rows = as_is(results.rows)
    groups = dict(list(rows.groupby(["dataset", "model"], sort=False)))
    return [
        _covered(results, dataset, model, groups.get((dataset, model), rows.iloc[:0]))
        for dataset in results.study.datasets
        for model in results.study.models
    ]


def _covered(results: Results, dataset: str, model: str, rows: pd.DataFrame) -> Covered:
    runs = results.runs_of(model, dataset=dataset)
    counts = rows["status"].value_counts()
    known = {f"{run.outcome['stage']}: {run.outcome['reason']}" for run in runs if not run.ok}
    reasons = _run_reasons(runs, study=results.study.id) | _row_reasons(rows, known=known)
    return Covered(
        dataset=dataset,
        model=model,
        runs=f"{sum(run.ok for run in runs)} of {len(runs)}",
        counts=tuple(int(counts.get(status, 0)) for status in STATUSES),
        reasons=tuple(sorted(reasons)) if runs or len(rows) else ("not run",),
    )


def _row_reasons(rows: pd.DataFrame, *, known: set[str]) -> set[str]:
    """Reasons of missing values, each once with its metrics; those that the runs tell are left out."""
    wrong = rows[(rows["status"] != "ok") & ~rows["reason"].isin(known)]
    groups = wrong.groupby(["status", "reason"])["metric"].unique()
    return {
        f"{_plain(status)}: {reason} ({_which(sorted(names))})" for (status, reason), names in groups.items()
    }


def _run_reasons(runs: list[Run], *, study: str) -> set[str]:
    return {
        f"run (fit {run.fit}, seed {run.seed}) {_plain(run.outcome['status'])} at {run.outcome['stage']}: "
        f"{run.outcome['reason']}{_log(run, study=study)}"
        for run in runs
        if not run.ok
    }


def _log(run: Run, *, study: str) -> str:
    """Where the log of the step that stopped lies, in the folder that the study was run in."""
    stage, fit = run.outcome["stage"], f"{run.model}/fit-{run.fit}/seed-{run.seed}"
    place = {
        "fetch": run.dataset,
        "prepare": run.dataset,
        "pretrain": f"{run.model}/seed-{run.seed}",
        "embed": f"{run.dataset}/{fit}",
        "folds": f"{study}/{run.dataset}",
        "predict": f"{study}/{run.dataset}/{run.model}/seed-{run.seed}",
    }.get(stage)
    known = run.outcome["status"] == "failed" and place is not None
    return f" (log: results/logs/{stage}/{place}.log)" if known else ""


def _plain(status: str) -> str:
    return status.replace("_", " ")


def _which(names: list[str]) -> str:
    return ", ".join(names) if len(names) <= 4 else f"{len(names)} metrics"
