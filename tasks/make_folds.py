"""``python -m tasks folds``: a study's protocol on one data set → what each fold may see.

What is written for a fold is all that a contestant's process is handed beside the counts:
labels of training rows, and names of test cells.
"""

import argparse
import shutil
from dataclasses import asdict
from pathlib import Path

import anndata
import numpy as np
import pandas as pd

from contract.errors import NotApplicable
from contract.files import read_table, write_json
from contract.outcome import Outcome
from tasks.cells import prepared_outcome, text
from tasks.folds import Fold, make_folds, questions
from tasks.protocol import SINGLE_CELLS, Protocol
from tasks.study import protocol_for, read_study

OF_COUNTS = ("assay", "tissue", "organism")
"""Groups that stand beside the counts, not in the truth."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``folds``."""
    parser.add_argument("--study", type=Path, required=True, help="the study file")
    parser.add_argument("--dataset", required=True, help="id of the data set")
    parser.add_argument("--data", type=Path, required=True, help="folder of the prepared data set")
    parser.add_argument("--out", type=Path, required=True, help="folder of the folds")


def main(args: argparse.Namespace) -> int:
    """Write the folds and ``outcome.json``; a data set that the protocol does not fit is not applicable."""
    protocol = protocol_for(read_study(args.study), args.dataset)
    shutil.rmtree(args.out, ignore_errors=True)
    args.out.mkdir(parents=True)
    outcome = prepared_outcome(args.data)
    if outcome.status == "ok":
        try:
            n = write_folds(protocol, data=args.data, out=args.out)
            outcome = Outcome(status="ok", stage="folds")
            print(f"{args.dataset}: {n} folds, {protocol.name}")
        except NotApplicable as why:
            outcome = Outcome(status="not_applicable", stage="folds", reason=str(why))
            print(f"{args.dataset}: not applicable: {why}")
    outcome.write(args.out / "outcome.json")
    return 0


def write_folds(protocol: Protocol, *, data: Path, out: Path) -> int:
    """Write every fold and ``questions.json``; return how many folds there are."""
    truth = read_table(data / "truth.parquet")
    label, unit = text(truth[protocol.label]), text(truth["unit"])
    folds = make_folds(protocol, group=_groups(protocol, truth, data), unit=unit, label=label)
    about = {}
    for fold in folds:
        asked = questions(protocol, fold, label=label)
        about[f"fold-{fold.name}"] = {name: asdict(what) for name, (what, _) in asked.items()}
        masks = {name: given for name, (_, given) in asked.items()}
        _write(fold, masks, truth=truth, label=label, protocol=protocol, folder=out / f"fold-{fold.name}")
    write_json(out / "questions.json", {"protocol": protocol.name, "label": protocol.label, "folds": about})
    return len(folds)


def _groups(protocol: Protocol, truth: pd.DataFrame, data: Path) -> np.ndarray:
    if protocol.held_out == SINGLE_CELLS:
        return truth["cell"].to_numpy(dtype=object)
    if protocol.held_out in OF_COUNTS:
        backed = anndata.read_h5ad(data / "cells.h5ad", backed="r")
        try:
            return text(backed.obs[protocol.held_out])
        finally:
            backed.file.close()
    return text(truth[protocol.held_out])


def _write(
    fold: Fold,
    asked: dict[str, np.ndarray],
    *,
    truth: pd.DataFrame,
    label: np.ndarray,
    protocol: Protocol,
    folder: Path,
) -> None:
    folder.mkdir()
    rows = truth.assign(label=label, group=fold.group)
    if protocol.label != "label":
        rows = rows.assign(ontology_id=None)
    columns = ["cell", "label", "ontology_id", "unit", "group"]
    rows.loc[fold.train, columns].to_parquet(folder / "train.parquet", index=False)
    rows.loc[fold.test, ["cell", "group"]].to_parquet(folder / "test.parquet", index=False)
    cell = truth["cell"]
    tables = [
        pd.DataFrame({"question": name, "cell": cell[given > 0], "labelled": given[given > 0] == 2})
        for name, given in asked.items()
    ]
    pd.concat(tables).to_parquet(folder / "questions.parquet", index=False)
    about = {"fold": fold.name, "held_out": protocol.held_out, "n_left_out": fold.n_left_out}
    write_json(folder / "fold.json", about | {"shared_groups": protocol.held_out == SINGLE_CELLS})
