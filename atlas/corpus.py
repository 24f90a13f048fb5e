"""``python -m atlas corpus``: the cells that a model is trained on, gathered from prepared data sets.

No label gets in: a corpus is made of ``cells.h5ad`` and ``split.parquet`` alone. Batches
and donors are prefixed with their data set, so that ``1`` of one is not ``1`` of another.
Counts go from file to file a block of cells at a time; names and ``obs`` alone are held.
"""

import argparse
import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
from scipy import sparse

from atlas.blocks import CountsFile, write_cells
from atlas.stored import open_stored
from contract.errors import UserError
from contract.files import atomic, read_json, read_table, sha256, write_json
from contract.outcome import Outcome

PARTS = ("train", "all")
TEXTS = ("batch", "donor", "assay", "tissue", "organism")
OBS_COLUMNS = (*TEXTS, "total_counts")


@dataclass(frozen=True, kw_only=True)
class Member:
    """What one data set gives to a corpus: the ``kept`` (bool) of the cells in its file ``path``.

    ``obs`` is of the kept cells, ``var`` of the file's genes, ``part`` what was asked for.
    """

    dataset: str
    part: str
    path: Path
    kept: np.ndarray
    obs: pd.DataFrame
    var: pd.DataFrame
    report: dict[str, Any]


def measured_column(dataset: str) -> str:
    """``var`` column of a corpus that says which genes a data set measured."""
    return f"measured_{dataset}"


def read_member(folder: Path, *, part: str) -> Member:
    """Look at the cells of ``part`` (``train`` or ``all``) of one prepared data set.

    Raises
    ------
    UserError
        If the data set failed at prepare or fetch, or has no training units.
    """
    where = str(folder)
    if not (folder / "outcome.json").is_file():
        raise UserError(where, found="no prepared data set", todo="check the name, run atlas prepare first")
    outcome = Outcome.read(folder / "outcome.json")
    if outcome.status != "ok":
        raise UserError(
            where, found=f"{outcome.status} at {outcome.stage} ({outcome.reason})", expected="cells"
        )
    path = folder / "cells.h5ad"
    with open_stored(path, where=str(path)) as stored:
        obs, var = stored.obs.frame(list(OBS_COLUMNS)), stored.var["X"].frame(["symbol"])
    kept = np.ones(len(obs), dtype=bool)
    if part == "train":
        kept = (read_table(folder / "split.parquet")["part"] == "train").to_numpy()
        if not kept.any():
            raise UserError(
                where,
                found="no training units (fewer than two units)",
                expected="some",
                todo="write 'all', or leave it out",
            )
    report = read_json(folder / "report.json")
    about = {"dataset": folder.name, "part": part, "path": path, "report": report}
    return Member(kept=kept, obs=obs[kept], var=var, **about)


def join(members: list[Member], path: Path, *, name: str) -> ad.AnnData:
    """Write the members over the union of their genes, sorted by data set, then in their own order.

    The file has ``X`` (N, G) CSR float32, 0 where a gene was not measured; ``var``: ``symbol``,
    ``in_all``, ``measured_<dataset>``; ``obs_names`` are ``<dataset>:<cell>``. Returned is all of
    it but ``X``. Memory of one block of cells, and of what is returned.
    """
    members = sorted(members, key=lambda member: member.dataset)
    organisms = {member.report["organism"] for member in members}
    if len(organisms) > 1:
        raise UserError(f"corpus {name}", found=f"organisms {', '.join(sorted(organisms))}", expected="one")
    genes = sorted(set().union(*(member.var.index for member in members)))
    measured = {m.dataset: pd.Index(genes).isin(m.var.index) for m in members}
    symbols = {g: s for m in reversed(members) for g, s in m.var["symbol"].items()}
    var = pd.DataFrame({"symbol": [symbols[gene] for gene in genes]}, index=genes)
    var["in_all"] = np.all(list(measured.values()), axis=0)
    for dataset, mask in measured.items():
        var[measured_column(dataset)] = mask
    cells = ad.AnnData(obs=pd.concat([_obs(member) for member in members]), var=var, uns={"dataset": name})
    for column in (*TEXTS, "dataset"):  # one text a name instead of one a cell
        cells.obs[column] = cells.obs[column].astype("category")
    with CountsFile(path) as file:
        for member in members:
            for counts in _kept(member, genes):
                file.append(counts)
        file.finish(obs=cells.obs, var=cells.var, uns=dict(cells.uns))
    return cells


