"""``python -m models predict``: one data set, one contestant, all folds → ``predictions.parquet``.

Each fold is answered in a process of its own, which is handed the labels of its training rows and no
other: ``models.fold`` says what it may see. Under ``torchrun`` all processes compute and the first writes.
"""

import argparse
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from contract.errors import UserError
from contract.files import atomic, read_json, sha256, write_json
from contract.outcome import Outcome
from models import answer
from models.catalogue import Contestant, find_contestant
from models.embed import check_checkpoint, check_owner, check_state, passed_on, pretrain_seconds
from models.processes import GRACE, REASON, AnotherFailed, number_and_count, sharing_fate
from models.step import (
    Done,
    add_attempts,
    cost,
    exit_status,
    forget,
    hashes,
    read_outcome,
    run_child,
    say,
    versions,
)

FILES = ("outcome.json", "predictions.parquet", "run.json", "cost.json")
WITH_LABELS = "labels"
"""As ``fit`` of a run: fitted on training units with their labels."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what to learn from, with what, and where to."""
    parser.add_argument("--models", type=Path, default=Path("models.yaml"), metavar="PATH")
    parser.add_argument("--model", required=True, metavar="NAME", help="a name in the catalogue")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="a prepared data set")
    parser.add_argument("--folds", type=Path, required=True, metavar="DIR", help="what `tasks folds` left")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--checkpoint", type=Path, metavar="DIR", help="what `pretrain` left")
    parser.add_argument("--timeout", type=float, metavar="SECONDS", help="a fold, instead of the catalogue's")
    add_attempts(parser)


def main(args: argparse.Namespace) -> int:
    """Predict; always writes the four files, and is 0 unless the child was killed for memory.

    Under ``torchrun`` a process that failed is non-zero, so that the others end, too.
    """
    contestant, _ = find_contestant(args.models, args.model)
    where = f"{args.models}: {contestant.name}"
    check_checkpoint(args.checkpoint, contestant, where=where)
    if not contestant.predicts:
        raise UserError(where, found=contestant.adapter, expected="a contestant that can be given labels")
    if args.seed < 0:
        raise UserError("--seed", found=str(args.seed), expected="0 or more")
    number, count = number_and_count()
    if number:
        return _assist(args, contestant)
    forget(args.out, FILES)
    with sharing_fate(count):
        done, run = _predict(args, contestant, out=args.out)
    failed = count > 1 and done.outcome.status == "failed"
    if not done.killed and not failed:  # else the next attempt goes on from there
        shutil.rmtree(args.out / "work", ignore_errors=True)
    if done.outcome.status != "ok":
        write_predictions(args.out / "predictions.parquet", [], seed=args.seed)
    spent = None if args.checkpoint is None else pretrain_seconds(args.checkpoint)
    run["predictions_sha256"] = sha256(args.out / "predictions.parquet")
    write_json(args.out / "run.json", run)
    write_json(args.out / "cost.json", cost(done, pretrain=spent) | {"processes": count})
    done.outcome.write(args.out / "outcome.json")
    say(done.outcome)
    status = exit_status(done, last_attempt=args.last_attempt)
    return status or int(failed)


def _assist(args: argparse.Namespace, contestant: Contestant) -> int:
    """Be a further process of ``torchrun``: learn with the first, which writes, and leave nothing."""
    with tempfile.TemporaryDirectory() as own:
        done, _ = _predict(args, contestant, out=Path(own))
    if done.outcome.status != "failed":
        return 0
    say(done.outcome)
    time.sleep(GRACE)
    return 1


def _predict(args: argparse.Namespace, contestant: Contestant, *, out: Path) -> tuple[Done, dict[str, Any]]:
    """What became of it, and ``run.json``; what it made is in ``out``."""
    run = {
        "dataset": args.data.resolve().name,
        "model": contestant.name,
        "adapter": contestant.adapter,
        "fit": WITH_LABELS,
        "seed": args.seed,
        "control": contestant.control,
        "card": _with_labels(contestant.card.as_dict()),
        "options": contestant.options | ({"head": contestant.head} if contestant.head else {}),
        "inputs": {},
        "checkpoint": None,
        "folds": {},
        "versions": versions(),
    }
    for folder, stage, todo in (
        (args.data, "prepare", "run `python -m atlas prepare` first"),
        (args.folds, "folds", "run `python -m tasks folds` first"),
        (args.checkpoint, "pretrain", "run `python -m models pretrain` first"),
    ):
        earlier = None if folder is None else read_outcome(folder / "outcome.json", todo=todo)
        if earlier is not None and earlier.status != "ok":
            return Done(passed_on(earlier, stage), {}, None), run
    if args.checkpoint is not None:
        run["checkpoint"] = trained = read_json(args.checkpoint / "run.json")
        check_owner(args.checkpoint, trained, contestant, seed=args.seed)
        check_state(args.checkpoint, run["checkpoint"])
    folds = sorted(path.parent for path in args.folds.glob("*/fold.json"))
    run["inputs"] = hashes(
        {"cells.h5ad": args.data / "cells.h5ad"}
        | {f"{fold.name}/train.parquet": fold / "train.parquet" for fold in folds}
    )
    done = list(_folds(args, contestant, folds, out=out))
    run["folds"] = {fold.name: _told(one.report) for fold, one in zip(folds, done, strict=False)}
    made = [out / f"{fold.name}.parquet" for fold in folds]
    if all(one.outcome.status == "ok" for one in done):
        there = [path for path in made if path.is_file()]
        write_predictions(out / "predictions.parquet", there, seed=args.seed)
    for path in made:
        path.unlink(missing_ok=True)
    card = next((one.report["card"] for one in done if "card" in one.report), None)
    run["card"] = run["card"] if card is None else _with_labels(card)
    return joined(done), run


