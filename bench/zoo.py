"""``python -m bench.zoo --out FOLDER``: pre-train every recipe at one size under one budget of cells.

One recipe after the other, each in a folder of its own; one that is done is not done again, and one that was
killed goes on from its last record, so the command may be called as often as it takes. Recipes that learn
from types are left out, for these cells have none. The last line is one JSON object.
"""

import argparse
import json
import sys
import time
from pathlib import Path

import torch
from anndata import AnnData

from bench.blood import read_cells
from contract.files import read_json, write_json
from models.options import RecipeOptions
from models.pretrained import Pretrained
from models.transformer.recipe import load_recipe, recipe_names


def main() -> int:
    """Train what is not trained yet; print a row a recipe and, last, one JSON object."""
    args = _arguments()
    cells = read_cells(args.data, cells=args.cells)
    names = [n for n in args.recipes or recipe_names() if not learns_types(n, size=args.size)]
    print(f"{'recipe':26s}{'validation':>22s}{'tokens':>14s}{'seconds':>9s}")
    rows = {}
    for name in names:
        done = args.out / name / "done.json"
        if not done.is_file():
            write_json(done, train(name, cells, args=args))
        rows[name] = read_json(done)
        print(_row(name, rows[name]), flush=True)
    about = {"size": args.size, "budget_cells": args.budget_cells, "cells": cells.n_obs}
    print(json.dumps(about | {"recipes": rows}))
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.zoo", description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, metavar="H5AD", help="raw counts in X; default: made-up blood")
    parser.add_argument("--cells", type=int, help="cells drawn of them; default: all")
    parser.add_argument("--recipes", nargs="+", metavar="NAME", help="default: all")
    parser.add_argument("--size", default="small")
    parser.add_argument("--budget-cells", type=int, default=20_000, help="cells shown, repeats counted")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    return parser.parse_args()


def learns_types(name: str, *, size: str) -> bool:
    """Whether a recipe asks for types of cells; batches are told by any cells."""
    types, _ = load_recipe(name).design(size).told
    return types


def train(name: str, cells: AnnData, *, args: argparse.Namespace) -> dict:
    """Train one recipe to its end; the checkpoint lies in ``state``, the loss curve in it.

    ``calls`` is how often it was begun; ``seconds`` are those of the last call.
    """
    folder = args.out / name
    folder.mkdir(parents=True, exist_ok=True)
    calls = folder / "calls.json"
    write_json(calls, (read_json(calls) if calls.is_file() else 0) + 1)
    options = RecipeOptions(recipe=name, size=args.size, budget_cells=args.budget_cells)
    begun = time.perf_counter()
    model = Pretrained(options, workdir=folder / "work").fit(cells, seed=0)
    seconds = time.perf_counter() - begun
    model.save(folder / "state")
    curve = model.fitted.curve
    return {
        "parameters": sum(weight.numel() for weight in model.fitted.network.parameters()),
        "validation": [record["validation"] for record in curve],
        "cells": curve[-1]["cells"],
        "tokens": curve[-1]["tokens"],
        "seconds": round(seconds, 1),
        "calls": read_json(calls),
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
        "peak_gpu_bytes": torch.cuda.max_memory_allocated() if torch.cuda.is_available() else None,
    }


def _row(name: str, row: dict) -> str:
    first, last = row["validation"][0], row["validation"][-1]
    losses = "none held out" if first is None else f"{first:.3f} → {last:.3f}"
    more = "" if row["calls"] == 1 else f" (last of {row['calls']} calls)"
    return f"{name:26s}{losses:>22s}{row['tokens']:14,d}{row['seconds']:9.1f}{more}"


if __name__ == "__main__":
    sys.exit(main())
