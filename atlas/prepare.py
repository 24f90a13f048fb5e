"""``python -m atlas prepare``: one h5ad → cells without labels, and the truth beside them.

Order: read what names the cells, filter, labels, split; then the counts block by block: verify,
take totals before any gene goes, gene ids, write. Memory does not grow with the counts. What a
file gets wrong becomes ``outcome.json`` with status *failed* and one line of reason; the other
files are then empty, so that the rest of the page goes on.
"""

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from atlas.blocks import CountsFile, counts_of
from atlas.catalogue import Dataset, find_dataset
from atlas.content import check_content, read_fetched
from atlas.counts import NotCounts
from atlas.genes import Columns, gene_table, match_genes
from atlas.labels import Labels, label_table, read_labels
from atlas.ontology import cell_ontology
from atlas.orthologues import one_to_one, organisms, partners
from atlas.reference import N_PASSES, principal_components
from atlas.report import Tally, cell_report, header
from atlas.source import Source, as_text, candidates, counted_blocks, read_source
from atlas.split import split_parts
from atlas.stored import Stored, open_stored
from atlas.tree import type_tree
from contract.errors import UserError
from contract.files import atomic, write_json
from contract.outcome import Outcome
from contract.progress import Progress

TEXT_COLUMNS = ("batch", "donor", "assay", "tissue", "organism")
TRUTH_COLUMNS = ("cell", "label", "ontology_id", "batch", "donor", "condition", "unit", "part")
SPLIT_COLUMNS = ("cell", "unit", "part")
_SYMBOL_COLUMNS = ("feature_name", "symbol", "gene_symbol", "gene_symbols", "gene_name")


def prepare(path: Path, dataset: Dataset, folder: Path, *, sha256: str | None = None) -> dict[str, Any]:
    """Turn the file at ``path`` into the files of ``docs/architecture.md``, and return the report.

    Each is written atomically; the same bytes for the same input and libraries.

    Raises
    ------
    UserError
        For whatever the file gets wrong: one line with entry, file, what was found and expected.
    """
    where = f"{dataset.id}: {path}"
    with open_stored(path, where=where) as stored:
        source = read_source(stored, dataset, where=where)
        labels = read_labels(
            source.columns["label"],
            source.columns["ontology"],
            dataset,
            ontology=cell_ontology(),
            n=len(source.names),
            where=where,
        )
        breaches = _breaches(stored, dataset)
        tally, gene_report = _write_cells(stored, source, dataset, folder / "cells.h5ad", where=where)
    truth = _truth(source, labels, dataset)
    _write_truth(truth, folder)
    passes = Progress(f"{dataset.id}: components", N_PASSES * len(truth))
    reference = principal_components(
        lambda: passes(counts_of(folder / "cells.h5ad"), size=lambda counts: counts.shape[0])
    )
    _write_reference(reference, folder)
    report = {
        **header(dataset, sha256=sha256),
        **gene_report,
        **cell_report(tally, truth),
        **breaches,
        "label_ids": label_table(labels),
        "type_tree": type_tree(filter(None, set(labels.ontology_id)), cell_ontology()),
        "ontology_replaced": labels.replaced,
        "ontology_version": cell_ontology().version,
    }
    write_json(folder / "report.json", report)
    return report


def prepare_nothing(dataset: Dataset, folder: Path, *, sha256: str | None = None) -> None:
    """Write files of the right shape without a cell, for a data set that was refused."""
    with atomic(folder / "cells.h5ad") as path, CountsFile(path) as file:
        file.finish(obs=_obs({}, dataset, names=[]), var=_var([], []), uns={"dataset": dataset.id})
    _write_truth(pd.DataFrame({name: np.array([], dtype=object) for name in TRUTH_COLUMNS}), folder)
    _write_reference(np.zeros((0, 0), dtype=np.float32), folder)
    write_json(folder / "report.json", {**header(dataset, sha256=sha256), "n_cells": 0, "n_genes": 0})


def _breaches(stored: Stored, dataset: Dataset) -> dict[str, Any]:
    """What a file of CELLxGENE gets wrong in CELLxGENE's own columns: told, never a reason to refuse."""
    if dataset.source["kind"] != "cellxgene":
        return {}
    from atlas.schema import column_findings  # the ontologies take a second

    found = [asdict(one) for one in column_findings(stored)]
    return {"schema_version": stored.uns("schema_version"), "schema_breaches": found}


def _write_cells(
    stored: Stored, source: Source, dataset: Dataset, target: Path, *, where: str
) -> tuple[Tally, dict[str, Any]]:
    """Write the first matrix that holds counts; if none does, say what is wrong with the first."""
    refused: NotCounts | None = None
    for name in candidates(stored, dataset):
        try:
            return _write_matrix(stored, name, source, dataset, target, where=where)
        except NotCounts as error:
            refused = refused or error
    raise refused


