"""``python -m models pretrain``: one contestant, one corpus → ``state/`` and what became of it."""

import argparse
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

from contract.errors import UserError
from contract.files import sha256, write_json
from contract.outcome import Outcome
from models.catalogue import Catalogue, Contestant, find_contestant
from models.processes import GRACE, REASON, AnotherFailed, number_and_count, sharing_fate
from models.recipe_labels import is_told_types
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

FILES = ("outcome.json", "state", "run.json", "cost.json")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what to train, on what, and where to."""
    parser.add_argument("--models", type=Path, default=Path("models.yaml"), metavar="PATH")
    parser.add_argument("--model", required=True, metavar="NAME", help="a name that carries its corpus")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--corpus", type=Path, required=True, metavar="DIR", help="what `atlas corpus` left")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument(
        "--labels", type=Path, metavar="PATH", help="of `atlas labels`, for who learns from types"
    )
    parser.add_argument("--timeout", type=float, metavar="SECONDS", help="instead of the catalogue's")
    add_attempts(parser)


def main(args: argparse.Namespace) -> int:
    """Train; always writes its files and a ``state`` folder, and is 0 unless killed for memory.

    A killed training of a resumable adapter goes on from ``work/`` when it is called again.

    Under ``torchrun`` all processes compute and the first alone writes. A failed one is non-zero there,
    so that ``torchrun`` ends the others, and they share one fate.
    """
    contestant, catalogue = find_contestant(args.models, args.model)
    where = f"{args.models}: {contestant.name}"
    if contestant.corpus is None:
        raise UserError(where, found="no 'corpus'", expected="a contestant that is trained on one")
    if contestant.trained_as != contestant.name:
        found, todo = "an entry that is fine-tuned", f"train {contestant.trained_as} instead"
        raise UserError(where, found=found, todo=todo)
    if (args.labels is not None) != is_told_types(contestant.adapter, contestant.options):
        found = "no --labels" if args.labels is None else "--labels"
        expected = "types of cells" if args.labels is None else "none: it learns from counts alone"
        raise UserError(where, found=found, expected=expected)
    if args.seed < 0:
        raise UserError("--seed", found=str(args.seed), expected="0 or more")
    number, count = number_and_count()
    if count > 1 and number:
        return _assist(args, contestant, catalogue)
    forget(args.out, FILES)
    with sharing_fate(count):
        done, run = _pretrain(args, contestant, catalogue, out=args.out)
    state = args.out / "state"
    state.mkdir(exist_ok=True)
    run["state"] = {path.name: sha256(path) for path in sorted(state.iterdir())}
    if done.outcome.status == "ok" and (args.out / "work").is_dir():
        shutil.rmtree(args.out / "work")
    write_json(args.out / "run.json", run)
    write_json(args.out / "cost.json", cost(done, pretrain=None) | {"processes": count})
    done.outcome.write(args.out / "outcome.json")
    say(done.outcome)
    status = exit_status(done, last_attempt=args.last_attempt)
    return status or int(count > 1 and done.outcome.status == "failed")


def _assist(args: argparse.Namespace, contestant: Contestant, catalogue: Catalogue) -> int:
    """Be a further process of ``torchrun``: compute with the first, which writes, and leave nothing."""
    with tempfile.TemporaryDirectory() as own:
        done, _ = _pretrain(args, contestant, catalogue, out=Path(own))
    if done.outcome.status != "failed":
        return 0
    say(done.outcome)
    time.sleep(GRACE)
    return 1


def _pretrain(
    args: argparse.Namespace, contestant: Contestant, catalogue: Catalogue, *, out: Path
) -> tuple[Done, dict[str, Any]]:
    """What became of it, and ``run.json``, its ``state`` still missing; what it made is in ``out``."""
    run = {
        "model": contestant.name,
        "corpus": {"name": contestant.corpus, "datasets": catalogue.corpora[contestant.corpus].datasets},
        "seed": args.seed,
        "card": contestant.card.as_dict(),
        "options": contestant.options,
        "inputs": {},
        "n": None,
        "seen": None,
        "versions": versions(),
    }
    earlier = read_outcome(args.corpus / "outcome.json", todo="run `python -m atlas corpus` first")
    if earlier.status != "ok":
        outcome = Outcome(
            status=earlier.status, stage="corpus", reason=earlier.reason, log_tail=earlier.log_tail
        )
        return Done(outcome, {}, None), run
    inputs = {name: args.corpus / name for name in ("cells.h5ad", "corpus.json")}
    run["inputs"] = hashes(inputs | ({} if args.labels is None else {"labels": args.labels}))
    request = {"seed": args.seed, "corpus": str(args.corpus), "work": str((args.out / "work").resolve())}
    request["labels"] = None if args.labels is None else str(args.labels)
    timeout = args.timeout or contestant.timeout
    try:
        done = run_child("pretrain", contestant, request, out=out, timeout=timeout, given_up=args.given_up)
    except AnotherFailed:
        done = Done(Outcome(status="failed", stage="pretrain", reason=REASON), {}, None)
    run |= {key: done.report.get(key) for key in ("n", "seen")}
    if "card" in done.report:
        run["card"] = done.report["card"]
    return done, run
