import argparse
import json

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from prepared import Prepared, prepare, write
from scipy import sparse

from atlas.genes import gene_table
from atlas.prepare import SPLIT_COLUMNS, TRUTH_COLUMNS, main, prepare_nothing
from contract.files import sha256

FILES = ("cells.h5ad", "truth.parquet", "split.parquet", "reference.npy", "report.json")


def _written(prepared, folder):
    write(prepared, folder)
    return ad.read_h5ad(folder / "cells.h5ad"), pd.read_parquet(folder / "truth.parquet")


def test_files_keep_their_contract(cells, save, entry, tmp_path):
    out, truth = _written(prepare(save(cells), entry()), tmp_path / "out")
    np.testing.assert_array_equal(out.X.toarray(), cells.X.toarray())
    assert sparse.issparse(out.X)
    assert out.X.format == "csr"
    assert out.X.dtype == np.float32
    assert list(out.obs) == ["batch", "donor", "assay", "tissue", "organism", "total_counts"]
    assert out.obs["total_counts"].dtype == np.float64
    assert set(out.obs["assay"]) == {""}
    assert out.uns["dataset"] == "mine"
    assert list(truth) == list(TRUTH_COLUMNS)
    assert list(truth["cell"]) == list(out.obs_names) == list(cells.obs_names)
    assert list(truth["label"]) == list(cells.obs["cell_type"])
    assert list(truth["unit"]) == [f"donor:{d}" for d in cells.obs["donor_id"]]
    assert truth["condition"].isna().all()
    assert truth["condition"].iloc[0] is None  # null, not the text "nan"
    split = pd.read_parquet(tmp_path / "out" / "split.parquet")
    pd.testing.assert_frame_equal(split, truth[list(SPLIT_COLUMNS)])
    reference = np.load(tmp_path / "out" / "reference.npy", allow_pickle=False)
    assert reference.dtype == np.float32
    assert reference.shape == (24, 23)


def test_genes_that_stand_for_another_species_say_whose_ids_they_bear(cells, save, entry, tmp_path):
    cells.obs["species"] = np.where(np.arange(24) < 12, "Homo sapiens", "Mus musculus")
    cells.var["mouse"] = [f"gene{i}" for i in range(30)]
    both = entry(orthologues="mouse", columns={"organism": "species"})
    out, _ = _written(prepare(save(cells), both), tmp_path / "out")
    assert set(out.obs["organism"]) == {"human", "mouse"}
    assert out.uns["genes_of"] == "human"
    alone, _ = _written(prepare(save(cells), entry()), tmp_path / "alone")
    assert "genes_of" not in alone.uns


def test_no_label_reaches_the_cells(cells, save, entry, tmp_path):
    cells.obs["state"] = "stimulated"
    cells.uns["cell_type_colors"] = ["red"]
    cells.obsm["X_by_type"] = np.ones((24, 2))
    write(prepare(save(cells), entry(columns={"condition": "state"})), tmp_path / "out")
    raw = (tmp_path / "out" / "cells.h5ad").read_bytes()
    for word in (b"B cell", b"T cell", b"CL:0000", b"stimulated", b"red", b"X_by_type"):
        assert word not in raw


def test_same_input_same_bytes(cells, save, entry, tmp_path):
    path = save(cells)
    for name in ("a", "b"):
        write(prepare(path, entry()), tmp_path / name)
    for name in FILES:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_totals_come_before_genes_are_left_out(cells, save, entry):
    names = list(cells.var_names)
    names[0], names[1], names[3] = "ERCC-00002", names[2] + ".7", names[2]
    cells.var_names = names
    before = cells.X.toarray()
    prepared = prepare(save(cells), entry())
    assert prepared.cells.n_vars == 27
    np.testing.assert_array_equal(prepared.cells.obs["total_counts"], before.sum(axis=1))
    merged = prepared.cells[:, names[2]].X.toarray().ravel()
    np.testing.assert_array_equal(merged, before[:, 1:4].sum(axis=1))
    report = prepared.report
    assert (report["genes_dropped"], report["duplicates_summed"], report["genes_in_source"]) == (1, 2, 30)
    assert report["counts_dropped_share"] == pytest.approx(before[:, 0].sum() / before.sum())


def test_totals_are_unknown_where_the_source_had_dropped_genes(cells, save, entry):
    prepared = prepare(save(cells), entry(total_counts="none"))
    assert prepared.cells.obs["total_counts"].isna().all()
    assert prepared.report["totals_known"] is False