def _write_matrix(
    stored: Stored, name: str, source: Source, dataset: Dataset, target: Path, *, where: str
) -> tuple[Tally, dict[str, Any]]:
    table = stored.var[name]
    wanted = (dataset.gene_column, dataset.orthologues, *_SYMBOL_COLUMNS)
    var = table.frame([column for column in dict.fromkeys(wanted) if column in table.columns])
    names = _gene_names(var, dataset.gene_column, known=table.columns, where=where)
    matched = match_genes(names, kind=dataset.gene_ids, organism=dataset.organism, where=where)
    ids = matched.ids
    if dataset.orthologues is not None:
        ids = one_to_one(ids, partners(var, dataset.orthologues, known=table.columns, where=where))
    genes = Columns.of(ids)
    tally = Tally()
    reading = Progress(f"{dataset.id}: counts", len(source.names))
    blocks = counted_blocks(stored, name, source, dataset, where=where)
    with atomic(target) as path, CountsFile(path) as file:
        for block in reading(blocks, size=lambda b: b.counts.shape[0]):
            kept = genes.collapsed(block.counts)
            file.append(kept)
            tally.add(before=block.counts, after=kept, totals=block.totals)
        obs = _obs(source.columns, dataset, names=source.names)
        obs["total_counts"] = tally.totals
        symbols = _symbols(var, names, genes, dataset)
        named = {} if dataset.orthologues is None else {"genes_of": dataset.organism}
        file.finish(obs=obs, var=_var(genes.ids, symbols), uns={"dataset": dataset.id, **named})
    report = {
        "genes_in_source": len(names),
        "genes_dropped": sum(not gene for gene in ids),
        "genes_matched": matched.how,
        "genes_without_id": matched.without,
        "counts_dropped_share": tally.dropped_share,
        "duplicates_summed": sum(bool(gene) for gene in ids) - len(genes.ids),
        "n_genes": len(genes.ids),
        "counts_from": name,
    }
    return tally, report


def _write_truth(truth: pd.DataFrame, folder: Path) -> None:
    for name, columns in (("truth", TRUTH_COLUMNS), ("split", SPLIT_COLUMNS)):
        text = pa.schema([(column, pa.string()) for column in columns])
        with atomic(folder / f"{name}.parquet") as path:
            truth[list(columns)].to_parquet(path, index=False, schema=text)


def _write_reference(reference: np.ndarray, folder: Path) -> None:
    with atomic(folder / "reference.npy") as path:
        np.save(path, reference, allow_pickle=False)


def _gene_names(var: pd.DataFrame, column: str | None, *, known: list[str], where: str) -> list[str]:
    if column is None:
        return [str(name) for name in var.index]
    if column not in var.columns:
        raise UserError(
            f"{where}: gene_column",
            found=f"no var column {column!r}",
            expected=f"one of {', '.join(known) or '(the file has none)'}",
            todo="correct gene_column, or leave it out to take the index",
        )
    return [name or "" for name in as_text(var[column])]


def _symbols(var: pd.DataFrame, names: list[str], genes: Columns, dataset: Dataset) -> list[str]:
    """The file's own symbol for each gene; else ours; else its id."""
    column = next((name for name in _SYMBOL_COLUMNS if name in var.columns), None)
    if dataset.gene_ids == "symbol":
        return [names[i] for i in genes.first]
    if column is not None:
        found = as_text(var[column].iloc[genes.first])
        return [value or gene for value, gene in zip(found, genes.ids, strict=True)]
    if dataset.gene_column is not None:
        return [str(name) for name in var.index[genes.first]]
    table = gene_table(dataset.organism)
    ours = dict(zip(table.ids, table.symbols, strict=True))
    return [ours.get(gene, gene) for gene in genes.ids]


def _var(genes: Sequence[str], symbols: Sequence[str]) -> pd.DataFrame:
    symbol = np.array(symbols, dtype=object)
    return pd.DataFrame({"symbol": symbol}, index=pd.Index(genes, dtype=object))


def _obs(columns: dict[str, np.ndarray | None], dataset: Dataset, *, names: Sequence[str]) -> pd.DataFrame:
    """What a model may see of the cells; totals are not known yet."""

    def text(role: str) -> np.ndarray:
        values = columns.get(role)
        blank = np.full(len(names), "", dtype=object)
        return blank if values is None else np.where(values == None, "", values)  # noqa: E711 - elementwise

    obs = {role: text(role) for role in TEXT_COLUMNS[:-1]}
    obs["organism"] = organisms(columns.get("organism"), default=dataset.organism, n=len(names))
    obs["total_counts"] = np.full(len(names), np.nan)
    return pd.DataFrame(obs, index=pd.Index(names, dtype=object))


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


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``prepare``."""
    parser.add_argument("--datasets", type=Path, default=Path("datasets.yaml"), help="the catalogue")
    parser.add_argument("--dataset", required=True, metavar="ID", help="which entry of it")
    parser.add_argument("--source", type=Path, required=True, help="source.json of atlas fetch")
    parser.add_argument("--out", type=Path, required=True, help="folder for cells.h5ad and the rest")


def main(args: argparse.Namespace) -> int:
    """Write the files of one data set and its outcome; a refused file is an outcome, not a stop."""
    dataset = find_dataset(args.datasets, args.dataset)
    source = read_fetched(args.source)
    found = Outcome(status=source["status"], stage="fetch", reason=source["reason"])
    (args.out / "outcome.json").unlink(missing_ok=True)  # an earlier run's must not vouch for this one
    outcome, n_cells = found, 0
    if outcome.status == "ok":
        try:
            check_content(Path(source["path"]), source["sha256"], where=dataset.id)
            report = prepare(Path(source["path"]), dataset, args.out, sha256=source["sha256"])
            outcome, n_cells = Outcome(status="ok", stage="prepare"), report["n_cells"]
        except UserError as error:
            outcome = Outcome(status="failed", stage="prepare", reason=str(error))
    if outcome.status != "ok":
        prepare_nothing(dataset, args.out, sha256=source["sha256"])
    outcome.write(args.out / "outcome.json")
    print(f"{dataset.id}: {outcome.status}: {outcome.reason or f'{n_cells} cells'}")
    return 0
