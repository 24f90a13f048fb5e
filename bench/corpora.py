"""``python -m bench.corpora --cells 20000 80000``: does memory grow with the corpus of a pre-training?

Made-up blood of each size is gathered (``atlas corpus``) and learnt from (``models pretrain``, a few dozen
cells of it: what could grow is vocabulary, shuffling and bookkeeping, not steps), each in a process of its
own. The last line is one JSON object.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from atlas.blocks import CountsFile
from bench.blood import GENES, made_up
from contract.files import read_json, write_json
from contract.outcome import Outcome

ROOT = Path(__file__).resolve().parent.parent
BLOCK = 2000
STEPS = ("corpus", "pretrain")


def main() -> int:
    """Print a row a step and size: seconds and GiB; then one JSON object."""
    args = _arguments()
    with tempfile.TemporaryDirectory(dir=args.folder) as scratch:
        found = {n: measure(n, Path(scratch) / str(n), args=args) for n in sorted(args.cells)}
    first, last = (found[n]["pretrain"]["peak_gib"] for n in (min(found), max(found)))
    about = {"recipe": args.recipe, "size": args.size, "genes": GENES}
    print(json.dumps(about | {"cells": found, "peak_ratio": round(last / first, 2)}))
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.corpora", description=__doc__.splitlines()[0])
    parser.add_argument("--cells", type=int, nargs="+", default=[20_000, 80_000])
    parser.add_argument("--recipe", default="geneformer")
    parser.add_argument("--size", default="tiny")
    parser.add_argument("--budget-cells", type=int, default=32)
    parser.add_argument("--folder", type=Path, help="where to write; default: the system's temporary folder")
    return parser.parse_args()


def measure(n: int, folder: Path, *, args: argparse.Namespace) -> dict[str, dict[str, float]]:
    """Seconds and peak memory of both steps on ``n`` cells."""
    values = write_cells(folder / "data/blood", n)
    options = {"budget_cells": args.budget_cells}
    models = {"m@blood": {"recipe": args.recipe, "size": args.size, "corpus": "blood", "options": options}}
    corpora = {"blood": {"title": "made up", "datasets": {"blood": "all"}}}
    (folder / "models.yaml").write_text(yaml.safe_dump({"corpora": corpora, "models": models}))
    out = {step: folder / step for step in STEPS}
    members = ["--data", folder / "data", "--part", "blood=all"]
    learn = ["--models", folder / "models.yaml", "--model", "m@blood", "--corpus", out["corpus"]]
    commands = {
        "corpus": ["atlas", "corpus", "--name", "blood", *members],
        "pretrain": ["models", "pretrain", *learn],
    }
    found: dict[str, dict[str, float]] = {}
    for step, words in commands.items():
        found[step] = _run([*words, "--out", out[step]], log=folder / "log.txt")
        outcome = Outcome.read(out[step] / "outcome.json")
        if outcome.status != "ok":
            sys.exit(f"error: {step}: {outcome.status}: {outcome.reason}")
        print(f"{n:,} cells, {values:,} values: {step}: {found[step]}", flush=True)
    found["pretrain"]["seconds_in_child"] = read_json(out["pretrain"] / "cost.json")["seconds"]["pretrain"]
    return found


def write_cells(folder: Path, n: int) -> int:
    """A prepared data set of ``n`` cells, written block by block; returns its number of counts."""
    folder.mkdir(parents=True)
    rng, block, values, totals = np.random.default_rng(0), made_up(BLOCK), 0, []
    with CountsFile(folder / "cells.h5ad") as file:
        for start in range(0, n, BLOCK):
            counts = block[: min(BLOCK, n - start)].copy()
            counts.data = rng.geometric(0.6, counts.nnz).astype(np.float32)
            file.append(counts)
            totals.append(np.asarray(counts.sum(axis=1), dtype=np.float64).ravel())
            values += counts.nnz
        names = pd.Index([f"cell{i}" for i in range(n)])
        obs = pd.DataFrame({"batch": "", "donor": [f"d{i * 20 // n}" for i in range(n)]}, index=names)
        obs = obs.assign(assay="", tissue="blood", organism="human", total_counts=np.concatenate(totals))
        genes = pd.Index([f"ENSG{i:011d}" for i in range(GENES)])
        file.finish(obs=obs, var=pd.DataFrame({"symbol": genes}, index=genes), uns={"dataset": "blood"})
    report = {"dataset": "blood", "organism": "human", "citation": "bench/corpora.py"}
    write_json(folder / "report.json", report)
    Outcome(status="ok", stage="prepare").write(folder / "outcome.json")
    return values


def _run(words: list, *, log: Path) -> dict[str, float]:
    begun = time.perf_counter()
    with open(log, "a", encoding="utf-8") as file:
        command = [sys.executable, "-m", *map(str, words)]
        process = subprocess.Popen(command, cwd=ROOT, stdout=file, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"error: {' '.join(command)} ended with {os.waitstatus_to_exitcode(status)}; see {log}")
    cpu = usage.ru_utime + usage.ru_stime
    seconds = {"seconds": round(time.perf_counter() - begun, 1), "cpu_seconds": round(cpu, 1)}
    return seconds | {"peak_gib": round(usage.ru_maxrss / 2**20, 3)}


if __name__ == "__main__":
    sys.exit(main())
