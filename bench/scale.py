"""``python -m bench.scale --cells 10000 100000 1000000``: seconds, peak memory and exponents of each step.

An atlas is simulated to disk and goes through the commands that the workflow runs, each in a process of
its own. What a step made for an earlier call is made again, but for the simulated cells. The last line is
one JSON object.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml

TYPES = ("CL:0000895", "CL:0000897", "CL:0000900", "CL:0000623", "CL:0000788", "CL:0000860")
STEPS = ("simulate", "prepare", "embed hvg", "embed pca", "score pca", "page")
ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Seconds on the clock and on processors, peak resident memory (GiB); of a process and its children."""

    seconds: float
    cpu: float
    peak: float

    def __str__(self) -> str:
        return f"{self.seconds:.0f} s, {self.cpu:.0f} s, {self.peak:.2f} GiB"


def main() -> int:
    """Print a row a step: seconds, processor seconds and GiB at each size; then one JSON object."""
    args = _arguments()
    with tempfile.TemporaryDirectory() as scratch:
        folder = args.folder or Path(scratch)
        costs = {n: _run(n, args, folder / f"{n}x{args.genes}") for n in args.cells}
    print(_table(costs, args.cells))
    print(json.dumps(_summary(costs, args)))
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.scale", description=__doc__.splitlines()[0])
    parser.add_argument("--cells", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--genes", type=int, default=20_000)
    parser.add_argument("--steps", nargs="+", choices=STEPS, default=list(STEPS), metavar="STEP")
    parser.add_argument("--folder", type=Path, help="keep all files here; simulated cells are taken from it")
    return parser.parse_args()


def _run(n: int, args: argparse.Namespace, folder: Path) -> dict[str, Cost]:
    _write_files(folder, n, args.genes)
    found = {}
    for step, command in _commands(folder).items():
        if step not in args.steps or (step == "simulate" and (folder / "atlas/source.json").exists()):
            continue
        found[step] = cost = _measured(command, folder / "log.txt")
        _check(step, folder)
        print(f"{n:,} cells: {step}: {cost}", file=sys.stderr, flush=True)
    return found


def _write_files(folder: Path, n: int, genes: int) -> None:
    """The atlas' entry and a study of one contestant."""
    folder.mkdir(parents=True, exist_ok=True)
    source = {"kind": "simulated", "seed": 0, "n_cells": n, "n_genes": genes, "n_donors": 10}
    # Poisson counts without dropout are drawn five times as fast, and cost every later step as much.
    source |= {"types": list(TYPES), "dispersion": 0, "dropout_strength": 0}
    atlas = {
        "title": "Atlas",
        "source": source,
        "license": "CC0-1.0",
        "citation": "bench/scale.py",
        "organism": "human",
        "gene_ids": "ensembl",
        "total_counts": "matrix",
        "obs": {
            "label": "cell_type",
            "ontology": "cell_type_ontology_term_id",
            "batch": "batch",
            "donor": "donor_id",
        },
        "label_source": "simulated",
        "public_since": "2026-11-21",
        "tasks": ["integration", "annotation"],
    }
    study = {
        "study": "scale",
        "title": "Scale",
        "datasets": ["atlas"],
        "models": ["pca"],
        "seeds": 1,
        "tasks": ["integration", "annotation"],
        "reference": "pca",
        "primary": {
            "integration": {"metric": "bio_conservation", "margin": 0.02},
            "annotation": {"metric": "balanced_accuracy", "readout": "logistic", "margin": 0.02},
        },
        "level": 0.95,
    }
    for name, value in (("datasets", {"atlas": atlas}), ("study", study)):
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(value), encoding="utf-8")