def test_cells_without_a_label_or_a_donor_are_kept_and_marked(cells, save, entry):
    cells.obs["cell_type"] = cells.obs["cell_type"].astype(object)
    cells.obs.loc["cell0", "cell_type"] = np.nan
    cells.obs.loc["cell1", "cell_type"] = "unknown"
    cells.obs.loc["cell1", "donor_id"] = "unknown"
    prepared = prepare(save(cells), entry(missing=("unknown",)))
    truth = prepared.truth
    assert len(truth) == 24
    assert truth["label"].isna().tolist() == [True, True] + [False] * 22
    assert truth["ontology_id"].isna().tolist() == [True, True] + [False] * 22
    assert truth["part"].iloc[1] == "excluded"
    assert truth["unit"].iloc[1] is None
    assert prepared.cells.obs["donor"].iloc[1] == ""
    assert prepared.report["n_unlabelled"] == 2
    assert prepared.report["parts"]["excluded"] == 1


def test_the_split_is_by_unit(cells, save, entry):
    truth = prepare(save(cells), entry()).truth
    assert (truth.groupby("unit")["part"].nunique() == 1).all()
    assert set(truth["part"]) == {"train", "test"}
    by_batch = prepare(save(cells), entry(units="batch")).truth
    assert set(by_batch["unit"]) == {"batch:b0", "batch:b1"}
    lanes = prepare(save(cells), entry(units="none")).truth
    assert lanes["unit"].isna().all()
    assert (lanes.groupby("batch")["part"].nunique() == 1).all()
    cells.obs["batch"] = "one"
    alone = prepare(save(cells), entry(units="batch"))
    assert set(alone.truth["part"]) == {"test"}
    assert alone.report["split_exists"] is False
    assert alone.report["tasks"] == list(entry(units="batch").tasks)  # what the page asks it for


def test_where_keeps_the_named_values(cells, save, entry):
    cells.obs["is_primary_data"] = np.arange(24) < 10
    prepared = prepare(save(cells), entry(where={"is_primary_data": ["True"], "batch": ["b0", "b1"]}))
    assert list(prepared.cells.obs_names) == [f"cell{i}" for i in range(10)]


def test_raw_is_taken_where_x_holds_no_counts(cells, save, entry):
    counts = cells.X.toarray()
    cells.raw = cells.copy()
    cells.X = np.log1p(counts / counts.sum(axis=1, keepdims=True) * 1e4)
    prepared = prepare(save(cells), entry())
    np.testing.assert_array_equal(prepared.cells.X.toarray(), counts)
    assert prepared.report["counts_from"] == "raw.X"


def test_counts_are_recovered_from_logarithms_and_totals(cells, save, entry):
    counts = cells.X.toarray()
    cells.obs["n_counts"] = counts.sum(axis=1) * 2
    scaled = counts / cells.obs["n_counts"].to_numpy()[:, None] * 1e4
    cells.X = np.log1p(scaled).astype(np.float32)
    cells.raw = cells.copy()
    cells.X = cells.X - 1
    prepared = prepare(save(cells), entry(counts="log1p_of_1e4", total_counts="obs:n_counts"))
    np.testing.assert_array_equal(prepared.cells.X.toarray(), counts)
    np.testing.assert_array_equal(prepared.cells.obs["total_counts"], cells.obs["n_counts"])


def test_symbols_become_ids_and_stay_as_symbols(cells, save, entry):
    cells.var_names = [*gene_table().symbols[:29], "not a gene"]
    prepared = prepare(save(cells), entry(gene_ids="symbol"))
    assert tuple(prepared.cells.var_names) == gene_table().ids[:29]
    assert tuple(prepared.cells.var["symbol"]) == gene_table().symbols[:29]


def test_gene_column_and_feature_names(cells, save, entry):
    cells.var["ensembl_id"] = list(cells.var_names)
    cells.var["feature_name"] = [f"G{i}" for i in range(30)]
    cells.var_names = [f"row{i}" for i in range(30)]
    prepared = prepare(save(cells), entry(gene_column="ensembl_id"))
    assert tuple(prepared.cells.var_names) == gene_table().ids[:30]
    assert prepared.cells.var["symbol"].iloc[3] == "G3"


def test_obsolete_terms_are_followed_and_told(cells, save, entry):
    cells.obs["term"] = cells.obs["term"].replace("CL:0000084", "CL:0000003")
    prepared = prepare(save(cells), entry())
    assert prepared.report["ontology_replaced"] == {"CL:0000003": "CL:0000000"}
    assert set(prepared.truth["ontology_id"]) == {"CL:0000000", "CL:0000236"}
    assert prepared.report["label_ids"] == {"B cell": ["CL:0000236"], "T cell": ["CL:0000000"]}


def test_terms_from_a_map_and_labels_without_a_term(cells, save, entry):
    prepared = prepare(save(cells), entry(columns={"ontology": None}, ontology_map={"B cell": "CL:0000236"}))
    assert prepared.report["label_ids"] == {"B cell": ["CL:0000236"], "T cell": []}
    assert prepared.truth["label"].notna().all()


