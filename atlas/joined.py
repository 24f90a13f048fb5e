"""``python -m atlas join``: several prepared data sets as one file, to hold out whole data sets.

Labels are lifted to a common cut of the Cell Ontology, donors that two data sets hold become one, and
each data set is a batch. The entry for ``datasets.yaml`` is printed, and what was done is in ``<out>.json``.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anndata as ad
import pandas as pd
import yaml
from scipy import sparse

from atlas.blocks import write_cells
from atlas.catalogue import Dataset, find_dataset
from atlas.cut import common_cut
from atlas.ontology import Ontology, cell_ontology
from atlas.same_donors import UNKNOWN, Joined, Own, join_donors, told
from contract.errors import UserError
from contract.files import atomic, read_json, read_table, sha256, write_json
from contract.outcome import Outcome

COLUMNS = ("assay", "tissue", "organism")


def join(folders: Sequence[Path], ontology: Ontology) -> tuple[ad.AnnData, dict[str, Any]]:
    """Stack prepared data sets over the genes that all of them measured.

    Cells keep their counts; a label without an ontology id has no place in the cut and is left out (its
    cells stay, without a label). Returns the cells, and what was done.

    Raises
    ------
    UserError
        If a data set failed, they are of two organisms, share no gene, or one is named twice.
    """
    _check(folders)
    truths = [read_table(folder / "truth.parquet").reset_index(drop=True) for folder in folders]
    own = [_own(folder, truth) for folder, truth in zip(folders, truths, strict=True)]
    genes = sorted(set.intersection(*(set(one.cells.var_names) for one in own)))
    if not genes:
        raise UserError("--members", found="no gene that all have", expected="shared genes")
    donors = join_donors(own)
    terms = {term for truth in truths for term in truth["ontology_id"].dropna()}
    cut = common_cut(sorted(terms), ontology)
    obs = [_obs(one, truth, cut, donors, ontology) for one, truth in zip(own, truths, strict=True)]
    matrix = [sparse.csr_matrix(one.cells.X)[:, one.cells.var_names.get_indexer(genes)] for one in own]
    var = own[0].cells.var.loc[genes, ["symbol"]]
    cells = ad.AnnData(X=sparse.vstack(matrix, format="csr"), obs=pd.concat(obs), var=var)
    about = {"genes": len(genes), "cells": {one.dataset: one.cells.n_obs for one in own}}
    about |= {"labels": {o.dataset: _lifted(t, cut, ontology) for o, t in zip(own, truths, strict=True)}}
    about |= told(donors) | {"classes": _classes(cells.obs)}
    return cells, about


def _own(folder: Path, truth: pd.DataFrame) -> Own:
    return Own(
        dataset=folder.name,
        cells=ad.read_h5ad(folder / "cells.h5ad"),
        unit=truth["unit"].where(truth["unit"].notna(), None).to_numpy(dtype=object),
        citation=read_json(folder / "report.json")["citation"],
    )


def _check(folders: Sequence[Path]) -> None:
    if len(folders) < 2 or len(set(folders)) < len(folders):
        found = ", ".join(folder.name for folder in folders)
        raise UserError("--members", found=found, expected="two or more, each once")
    for folder in folders:
        path = folder / "outcome.json"
        if not path.is_file():
            raise UserError(str(path), found="no such file", todo="run `python -m atlas prepare` first")
        outcome = Outcome.read(path)
        if outcome.status != "ok":
            raise UserError(str(folder), found=f"{outcome.status} ({outcome.reason})", expected="cells")
    organisms = sorted({read_json(folder / "report.json")["organism"] for folder in folders})
    if len(organisms) > 1:
        raise UserError("--members", found=f"organisms {', '.join(organisms)}", expected="one")


def _obs(
    own: Own, truth: pd.DataFrame, cut: dict[str, str], donors: Joined, ontology: Ontology
) -> pd.DataFrame:
    """What is known of the cells; a unit that was joined bears one name in all data sets."""
    joined = {unit for group in donors.groups for unit in group}
    keys = [(own.dataset, UNKNOWN if unit is None else unit) for unit in own.unit]
    named = [key[1] != UNKNOWN or key in joined for key in keys]
    term = truth["ontology_id"].map(cut)
    obs = own.cells.obs[list(COLUMNS)].reset_index(drop=True)
    obs["batch"] = own.dataset
    obs["donor_id"] = [donors.name_of[key] if known else "" for key, known in zip(keys, named, strict=True)]
    obs["cell_type_ontology_term_id"] = term.fillna("")
    obs["cell_type"] = term.map(ontology.names).fillna("")
    obs.index = pd.Index([f"{own.dataset}:{name}" for name in own.cells.obs_names], dtype=object)
    return obs


def _lifted(truth: pd.DataFrame, cut: dict[str, str], ontology: Ontology) -> dict[str, str | None]:
    """Each label of a data set → its class; null where it has no ontology id."""
    pairs = truth[["label", "ontology_id"]].dropna(subset=["label"]).drop_duplicates()
    return {
        str(label): None if pd.isna(term) else ontology.names[cut[term]]
        for label, term in sorted(pairs.itertuples(index=False, name=None), key=str)
    }


def _classes(obs: pd.DataFrame) -> dict[str, dict[str, int]]:
    """Class → data set → cells."""
    known = obs[obs["cell_type"] != ""]
    return {
        str(name): {str(batch): int(n) for batch, n in own["batch"].value_counts(sort=False).items()}
        for name, own in known.groupby("cell_type", sort=True)
    }


def entry_of(members: Sequence[Dataset], *, path: Path) -> dict[str, Any]:
    """The entry that reads the file; it was public when the first of its members was."""
    sources = sorted({member.label_source for member in members} - {"none"})
    return {
        path.stem: {
            "title": f"{', '.join(member.id for member in members)}, joined",
            "note": "Made by `python -m atlas join`: labels lifted to a common cut of the Cell Ontology, "
            "shared donors joined, a batch is a data set, genes are those that all measured.",
            "source": {"kind": "file", "path": path.name},
            "sha256": sha256(path),
            "license": "; ".join(sorted({member.license for member in members})),
            "citation": "; ".join(sorted({member.citation for member in members})),
            "organism": members[0].organism,
            "gene_ids": "ensembl",
            "total_counts": "none",
            "obs": {
                "label": "cell_type",
                "ontology": "cell_type_ontology_term_id",
                "batch": "batch",
                "donor": "donor_id",
                "assay": "assay",
                "tissue": "tissue",
            },
            "label_source": sources[0] if len(sources) == 1 else "reference_mapping",
            "public_since": min(member.public_since for member in members),
            "tasks": ["mapping", "novelty"],
        }
    }


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``join``."""
    parser.add_argument("--data", type=Path, required=True, help="folder with one prepared data set a folder")
    parser.add_argument("--datasets", type=Path, default=Path("datasets.yaml"), help="the catalogue")
    parser.add_argument("--members", nargs="+", required=True, metavar="ID", help="two or more of them")
    parser.add_argument("--out", type=Path, required=True, help="the h5ad to write, <id>.h5ad")


def main(args: argparse.Namespace) -> int:
    """Write the file and ``<out>.json``, and print the entry."""
    members = [find_dataset(args.datasets, name) for name in args.members]
    cells, about = join([args.data / name for name in args.members], cell_ontology())
    with atomic(args.out) as path:
        write_cells(cells, path)
    write_json(args.out.with_suffix(".json"), about)
    print(yaml.safe_dump(entry_of(members, path=args.out), sort_keys=False, width=110))
    return 0