def _kept(member: Member, genes: list[str]) -> Iterator[sparse.csr_matrix]:
    """The counts of a member's cells over all genes, block by block."""
    columns = pd.Index(genes).get_indexer(member.var.index)
    with open_stored(member.path, where=str(member.path)) as stored:
        for start, stop, rows in stored.matrices["X"].blocks():
            old = sparse.csr_matrix(rows)[member.kept[start:stop]]
            shape = (old.shape[0], len(genes))
            wide = sparse.csr_matrix((old.data, columns[old.indices], old.indptr), shape=shape)
            wide.sort_indices()
            yield wide


def _obs(member: Member) -> pd.DataFrame:
    obs = member.obs.copy()
    for column in ("batch", "donor"):
        obs[column] = [f"{member.dataset}:{value}" if value else "" for value in obs[column]]
    obs["dataset"] = member.dataset
    obs.index = pd.Index([f"{member.dataset}:{name}" for name in obs.index], dtype=object)
    return obs


def facts(members: list[Member], cells: ad.AnnData, *, name: str, digest: str | None) -> dict[str, Any]:
    """Say what a corpus holds: ``corpus.json``; ``digest`` is the SHA-256 of its ``cells.h5ad``."""
    members = sorted(members, key=lambda member: member.dataset)
    return {
        "name": name,
        "parts": {member.dataset: member.part for member in members},
        "n_cells": cells.n_obs,
        "n_genes": cells.n_vars,
        "n_genes_in_all": int(cells.var["in_all"].sum()),
        "organism": members[0].report["organism"] if members else None,
        "datasets": [member.dataset for member in members],
        "cells_by_dataset": {member.dataset: len(member.obs) for member in members},
        "studies": sorted({member.report["citation"] for member in members}),
        "donors": _named(cells.obs["donor"]),
        "batches": _named(cells.obs["batch"]),
        "cell_ids_sha256": hash_of(cells.obs_names),
        "gene_ids_sha256": hash_of(cells.var_names),
        "sha256": digest,
    }


def hash_of(names: Iterable[str]) -> str:
    """SHA-256 of the names in their order, one a line."""
    return hashlib.sha256("".join(f"{name}\n" for name in names).encode()).hexdigest()


def _named(values: pd.Series) -> list[str]:
    return sorted(set(values.unique()) - {""})


def _no_cells(name: str) -> ad.AnnData:
    obs = pd.DataFrame({column: np.array([], dtype=object) for column in (*OBS_COLUMNS, "dataset")})
    obs.index = pd.Index([], dtype=object)
    obs["total_counts"] = obs["total_counts"].astype(np.float64)
    var = pd.DataFrame(
        {"symbol": np.array([], dtype=object), "in_all": np.array([], dtype=bool)},
        index=pd.Index([], dtype=object),
    )
    return ad.AnnData(X=sparse.csr_matrix((0, 0), dtype=np.float32), obs=obs, var=var, uns={"dataset": name})


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``corpus``."""
    parser.add_argument("--name", required=True, help="the corpus' name")
    parser.add_argument("--data", type=Path, required=True, help="folder with one prepared data set a folder")
    parser.add_argument(
        "--part", action="append", required=True, metavar="DATASET=train|all", help="repeat for each data set"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for cells.h5ad and corpus.json")


def main(args: argparse.Namespace) -> int:
    """Write ``cells.h5ad``, ``corpus.json`` and ``outcome.json``; a failed member is an outcome too."""
    parts = _parse_parts(args.part)
    (args.out / "outcome.json").unlink(missing_ok=True)  # an earlier run's must not vouch for this one
    target = args.out / "cells.h5ad"
    with atomic(target) as path:
        try:
            members = [read_member(args.data / dataset, part=part) for dataset, part in parts.items()]
            cells = join(members, path, name=args.name)
            outcome = Outcome(status="ok", stage="corpus")
        except UserError as error:
            members, cells = [], _no_cells(args.name)
            write_cells(cells, path)
            outcome = Outcome(status="failed", stage="corpus", reason=str(error))
    write_json(args.out / "corpus.json", facts(members, cells, name=args.name, digest=sha256(target)))
    outcome.write(args.out / "outcome.json")
    print(f"{args.name}: {outcome.status}: {outcome.reason or f'{cells.n_obs} cells, {cells.n_vars} genes'}")
    return 0


def _parse_parts(texts: list[str]) -> dict[str, str]:
    parts: dict[str, str] = {}
    for text in texts:
        dataset, _, part = text.partition("=")
        if not dataset or part not in PARTS or dataset in parts:
            raise UserError(
                "--part", found=repr(text), expected="DATASET=train or DATASET=all, each data set once"
            )
        parts[dataset] = part
    return parts