def test_numbers_as_donors_are_text(cells, save, entry):
    cells.obs["donor_id"] = [float(i % 4) for i in range(23)] + [np.nan]
    truth = prepare(save(cells), entry()).truth
    assert set(truth["donor"].dropna()) == {"0", "1", "2", "3"}
    assert truth["donor"].iloc[23] is None


def test_empty_cells_are_kept_and_counted(cells, save, entry):
    dense = cells.X.toarray()
    dense[5] = 0
    cells.X = sparse.csr_matrix(dense)
    prepared = prepare(save(cells), entry())
    assert prepared.cells.n_obs == 24
    assert prepared.report["n_empty_cells"] == 1
    assert np.isfinite(prepared.reference).all()


def test_reference_spans_the_principal_components(cells, save, entry):
    """Against a plain SVD of the centred log-normalised matrix, sign by sign."""
    counts = cells.X.toarray().astype(float)
    logged = np.log1p(counts / counts.sum(axis=1, keepdims=True) * 1e4)
    u, s, _ = np.linalg.svd(logged - logged.mean(axis=0), full_matrices=False)
    reference = prepare(save(cells), entry()).reference
    np.testing.assert_allclose(np.abs(reference[:, :5]), np.abs(u[:, :5] * s[:5]), rtol=1e-3, atol=1e-3)


def test_the_real_subset_of_pbmc_68k(entry, tmp_path):
    from importlib.util import find_spec
    from pathlib import Path

    path = Path(find_spec("scanpy").origin).parent / "datasets" / "10x_pbmc68k_reduced.h5ad"
    roles = {"label": "bulk_labels", "ontology": None, "donor": None, "batch": "barcode_suffix"}
    prepared = prepare(
        path,
        entry(
            columns=roles, counts="log1p_of_1e4", total_counts="obs:n_counts", gene_ids="symbol", units="none"
        ),
    )
    assert prepared.cells.shape == (700, 753)
    assert prepared.report["n_batches"] == 8
    assert prepared.report["genes_dropped"] == 12
    assert (prepared.cells.obs["total_counts"] > np.asarray(prepared.cells.X.sum(axis=1)).ravel()).all()


def _run(entry_yaml, source, folder):
    folder.mkdir(exist_ok=True)
    (folder / "datasets.yaml").write_text(entry_yaml)
    (folder / "source.json").write_text(json.dumps(source))
    args = argparse.Namespace(
        datasets=folder / "datasets.yaml", dataset="mine", source=folder / "source.json", out=folder / "out"
    )
    assert main(args) == 0
    return json.loads((folder / "out" / "outcome.json").read_text())


YAML = """
mine:
  title: Mine
  source: {kind: file, path: mine.h5ad}
  sha256: "0000000000000000000000000000000000000000000000000000000000000000"
  license: CC0-1.0
  citation: 10.1000/mine
  organism: human
  gene_ids: ensembl
  total_counts: matrix
  obs: {label: cell_type, ontology: term, donor: donor_id, batch: batch}
  label_source: clustering
  public_since: "2020"
  tasks: [integration]
"""


def test_command_writes_every_file_for_good_and_for_refused_input(cells, save, tmp_path):
    path = save(cells)
    good = {"status": "ok", "reason": "", "path": str(path), "sha256": sha256(path)}
    assert _run(YAML, good, tmp_path / "good")["status"] == "ok"
    cells.X = cells.X * 0.5
    path = save(cells, "bad.h5ad")
    bad = {**good, "path": str(path), "sha256": sha256(path)}
    refused = _run(YAML, bad, tmp_path / "bad")
    assert (refused["status"], refused["stage"]) == ("failed", "prepare")
    assert "fractional" in refused["reason"]
    absent = {"status": "failed", "reason": "no such file", "path": None, "sha256": None}
    missed = _run(YAML, absent, tmp_path / "absent")
    assert (missed["status"], missed["stage"], missed["reason"]) == ("failed", "fetch", "no such file")
    for name in ("good", "bad", "absent"):
        folder = tmp_path / name / "out"
        assert {path.name for path in folder.iterdir()} == {*FILES, "outcome.json"}
        truth = pd.read_parquet(folder / "truth.parquet")
        assert list(truth) == list(TRUTH_COLUMNS)
        assert ad.read_h5ad(folder / "cells.h5ad").n_obs == len(truth) == (24 if name == "good" else 0)


def test_nothing_has_the_columns_of_something(cells, save, entry, tmp_path):
    whole, _ = _written(prepare(save(cells), entry()), tmp_path / "whole")
    prepare_nothing(entry(), tmp_path / "empty")
    empty, truth = _written(Prepared(tmp_path / "empty"), tmp_path / "copy")
    assert empty.shape == (0, 0)
    assert list(empty.obs) == list(whole.obs)
    assert list(empty.var) == list(whole.var)
    assert len(truth) == 0
    assert np.load(tmp_path / "empty" / "reference.npy").shape == (0, 0)