def _commands(folder: Path) -> dict[str, list[str]]:
    data, entry = folder / "atlas", ["--datasets", folder / "datasets.yaml", "--dataset", "atlas"]
    pca = folder / "embeddings/pca"
    commands = {
        "simulate": ["atlas", "fetch", *entry, "--out", data / "source.json"],
        "prepare": ["atlas", "prepare", *entry, "--source", data / "source.json", "--out", data],
    }
    for model in ("hvg", "pca"):
        what = ["--models", ROOT / "models.yaml", "--model", model, "--fit", "train"]
        out = folder / "embeddings" / model
        commands[f"embed {model}"] = ["models", "embed", *what, "--data", data, "--out", out]
    what = ["--study", folder / "study.yaml", "--dataset", "atlas", "--data", data, "--embeddings", pca]
    kept = ["--cache", folder / "cache", "--out", folder / "scores.parquet"]
    commands["score pca"] = ["tasks", "score", *what, *kept]
    what = ["--study", folder / "study.yaml", "--scores", folder / "scores.parquet"]
    made = ["--reports", data / "report.json", "--out", folder / "leaderboard"]
    commands["page"] = ["board", "page", *what, *made]
    return {step: [sys.executable, "-m", *map(str, words)] for step, words in commands.items()}


def _measured(command: list[str], log: Path) -> Cost:
    begun = time.perf_counter()
    with open(log, "a", encoding="utf-8") as file:
        process = subprocess.Popen(command, cwd=ROOT, stdout=file, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"error: {' '.join(command)} ended with {os.waitstatus_to_exitcode(status)}; see {log}")
    cpu = usage.ru_utime + usage.ru_stime
    return Cost(seconds=time.perf_counter() - begun, cpu=cpu, peak=usage.ru_maxrss / 2**20)


def _check(step: str, folder: Path) -> None:
    """A refused step is quick and small: it must not stand in the table."""
    outcome = {
        "simulate": folder / "atlas/source.json",
        "prepare": folder / "atlas/outcome.json",
        "embed pca": folder / "embeddings/pca/outcome.json",
        "embed hvg": folder / "embeddings/hvg/outcome.json",
    }.get(step)
    found = json.loads(outcome.read_text(encoding="utf-8")) if outcome else {"status": "ok"}
    if found["status"] != "ok":
        sys.exit(f"error: {step}: {found['status']}: {found['reason']}")


def _exponent(costs: dict[int, dict[str, Cost]], step: str, what: str) -> float | None:
    """Slope of log cost on log cells; none with fewer than two sizes."""
    points = [(n, getattr(found[step], what)) for n, found in costs.items() if step in found]
    if len(points) < 2:
        return None
    x, y = np.log(np.array(points)).T
    return round(float(np.polyfit(x, y, 1)[0]), 2)


def _table(costs: dict[int, dict[str, Cost]], sizes: list[int]) -> str:
    head = "".join(f"{f'{n:,}':>26s}" for n in sizes) + f"{'exponents':>14s}"
    lines = [f"{'clock, CPU, peak':18s}{head}"]
    for step in STEPS:
        cells = [costs[n].get(step) for n in sizes]
        shown = "".join(f"{c or '-'!s:>26s}" for c in cells)
        both = [_exponent(costs, step, what) for what in ("cpu", "peak")]
        lines.append(f"{step:18s}{shown}{', '.join('-' if e is None else f'{e:.2f}' for e in both):>14s}")
    return "\n".join(lines)


def _summary(costs: dict[int, dict[str, Cost]], args: argparse.Namespace) -> dict:
    steps = {}
    for step in STEPS:
        there = {n: found[step] for n, found in costs.items() if step in found}
        if there:
            steps[step] = {
                "seconds": {n: round(c.seconds, 1) for n, c in there.items()},
                "cpu_seconds": {n: round(c.cpu, 1) for n, c in there.items()},
                "peak_gib": {n: round(c.peak, 2) for n, c in there.items()},
                "exponent_cpu": _exponent(costs, step, "cpu"),
                "exponent_peak": _exponent(costs, step, "peak"),
            }
    return {"genes": args.genes, "cells": args.cells, "steps": steps}


if __name__ == "__main__":
    sys.exit(main())
