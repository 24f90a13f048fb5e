"""The CELLxGENE schema: a whole file, each breach alone, and the examples of the schema's own repository."""

import os
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from prepared import prepare
from scipy import sparse

from atlas.schema import findings
from atlas.stored import open_stored
from contract.cli import dispatch

CLEAN = {
    "cell_type_ontology_term_id": "CL:0000236",
    "cell_type": "B cell",
    "assay_ontology_term_id": "EFO:0009899",
    "disease_ontology_term_id": "PATO:0000461",
    "sex_ontology_term_id": "PATO:0000383",
    "tissue_ontology_term_id": "UBERON:0002048",
    "tissue_type": "tissue",
    "self_reported_ethnicity_ontology_term_id": "HANCESTRO:0019",
    "development_stage_ontology_term_id": "HsapDv:0000003",
    "donor_id": "d0",
    "suspension_type": "cell",
    "is_primary_data": True,
}


@pytest.fixture
def clean(cells):
    """A file of schema 7: float32 counts in ``raw``, logarithms in ``X``."""
    made = ad.AnnData(X=cells.X.copy(), obs=pd.DataFrame(CLEAN, index=cells.obs_names), var=cells.var.copy())
    made.raw = made.copy()
    made.X = made.X.log1p()
    made.var["feature_is_filtered"] = False
    made.uns |= {"title": "Clean", "organism_ontology_term_id": "NCBITaxon:9606", "schema_version": "7.0.0"}
    return made


@pytest.fixture
def breaches(save):
    def look(cells):
        with open_stored(save(cells), where="f") as stored:
            return [(one.place, one.found, one.times) for one in findings(stored)]

    return look


def test_a_clean_file_has_none(clean, breaches):
    assert breaches(clean) == []


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("cell_type_ontology_term_id", "CL:9999999"),
        ("cell_type_ontology_term_id", "CL:0000003"),  # obsolete
        ("cell_type_ontology_term_id", "CL:0000255"),  # eukaryotic cell
        ("cell_type_ontology_term_id", "B cell"),
        ("assay_ontology_term_id", "EFO:0009922 (sci-plex)"),
        ("assay_ontology_term_id", "EFO:0000001"),  # an EFO term, but no assay
        ("disease_ontology_term_id", "MONDO:0100096 || MONDO:0005148"),  # not in order
        ("disease_ontology_term_id", "PATO:0000383"),
        ("sex_ontology_term_id", "female"),
        ("tissue_ontology_term_id", "CL:0000057"),
        ("tissue_type", "organ"),
        ("development_stage_ontology_term_id", "MmusDv:0000003"),
        ("self_reported_ethnicity_ontology_term_id", "HANCESTRO:xxxx"),
        ("suspension_type", "cells"),
        ("donor_id", " "),
        ("is_primary_data", "maybe"),
    ],
)
def test_one_wrong_value_is_one_breach(clean, breaches, column, value):
    clean.obs[column] = clean.obs[column].astype(object)
    clean.obs.iloc[3, clean.obs.columns.get_loc(column)] = value
    clean.obs[column] = clean.obs[column].astype(str)
    assert breaches(clean) == [(f"obs.{column}", repr(value), 1)]


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("cell_type_ontology_term_id", "unknown"),
        ("disease_ontology_term_id", "MONDO:0005148 || MONDO:0100096"),
        ("self_reported_ethnicity_ontology_term_id", "HANCESTRO:0005,HANCESTRO:0014"),
        ("donor_id", "pooled"),
    ],
)
def test_words_and_lists_of_terms_are_allowed(clean, breaches, column, value):
    clean.obs[column] = value
    assert breaches(clean) == []


def test_what_was_grown_may_be_a_cell_type_or_a_cell_line(clean, breaches):
    clean.obs["tissue_type"] = "cell line"
    clean.obs["tissue_ontology_term_id"] = ["CL:0000057", "CVCL_1P02"] * 12
    assert breaches(clean) == []


@pytest.mark.parametrize("column", [name for name in CLEAN if name != "cell_type"])
def test_a_missing_column_is_a_breach_of_all_cells(clean, breaches, column):
    del clean.obs[column]
    assert (f"obs.{column}", "no such column", 24) in breaches(clean)


