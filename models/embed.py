"""``python -m models embed``: one data set, one contestant → ``embedding.npy`` and what became of it."""

import argparse
import shutil
import tempfile
from pathlib import Path
from typing import Any

from contract.errors import UserError
from contract.files import atomic, read_json, sha256, write_json
from contract.outcome import Outcome
from models.catalogue import Contestant, find_contestant
from models.registry import FITS
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
from models.training_labels import write_training_labels

FILES = ("outcome.json", "embedding.npy", "run.json", "cost.json")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what to embed, with what, and where to."""
    parser.add_argument("--models", type=Path, default=Path("models.yaml"), metavar="PATH")
    parser.add_argument("--model", required=True, metavar="NAME", help="a name in the catalogue")
    parser.add_argument("--fit", required=True, choices=FITS, help="whose counts it is fitted on")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="a prepared data set")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument(
        "--truth", action="store_true", help="hand over the truth; for oracles, and only for them"
    )
    parser.add_argument("--checkpoint", type=Path, metavar="DIR", help="what `pretrain` left")
    parser.add_argument("--timeout", type=float, metavar="SECONDS", help="instead of the catalogue's")
    add_attempts(parser)


def main(args: argparse.Namespace) -> int:
    """Embed; always writes the four files, and is 0 unless the child was killed for memory."""
    contestant, _ = find_contestant(args.models, args.model)
    _check(args, contestant)
    forget(args.out, FILES)
    done, run = _embed(args, contestant)
    if done.outcome.status != "ok":
        _write_empty(args.out / "embedding.npy")
    spent = None if args.checkpoint is None else pretrain_seconds(args.checkpoint)
    write_json(args.out / "run.json", run)
    write_json(args.out / "cost.json", cost(done, pretrain=spent))
    done.outcome.write(args.out / "outcome.json")
    say(done.outcome)
    return exit_status(done, last_attempt=args.last_attempt)


def _check(args: argparse.Namespace, contestant: Contestant) -> None:
    where = f"{args.models}: {contestant.name}"
    if not contestant.embeds:
        raise UserError(where, found="embed", expected="predict: it learns from labels")
    if args.fit not in contestant.fits:
        raise UserError(where, found=f"--fit {args.fit}", expected=f"one of {', '.join(contestant.fits)}")
    if args.truth != contestant.needs_truth:
        found = "--truth" if args.truth else "no --truth"
        expected = "labels for oracles only" if args.truth else "--truth: it is an oracle"
        raise UserError(where, found=found, expected=expected)
    check_checkpoint(args.checkpoint, contestant, where=where)
    if args.seed < 0:
        raise UserError("--seed", found=str(args.seed), expected="0 or more")


def check_checkpoint(checkpoint: Path | None, contestant: Contestant, *, where: str) -> None:
    """A checkpoint is there exactly where the contestant was trained on a corpus; else a ``UserError``."""
    if (checkpoint is not None) != (contestant.corpus is not None):
        found = "no --checkpoint" if checkpoint is None else "--checkpoint"
        expected = "what it was trained to" if contestant.corpus else "none: it is not trained on a corpus"
        raise UserError(where, found=found, expected=expected)


def check_owner(checkpoint: Path, facts: dict[str, Any], contestant: Contestant, *, seed: int) -> None:
    """The checkpoint is of the training that the contestant starts from; else a ``UserError``."""
    if (facts["model"], facts["seed"]) != (contestant.trained_as, seed):
        found, expected = "{model}, seed {seed}".format(**facts), f"{contestant.trained_as}, seed {seed}"
        raise UserError(str(checkpoint), found=found, expected=expected)


def check_state(checkpoint: Path, facts: dict[str, Any]) -> None:
    """The files of ``state`` are those that the training wrote, by SHA-256; else a ``UserError``."""
    state = checkpoint / "state"
    for name, digest in facts["state"].items():
        path = state / name
        if not path.is_file() or sha256(path) != digest:
            found = "other bytes than" if path.is_file() else "no such file, unlike"
            raise UserError(
                str(path), found=f"{found} what was trained", todo="delete it, and train it again"
            )


def _embed(args: argparse.Namespace, contestant: Contestant) -> tuple[Done, dict[str, Any]]:
    """What became of it, and ``run.json``."""
    inputs = {"cells.h5ad": args.data / "cells.h5ad", "split.parquet": args.data / "split.parquet"}
    if contestant.needs_truth or contestant.labelled:
        inputs["truth.parquet"] = args.data / "truth.parquet"
    run = {
        "dataset": args.data.resolve().name,
        "model": contestant.name,
        "adapter": contestant.adapter,
        "fit": args.fit,
        "seed": args.seed,
        "control": contestant.control,
        "card": contestant.card.as_dict(),
        "options": contestant.options,
        "inputs": {},
        "checkpoint": None,
        "n": None,
        "width": None,
        "constant_columns": None,
        "versions": versions(),
    }
    earlier = read_outcome(args.data / "outcome.json", todo="run `python -m atlas prepare` first")
    if earlier.status != "ok":
        return Done(passed_on(earlier, "prepare"), {}, None), run
    run["inputs"] = hashes(inputs)
    if args.checkpoint is not None:
        earlier = read_outcome(args.checkpoint / "outcome.json", todo="run `python -m models pretrain` first")
        if earlier.status != "ok":
            return Done(passed_on(earlier, "pretrain"), {}, None), run
        run["checkpoint"] = read_json(args.checkpoint / "run.json")
        check_owner(args.checkpoint, run["checkpoint"], contestant, seed=args.seed)
        check_state(args.checkpoint, run["checkpoint"])
    request = {
        "seed": args.seed,
        "fit": args.fit,
        "data": str(args.data),
        "state": None if args.checkpoint is None else str(args.checkpoint / "state"),
    }
    done = _run(args, contestant, request)
    run |= {key: done.report.get(key) for key in ("n", "width", "constant_columns")}
    if done.outcome.status == "ok":
        run["embedding_sha256"] = sha256(args.out / "embedding.npy")
    if "card" in done.report:
        run["card"] = done.report["card"]
    run["inputs"] |= done.report.get("inputs", {})
    return done, run


def _run(args: argparse.Namespace, contestant: Contestant, request: dict[str, Any]) -> Done:
    """Run the child; who learns from labels is handed those of the training cells, and no other."""
    timeout, work = args.timeout or contestant.timeout, args.out / "work"
    with tempfile.TemporaryDirectory(prefix="sclitmus-") as folder:
        labels = Path(folder) / "labels.parquet" if contestant.labelled else None
        if labels is not None:
            write_training_labels(args.data / "truth.parquet", labels)
        request |= {"labels": None if labels is None else str(labels), "work": str(work.resolve())}
        done = run_child("embed", contestant, request, out=args.out, timeout=timeout, given_up=args.given_up)
    if done.outcome.status == "ok":
        shutil.rmtree(work, ignore_errors=True)
    return done


def passed_on(earlier: Outcome, stage: str) -> Outcome:
    """The stage that stopped is told where an earlier step did not tell it."""
    return Outcome(
        status=earlier.status, stage=earlier.stage or stage, reason=earlier.reason, log_tail=earlier.log_tail
    )


def pretrain_seconds(checkpoint: Path) -> float | None:
    """What the training on a corpus took, if it was measured."""
    path = checkpoint / "cost.json"
    return read_json(path)["seconds"]["pretrain"] if path.is_file() else None


def _write_empty(path: Path) -> None:
    import numpy as np

    with atomic(path) as temporary:
        np.save(temporary, np.zeros((0, 0), dtype=np.float32))
