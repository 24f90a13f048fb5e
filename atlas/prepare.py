"""``python -m atlas prepare``: one h5ad → cells without labels, and the truth beside them.

Order: read, filter, verify counts, take totals before any gene goes, gene ids, labels,
split. What a file gets wrong becomes ``outcome.json`` with status *failed* and one
line of reason; the other files are then empty, so that the rest of the page goes on.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
import pyarrow as pa
from scipy import sparse

from atlas.catalogue import Dataset, find_dataset
from atlas.genes import Matched, collapsed, gene_table, match_genes
from atlas.labels import Labels, label_table, read_labels
from atlas.ontology import cell_ontology
from atlas.reference import principal_components
from atlas.source import Source, as_text, read_source
from atlas.split import split_parts
from contract.errors import UserError
from contract.files import atomic, read_json, write_json
from contract.outcome import Outcome

TEXT_COLUMNS = ("batch", "donor", "assay", "tissue", "organism")
TRUTH_COLUMNS = ("cell", "label", "ontology_id", "batch", "donor", "condition", "unit", "part")
SPLIT_COLUMNS = ("cell", "unit", "part")
_SYMBOL_COLUMNS = ("feature_name", "symbol", "gene_symbol", "gene_symbols", "gene_name")


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """What is written: ``cells`` never holds a label, ``truth`` has one row a cell, in the same order."""

    cells: ad.AnnData
    truth: pd.DataFrame
    reference: np.ndarray
    report: dict[str, Any]


def prepare(path: Path, dataset: Dataset, *, sha256: str | None = None) -> Prepared:
    """Turn the h5ad at ``path`` into what ``docs/architecture.md`` promises.

    Raises
    ------
    UserError
        For whatever the file gets wrong: one line with entry, file, what was found and expected.
    """
    where = f"{dataset.id}: {path}"
    source = read_source(path, dataset, where=where)
    names = _gene_names(source.var, dataset.gene_column, where=where)
    matched = match_genes(names, kind=dataset.gene_ids, organism=dataset.organism, where=where)
    counts, genes, first = collapsed(source.counts, matched.ids)
    labels = read_labels(
        source.columns["label"],
        source.columns["ontology"],
        dataset,
        ontology=cell_ontology(),
        n=len(source.names),
        where=where,
    )
    truth = _truth(source, labels, dataset)
    var = pd.DataFrame({"symbol": _symbols(source.var, names, genes, first, dataset)}, index=genes)
    cells = ad.AnnData(X=counts, obs=_obs(source, dataset), var=var, uns={"dataset": dataset.id})
    report = {
        **_header(dataset, sha256=sha256),
        **_gene_report(source, matched, counts),
        **_cell_report(cells, truth),
        "counts_from": source.counts_from,
        "label_ids": label_table(labels),
        "ontology_replaced": labels.replaced,
        "ontology_version": cell_ontology().version,
    }
    return Prepared(cells=cells, truth=truth, reference=principal_components(counts), report=report)


def nothing_prepared(dataset: Dataset, *, sha256: str | None = None) -> Prepared:
    """Return files of the right shape without a cell, for a data set that was refused."""
    obs = pd.DataFrame(
        {name: np.array([], dtype=object) for name in TEXT_COLUMNS}, index=pd.Index([], dtype=object)
    )
    obs["total_counts"] = np.array([], dtype=np.float64)
    var = pd.DataFrame({"symbol": np.array([], dtype=object)}, index=pd.Index([], dtype=object))
    empty = sparse.csr_matrix((0, 0), dtype=np.float32)
    return Prepared(
        cells=ad.AnnData(X=empty, obs=obs, var=var, uns={"dataset": dataset.id}),
        truth=pd.DataFrame({name: np.array([], dtype=object) for name in TRUTH_COLUMNS}),
        reference=np.zeros((0, 0), dtype=np.float32),
        report={**_header(dataset, sha256=sha256), "n_cells": 0, "n_genes": 0},
    )


def write(prepared: Prepared, folder: Path) -> None:
    """Write the five files, each atomically; the same bytes for the same input and libraries."""
    with atomic(folder / "cells.h5ad") as path:
        prepared.cells.write_h5ad(path, convert_strings_to_categoricals=False)
    for name, columns in (("truth", TRUTH_COLUMNS), ("split", SPLIT_COLUMNS)):
        text = pa.schema([(column, pa.string()) for column in columns])
        with atomic(folder / f"{name}.parquet") as path:
            prepared.truth[list(columns)].to_parquet(path, index=False, schema=text)
    with atomic(folder / "reference.npy") as path:
        np.save(path, prepared.reference, allow_pickle=False)
    write_json(folder / "report.json", prepared.report)


def _gene_names(var: pd.DataFrame, column: str | None, *, where: str) -> list[str]:
    if column is None:
        return [str(name) for name in var.index]
    if column not in var.columns:
        raise UserError(
            f"{where}: gene_column",
            found=f"no var column {column!r}",
            expected=f"one of {', '.join(map(str, var.columns)) or '(the file has none)'}",
            todo="correct gene_column, or leave it out to take the index",
        )
    return [name or "" for name in as_text(var[column])]


def _symbols(
    var: pd.DataFrame, names: list[str], genes: list[str], first: np.ndarray, dataset: Dataset
) -> list[str]:
    """The file's own symbol for each gene; else ours; else its id."""
    column = next((name for name in _SYMBOL_COLUMNS if name in var.columns), None)
    if dataset.gene_ids == "symbol":
        return [names[i] for i in first]
    if column is not None:
        return [value or gene for value, gene in zip(as_text(var[column].iloc[first]), genes, strict=True)]
    if dataset.gene_column is not None:
        return [str(name) for name in var.index[first]]
    table = gene_table(dataset.organism)
    ours = dict(zip(table.ids, table.symbols, strict=True))
    return [ours.get(gene, gene) for gene in genes]