def _folds(
    args: argparse.Namespace, contestant: Contestant, folds: Sequence[Path], *, out: Path
) -> Iterator[Done]:
    """One answer a fold; of several processes, none goes on after a fold that failed: they would not meet."""
    _, count = number_and_count()
    for fold in folds:
        try:
            done = _fold(args, contestant, fold, out=out)
        except AnotherFailed:
            done = Done(Outcome(status="failed", stage="predict", reason=REASON), {}, None)
        yield done
        if count > 1 and done.outcome.status == "failed":
            return


def _fold(args: argparse.Namespace, contestant: Contestant, fold: Path, *, out: Path) -> Done:
    """Answer one fold; its table is put beside the others under the fold's name."""
    request = {
        "seed": args.seed,
        "data": str(args.data),
        "fold": str(fold),
        "state": None if args.checkpoint is None else str(args.checkpoint / "state"),
        "work": str((args.out / "work" / fold.name).resolve()),
    }
    timeout = args.timeout or contestant.timeout
    done = run_child(
        "predict",
        contestant,
        request,
        out=out,
        timeout=timeout,
        given_up=args.given_up,
        module=answer.__name__,
    )
    table = out / "predictions.parquet"
    if table.is_file():
        table.rename(out / f"{fold.name}.parquet")
    return done


def joined(done: Sequence[Done]) -> Done:
    """One outcome of all folds: the first that is not ok; not applicable where no question was answered."""
    bad = next((one.outcome for one in done if one.outcome.status != "ok"), None)
    answers = [answer for one in done for answer in one.report.get("questions", {}).values()]
    if bad is None and not any(answer["status"] == "ok" for answer in answers):
        reason = answers[0]["reason"] if answers else "there is no fold"
        bad = Outcome(status="not_applicable", stage="predict", reason=reason)
    seconds = [one.report["seconds"] for one in done if "seconds" in one.report]
    report = dict(done[-1].report) if done else {}
    if seconds:
        report["seconds"] = {key: sum(s[key] for s in seconds) for key in ("fit", "embed")}
    report["n"] = sum(one.report.get("n", 0) for one in done)
    peaks = [one.peak_rss_bytes for one in done if one.peak_rss_bytes is not None]
    return Done(
        bad or Outcome(status="ok", stage="predict"),
        report,
        max(peaks, default=None),
        any(one.killed for one in done),
    )


def write_predictions(path: Path, tables: Sequence[Path], *, seed: int) -> None:
    """Join the tables of folds; a class that a fold did not know is null there."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = [("fold", pa.string()), ("question", pa.string()), ("cell", pa.string())]
    columns += [("predicted", pa.string()), ("unseen_score", pa.float64())]
    empty = pa.schema(columns).empty_table()
    read = [pq.read_table(table, use_threads=False).replace_schema_metadata(None) for table in tables]
    with atomic(path) as temporary:
        whole = pa.concat_tables([empty, *read], promote_options="permissive")
        whole = whole.append_column("seed", pa.repeat(pa.scalar(seed, pa.int64()), whole.num_rows))
        pq.write_table(whole, temporary, compression="zstd")


def _told(report: dict[str, Any]) -> dict[str, Any]:
    """What ``run.json`` keeps of a fold's answers: nothing that differs between repeats."""
    kept = ("status", "reason", "chosen", "curve")
    questions = report.get("questions", {})
    return {name: {key: given[key] for key in kept if key in given} for name, given in questions.items()}


def _with_labels(card: dict[str, Any]) -> dict[str, Any]:
    return card | {"saw": sorted({*card["saw"], "train_labels"})}