def test_the_organism_may_stand_in_obs_but_must_be_known(clean, breaches):
    organism = clean.uns.pop("organism_ontology_term_id")
    assert ("uns.organism_ontology_term_id", "nothing", 1) in breaches(clean)
    clean.obs["organism_ontology_term_id"] = organism
    assert breaches(clean) == []
    clean.obs["organism_ontology_term_id"] = ["NCBITaxon:9483"] * 3 + [organism] * 21
    assert ("obs.organism_ontology_term_id", "'NCBITaxon:9483'", 3) in breaches(clean)


def _genes(clean, names):
    raw = ad.AnnData(X=clean.raw.X, obs=clean.obs, var=pd.DataFrame(index=names))
    clean.var_names = names
    clean.raw = raw


@pytest.mark.parametrize("name", ["ENSG00000141510.16", "TP53", "ENSMUSG00000000001"])
def test_genes_are_ensembl_ids_of_the_organism_without_version(clean, breaches, name):
    _genes(clean, [name, "ERCC-00002", *clean.var_names[2:]])
    found = breaches(clean)
    assert {place for place, _, _ in found} == {"var of X", "var of raw.X"}
    assert all((words, times) == (repr(name), 1) for _, words, times in found)


def test_the_raw_layer_holds_counts_of_every_cell_as_float32(clean, breaches):
    counts = clean.raw.X.toarray()

    def with_raw(values):
        clean.raw = ad.AnnData(X=sparse.csr_matrix(values), obs=clean.obs, var=clean.raw.var)
        return breaches(clean)

    assert with_raw(counts.astype(np.int64)) == [("raw.X", "values of type int64", 1)]
    counts[:2] = 0
    assert with_raw(counts) == [("raw.X", "cells without a count", 2)]
    ((place, words, _),) = with_raw(counts * 0.5)
    assert place == "raw.X"
    assert words.startswith("fractional values")


def test_a_filtered_gene_has_no_value_and_raw_has_the_same_genes(clean, breaches):
    clean.var["feature_is_filtered"] = [True] + [False] * 29
    assert breaches(clean) == [("X", "values of filtered genes", 1)]
    dense = clean.X.toarray()
    dense[:, 0] = 0
    clean.X = sparse.csr_matrix(dense)
    assert breaches(clean) == []
    clean.raw = ad.AnnData(X=clean.raw.X[:, ::-1], obs=clean.obs, var=clean.raw.var.iloc[::-1])
    assert breaches(clean) == [("raw.var", "other genes than var", 1)]


def test_prepare_tells_breaches_of_a_cellxgene_file_and_goes_on(clean, save, entry):
    clean.obs["suspension_type"] = "cells"
    clean.obs["batch"] = "b"
    source = {"kind": "cellxgene", "dataset_id": "x"}
    roles = {"ontology": "cell_type_ontology_term_id"}
    report = prepare(save(clean), entry(source=source, columns=roles)).report
    assert report["schema_version"] == "7.0.0"
    assert [one["place"] for one in report["schema_breaches"]] == ["obs.suspension_type"]
    assert report["counts_from"] == "raw.X"
    assert "schema_breaches" not in prepare(save(clean), entry(columns=roles)).report


def _validate(path):
    return dispatch("atlas", {"validate": ("atlas.validate", "x")}, about="", argv=["validate", str(path)])


def test_the_command_tells_each_breach(clean, save, capsys, tmp_path):
    assert _validate(save(clean)) == 0
    assert "24 cells, schema 7.0.0 by its own word: no breaches" in capsys.readouterr().err
    clean.obs["sex_ontology_term_id"] = "male"
    assert _validate(save(clean)) == 1
    assert "'male'" in capsys.readouterr().out
    assert _validate(tmp_path / "none.h5ad") == 2


def test_the_examples_of_the_schema():
    folder = Path(os.environ.get("SCLITMUS_DATA", "")).resolve().parent / "fixtures"
    if not folder.is_dir():
        pytest.skip(
            "SKIPPED: no examples of the schema; set SCLITMUS_DATA to a folder that lies beside fixtures/"
        )
    with open_stored(folder / "cellxgene_schema_example_valid.h5ad", where="f") as stored:
        assert list(findings(stored)) == []
    with open_stored(folder / "cellxgene_schema_example_invalid_CL.h5ad", where="f") as stored:
        found = {(one.place, one.found) for one in findings(stored)}
    assert ("obs.cell_type_ontology_term_id", "'CL:12312'") in found
    assert ("obs.assay_ontology_term_id", "'EFO:0009922 (sci-plex)'") in found
    assert ("obs.donor_id", "no such column") in found
