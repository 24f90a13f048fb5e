"""``python -m tasks score``: all embeddings and predictions of one data set to score rows.

One process holds a whole data set, so that the ontology and its reference vectors
are made ready once.
"""

import argparse
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from atlas.ontology import cell_ontology
from contract.errors import UserError, suggestion
from contract.files import write_json
from contract.outcome import Outcome
from metrics import Undefined
from tasks.annotation import score_annotation
from tasks.beforehand import score_beforehand
from tasks.belongs import read_own_runs
from tasks.cells import Cells, prepared_outcome, read_cells
from tasks.exposure import overlap_of
from tasks.geometry import Geometry, whiten
from tasks.integration import Access, score_integration
from tasks.knowledge import Knowledge
from tasks.lines import absent, facts, line, not_listed
from tasks.measured import Measured, missing
from tasks.predictions import read_asked, read_predictions
from tasks.rows import write_rows
from tasks.runs import Run, read_overlaps
from tasks.score_labels import score_predictions
from tasks.side_by_side import side_by_side
from tasks.study import Study, read_study
from tasks.table import FEWEST_DATASETS, TASKS, Primary

# Beyond so many cells an embedding is worth all cores, and memory is too dear for several at once.
MANY_CELLS = 50_000
# Whitened, all directions are as wide, so that no index finds neighbours: with 500,000 cells each unit left
# out took a quarter of an hour. That look asks whether a verdict holds, and a sample answers as well.
WHITENED_CELLS = 100_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``score``."""
    parser.add_argument("--study", type=Path, required=True, help="the study file")
    parser.add_argument("--dataset", required=True, help="id of the data set")
    parser.add_argument("--data", type=Path, required=True, help="folder of the prepared data set")
    parser.add_argument("--embeddings", type=Path, nargs="*", default=[], help="embedding folders")
    parser.add_argument("--predictions", type=Path, nargs="*", default=[], help="prediction folders")
    parser.add_argument("--folds", type=Path, metavar="DIR", help="the folds that were predicted on")
    parser.add_argument(
        "--tasks",
        nargs="+",
        choices=sorted(TASKS),
        default=sorted(TASKS),
        help="the tasks that the data set's entry lists; others of the study are not applicable",
    )
    parser.add_argument(
        "--overlaps", type=Path, nargs="*", default=[], help="files CORPUS/overlap-DATASET.json"
    )
    parser.add_argument(
        "--cache", type=Path, default=Path("results/cache"), help="folder for ontology vectors"
    )
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="contestants at once (default: 1)")
    parser.add_argument("--out", type=Path, required=True, help="parquet file of score rows")


def main(args: argparse.Namespace) -> int:
    """Write ``--out`` and, beside it, ``<name>.runs.json``."""
    study = read_study(args.study)
    if args.dataset not in study.datasets:
        raise UserError(
            f"{study.path}: datasets",
            found=f"no {args.dataset!r}",
            todo=suggestion(args.dataset, list(study.datasets)),
        )
    prepared = prepared_outcome(args.data)
    cells = read_cells(args.data)
    runs = read_own_runs(args.embeddings, data=args.data, n_cells=len(cells))
    named = [read_predictions(folder, folds=args.folds) for folder in args.predictions]
    _check_runs([*runs, *(one.run for one in named)], study=study, dataset=args.dataset)
    overlaps = read_overlaps(args.overlaps)
    knowledge = Knowledge(ontology=cell_ontology(), cache=args.cache, data=args.data)
    rows = score_runs(
        study, runs, listed=args.tasks, cells=cells, prepared=prepared, knowledge=knowledge, jobs=args.jobs
    )
    if named:
        asked = read_asked(args.folds, data=args.data, cells=cells)
        rows += score_predictions(
            study, named, asked=asked, listed=args.tasks, prepared=prepared, knowledge=knowledge
        )
    write_rows(args.out, rows)
    runs += [one.run for one in named]
    records = [run.record(overlap=overlap_of(run, overlaps)) for run in runs]
    records.sort(key=lambda r: (r["model"], r["fit"], r["seed"]))
    write_json(args.out.with_suffix(".runs.json"), records)
    return 0


def _check_runs(runs: Sequence[Run], *, study: Study, dataset: str) -> None:
    seen: set[tuple[str, str, int]] = set()
    for run in runs:
        where = f"--embeddings {run.name}"
        if run.dataset != dataset:
            raise UserError(where, found=f"an embedding of {run.dataset!r}", expected=f"one of {dataset!r}")
        if run.model not in study.models:
            raise UserError(
                where, found="no contestant of the study", todo=suggestion(run.model, list(study.models))
            )
        key = (run.model, run.fit, run.seed)
        if key in seen:
            raise UserError(where, found="two folders of this run", expected="one")
        seen.add(key)


def score_runs(
    study: Study,
    runs: Sequence[Run],
    *,
    listed: Sequence[str],
    cells: Cells,
    prepared: Outcome,
    knowledge: Knowledge,
    jobs: int = 1,
) -> list[dict[str, Any]]:
    """Score rows of every run, as ``tasks.rows.SCHEMA`` has them; tells its progress on stderr.

    ``listed`` are the tasks of the data set's entry; a study's other tasks are not applicable there.
    ``jobs`` cores are used, for several runs at once or, with many cells, for one: to the same bits.
    """

    def score(number: int) -> tuple[list[dict[str, Any]], float]:
        started = time.perf_counter()
        run = runs[number]
        rows = list(_rows(study, run, listed=listed, cells=cells, prepared=prepared, knowledge=knowledge))
        return rows, time.perf_counter() - started

    if len(cells) > MANY_CELLS and jobs > 1:
        os.environ["OMP_NUM_THREADS"], jobs = str(jobs), 1
    found: list[dict[str, Any]] = []
    begun = time.perf_counter()
    for number, (rows, seconds) in enumerate(side_by_side(score, len(runs), jobs=jobs), start=1):
        n_ok = sum(row["status"] == "ok" for row in rows)
        done = (
            f"[{number}/{len(runs)}] {runs[number - 1].name}: {n_ok} of {len(rows)} values, {seconds:.1f} s"
        )
        left = (time.perf_counter() - begun) / number * (len(runs) - number)
        print(f"{done}; {left:.0f} s left", file=sys.stderr, flush=True)
        found += rows
    return found


def _rows(
    study: Study,
    run: Run,
    *,
    listed: Sequence[str],
    cells: Cells,
    prepared: Outcome,
    knowledge: Knowledge,
) -> Iterator[dict[str, Any]]:
    shared = facts(study, run)
    for task in study.embedded:
        outcome = run.outcome if prepared.status == "ok" else prepared
        if outcome.status == "ok" and task not in listed:
            outcome = not_listed(task)
        for geometry, found in _looks(study, task, run, outcome=outcome, cells=cells, knowledge=knowledge):
            for access, values in found.items():
                for value in values:
                    yield shared | line(value, task=task, access=access, geometry=geometry)


def _looks(
    study: Study, task: str, run: Run, *, outcome: Outcome, cells: Cells, knowledge: Knowledge
) -> Iterator[tuple[Geometry, Mapping[Access, Sequence[Measured]]]]:
    """All metrics of the embedding as it is; then the primary one of it whitened by the training cells.

    A control is not whitened: that look asks whether a verdict holds, and a control has none.
    """
    if outcome.status != "ok":
        yield "as_is", dict.fromkeys(run.accesses, absent(task, outcome))
        return
    primary = study.primary[task]
    found = _measure(run.Z, run, task, primary=primary, cells=cells, knowledge=knowledge)
    if task == "annotation" and len(study.datasets) >= FEWEST_DATASETS:
        known = score_beforehand(run.Z, cells)
        found = {access: [*values, *known] for access, values in found.items()}
    yield "as_is", found
    if run.control:
        return
    try:
        Z = whiten(run.Z, fit=cells.part == "train")
    except Undefined as why:
        blank = missing(primary.metric, status="undefined", reason=str(why), readout=primary.readout)
        yield "whitened", {access: [blank] for access in run.accesses}
    else:
        found = _measure(Z, run, task, primary=primary, cells=cells, knowledge=knowledge, only=True)
        yield "whitened", found


def _measure(
    Z: np.ndarray,
    run: Run,
    task: str,
    *,
    primary: Primary,
    cells: Cells,
    knowledge: Knowledge,
    only: bool = False,
) -> Mapping[Access, Sequence[Measured]]:
    """Values by access, of all metrics or of the primary one only."""
    if task == "annotation":  # its training and test cells are the same in either access
        values = score_annotation(Z, cells, knowledge=knowledge, only=primary if only else None)
        return dict.fromkeys(run.accesses, values)
    return {
        access: score_integration(
            Z,
            cells,
            access=access,
            primary=primary.metric,
            knowledge=knowledge,
            primary_only=only,
            most=WHITENED_CELLS if only else None,
        )
        for access in run.accesses
    }
