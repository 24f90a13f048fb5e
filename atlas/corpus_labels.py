"""``python -m atlas labels``: the types of a corpus' cells, for the few recipes that learn from types.

They lie in a file of their own, beside ``cells.h5ad`` and never in it, so that who may not see a
label is not handed one. Only cells of training units are named: a corpus may hold all cells of a
data set, but the types of its test units stay unknown.
"""

import argparse
from pathlib import Path

import anndata as ad
import pandas as pd

from contract.errors import UserError
from contract.files import atomic, read_json, read_table

COLUMNS = ("label", "ontology_id")


def labels_of(cells: list[str], truths: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """``cell, label, ontology_id`` of N cells named ``<dataset>:<cell>``; null unless of a training unit.

    ``truths``: data set → its ``truth.parquet``.

    Raises
    ------
    UserError
        If a cell is in no data set: corpus and data sets are of different runs.
    """
    told = []
    for dataset, truth in truths.items():
        kept = truth["part"] == "train"
        table = truth[["cell", *COLUMNS]].copy()
        table.loc[~kept, list(COLUMNS)] = None
        told.append(table.assign(cell=f"{dataset}:" + table["cell"].astype(str)))
    known = pd.concat(told).set_index("cell") if told else pd.DataFrame(columns=list(COLUMNS))
    strange = [name for name in cells if name not in known.index]
    if strange:
        raise UserError(
            "corpus",
            found=f"cell {strange[0]!r} ({len(strange)} such), which no data set has",
            expected="cells of its data sets",
            todo="run `python -m atlas corpus` again",
        )
    return known.loc[cells].rename_axis("cell").reset_index()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``labels``."""
    parser.add_argument("--corpus", type=Path, required=True, metavar="DIR", help="what `atlas corpus` left")
    parser.add_argument("--data", type=Path, required=True, help="folder with one prepared data set a folder")
    parser.add_argument("--out", type=Path, required=True, help="the table to write, .parquet")


def main(args: argparse.Namespace) -> int:
    """Write the table; a corpus without cells gives one without rows."""
    cells = ad.read_h5ad(args.corpus / "cells.h5ad", backed="r").obs_names.astype(str).tolist()
    datasets = read_json(args.corpus / "corpus.json")["datasets"] if cells else []
    table = labels_of(cells, {name: read_table(args.data / name / "truth.parquet") for name in datasets})
    with atomic(args.out) as path:
        table.to_parquet(path, index=False)
    print(f"{args.out}: {int(table['label'].notna().sum())} of {len(table)} cells named")
    return 0