def _obs(source: Source, dataset: Dataset) -> pd.DataFrame:
    def text(role: str) -> np.ndarray:
        values = source.columns[role]
        blank = np.full(len(source.names), "", dtype=object)
        return blank if values is None else np.where(values == None, "", values)  # noqa: E711 - elementwise

    columns = {role: text(role) for role in ("batch", "donor", "assay", "tissue")}
    obs = pd.DataFrame({**columns, "organism": dataset.organism}, index=pd.Index(source.names, dtype=object))
    obs["total_counts"] = source.totals
    return obs


def _truth(source: Source, labels: Labels, dataset: Dataset) -> pd.DataFrame:
    nothing = np.full(len(source.names), None, dtype=object)
    column = {role: nothing if values is None else values for role, values in source.columns.items()}
    by = dataset.units if dataset.units != "none" else "batch"
    parts = split_parts(
        column[by],
        batches=column["batch"],
        labels=labels.label,
        test_fraction=dataset.split.test_fraction,
        seed=dataset.split.seed,
    )
    units = nothing if dataset.units == "none" else [x and f"{by}:{x}" for x in column[by]]
    truth = {"cell": source.names, "label": labels.label, "ontology_id": labels.ontology_id}
    truth |= {role: column[role] for role in ("batch", "donor", "condition")}
    return pd.DataFrame({**truth, "unit": units, "part": parts}, columns=list(TRUTH_COLUMNS))


def _header(dataset: Dataset, *, sha256: str | None) -> dict[str, Any]:
    return {
        "dataset": dataset.id,
        "title": dataset.title,
        "citation": dataset.citation,
        "organism": dataset.organism,
        "label_source": dataset.label_source,
        "units": dataset.units,
        "tasks": list(dataset.tasks),
        "totals_known": dataset.total_counts != "none",
        "note": dataset.note,
        "sha256": sha256,
    }


def _gene_report(source: Source, matched: Matched, counts: sparse.csr_matrix) -> dict[str, Any]:
    with_id = [gene for gene in matched.ids if gene]
    return {
        "genes_in_source": len(matched.ids),
        "genes_dropped": len(matched.ids) - len(with_id),
        "genes_matched": matched.how,
        "genes_without_id": matched.without,
        "counts_dropped_share": float(1 - counts.sum(dtype=np.float64) / source.counts.sum(dtype=np.float64)),
        "duplicates_summed": len(with_id) - len(set(with_id)),
    }


def _cell_report(cells: ad.AnnData, truth: pd.DataFrame) -> dict[str, Any]:
    sums = np.asarray(cells.X.sum(axis=1, dtype=np.float64)).ravel()
    return {
        "n_cells": cells.n_obs,
        "n_genes": cells.n_vars,
        "n_empty_cells": int((sums == 0).sum()),
        "n_labelled": int(truth["label"].notna().sum()),
        "n_unlabelled": int(truth["label"].isna().sum()),
        "types": _counted(truth["label"]),
        "n_batches": truth["batch"].nunique(),
        "n_donors": truth["donor"].nunique(),
        "donors": sorted(truth["donor"].dropna().unique()),
        "n_units": truth["unit"].nunique(),
        "parts": _counted(truth["part"]),
        "units_by_part": {
            part: sorted(rows["unit"].dropna().unique()) for part, rows in truth.groupby("part")
        },
        "split_exists": bool((truth["part"] == "train").any()),
        "median_counts": float(np.median(sums)),
        "median_genes": float(np.median(np.diff(cells.X.indptr))),
    }


def _counted(values: pd.Series) -> dict[str, int]:
    return {str(name): int(n) for name, n in values.value_counts().sort_index().items()}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``prepare``."""
    parser.add_argument("--datasets", type=Path, default=Path("datasets.yaml"), help="the catalogue")
    parser.add_argument("--dataset", required=True, metavar="ID", help="which entry of it")
    parser.add_argument("--source", type=Path, required=True, help="source.json of atlas fetch")
    parser.add_argument("--out", type=Path, required=True, help="folder for cells.h5ad and the rest")


def main(args: argparse.Namespace) -> int:
    """Write the files of one data set and its outcome; a refused file is an outcome, not a stop."""
    dataset = find_dataset(args.datasets, args.dataset)
    if not args.source.is_file():
        raise UserError(str(args.source), found="no such file", todo="run atlas fetch first")
    try:
        source = read_json(args.source)
        found = Outcome(status=source["status"], stage="fetch", reason=source["reason"])
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(
            str(args.source), found=f"no source.json ({error!r})", expected="what atlas fetch wrote"
        ) from None
    (args.out / "outcome.json").unlink(missing_ok=True)  # an earlier run's must not vouch for this one
    try:
        if found.status != "ok":
            outcome, prepared = found, nothing_prepared(dataset)
        else:
            prepared = prepare(Path(source["path"]), dataset, sha256=source["sha256"])
            outcome = Outcome(status="ok", stage="prepare")
    except UserError as error:
        outcome = Outcome(status="failed", stage="prepare", reason=str(error))
        prepared = nothing_prepared(dataset, sha256=source["sha256"])
    write(prepared, args.out)
    outcome.write(args.out / "outcome.json")
    print(f"{dataset.id}: {outcome.status}: {outcome.reason or f'{prepared.cells.n_obs} cells'}")
    return 0
