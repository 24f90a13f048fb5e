"""``python -m board map`` and ``maps``: UMAPs side by side, coloured by type, batch and donor.

A picture to look at, never a score: UMAP keeps neighbours and bends distances, so that gaps between its
islands mean little. It is a page of its own, since pictures would make the leaderboard many times as large.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from contract.errors import UserError
from contract.files import read_json, read_table, write_json

MOST = 10_000
FEWEST = 5
SEED = 0
NEIGHBOURS = 15


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``python -m board map``."""
    parser.add_argument("--embedding", type=Path, required=True, help="folder of one embedding")
    parser.add_argument("--out", type=Path, required=True, help="JSON file of places in the plane")


def main(args: argparse.Namespace) -> int:
    """Write where each shown cell lies; of an embedding that is none, why."""
    for name in ("run.json", "outcome.json", "embedding.npy"):
        if not (args.embedding / name).is_file():
            raise UserError(
                str(args.embedding / name), found="no such file", todo="run `python -m models embed` first"
            )
    run, outcome = read_json(args.embedding / "run.json"), read_json(args.embedding / "outcome.json")
    facts = {name: run[name] for name in ("dataset", "model", "fit", "seed")}
    if outcome["status"] != "ok":
        reason = f"{outcome['status'].replace('_', ' ')} at {outcome['stage']}: {outcome['reason']}"
        write_json(args.out, {**facts, "reason": reason, "cells": [], "x": [], "y": []})
        return 0
    Z = np.load(args.embedding / "embedding.npy", allow_pickle=False)
    write_json(args.out, {**facts, **flat(Z)})
    return 0


def flat(Z: np.ndarray) -> dict[str, Any]:
    """Cells (their rows, at most ``MOST``, drawn with one seed) and their places from Z (N, D); or why none.

    UMAP (10.21105/joss.00861) with 15 neighbours, Euclidean, one thread and one seed: the same every time.
    """
    rows = shown_cells(len(Z))
    points = np.asarray(Z, dtype=np.float32)[rows]
    distinct = len(np.unique(points, axis=0))
    if distinct < FEWEST:
        found = f"{distinct} different points, where a map needs {FEWEST}"
        return {"reason": found, "cells": [], "x": [], "y": []}
    from umap import UMAP  # heavy: only when something is drawn

    neighbours = min(NEIGHBOURS, len(rows) - 1)
    # Not the spectral start, which fails where many cells are equal; principal components need three columns.
    start = "pca" if points.shape[1] > 2 else "random"
    model = UMAP(n_neighbors=neighbours, random_state=SEED, n_jobs=1, init=start)
    places = np.round(model.fit_transform(points).astype(float), 3)
    return {"reason": "", "cells": rows.tolist(), "x": places[:, 0].tolist(), "y": places[:, 1].tolist()}


def shown_cells(count: int) -> np.ndarray:
    """Row numbers, in order: all, or ``MOST`` of them, drawn once for every embedding of a data set."""
    if count <= MOST:
        return np.arange(count)
    return np.sort(np.random.default_rng(SEED).choice(count, MOST, replace=False))


def read_truth(folder: Path) -> pd.DataFrame:
    """Label, batch and donor of each cell, blanks told as such."""
    path = folder / "truth.parquet"
    if not path.is_file():
        raise UserError(str(path), found="no such file", todo="run `python -m atlas prepare` first")
    truth = read_table(path, columns=["label", "batch", "donor"])
    return truth.astype("object").where(truth.notna() & (truth != ""), "not stated")
