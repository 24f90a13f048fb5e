"""What a user can get wrong in an h5ad and its entry: one line that names file, entry, found, expected."""

import argparse

import anndata as ad
import h5py
import numpy as np
import pytest
from prepared import prepare
from scipy import sparse

from atlas.prepare import main
from contract.errors import UserError


def _set(cells, value):
    cells.X = cells.X.astype(np.float64)
    cells.X.data[7] = value
    return cells


def _lognormal(cells):
    counts = cells.X.toarray()
    cells.X = np.log1p(counts / counts.sum(axis=1, keepdims=True) * 1e4)
    return cells


def _scaled(cells):
    counts = cells.X.toarray()
    cells.X = counts / counts.sum(axis=1, keepdims=True) * 1e6
    return cells


def _obs(cells, **columns):
    for name, value in columns.items():
        cells.obs[name] = value
    return cells


def _names(cells, **axes):
    for name, value in axes.items():
        setattr(cells, name, value)
    return cells


MISTAKES = {
    "negative": (lambda c: _set(c, -2.0), {}, "negative values"),
    "nan": (lambda c: _set(c, np.nan), {}, "NaN or infinite"),
    "infinite": (lambda c: _set(c, np.inf), {}, "NaN or infinite"),
    "one fraction": (lambda c: _set(c, 1.5), {}, "fractional values in .* such as 1.5"),
    "log-normalised": (_lognormal, {}, "looks like log1p of normalised counts"),
    "TPM": (_scaled, {}, "scaled to one total, such as TPM"),
    "all zero": (lambda c: _names(c, X=sparse.csr_matrix(c.shape)), {}, "not one value above 0"),
    "no matrix": (lambda c: ad.AnnData(obs=c.obs, var=c.var), {}, "no matrix"),
    "no cells": (lambda c: c[:0].copy(), {}, "0 cells"),
    "no such label column": (
        lambda c: c,
        {"columns": {"label": "celltype"}},
        "obs.label.*did you mean 'cell_type'",
    ),
    "no such donor column": (lambda c: c, {"columns": {"donor": "patient"}}, "obs.donor.*known: batch"),
    "no such where column": (lambda c: c, {"where": {"tissue": ["lung"]}}, "where.tissue.*'tissue'"),
    "no such where value": (lambda c: c, {"where": {"batch": ["b9"]}}, "where.batch.*'b9'.*known: b0, b1"),
    "where keeps none": (
        lambda c: c,
        {"where": {"batch": ["b0"], "donor_id": ["d1"]}},
        "no cell that passes all conditions",
    ),
    "no such gene column": (lambda c: c, {"gene_column": "ensembl"}, "gene_column.*var column 'ensembl'"),
    "symbols as ids": (lambda c: _names(c, var_names=[f"G{i}" for i in range(30)]), {}, "'G0'.*gene_ids"),
    "mouse genes": (
        lambda c: _names(c, var_names=[f"ENSMUSG{i:011d}" for i in range(30)]),
        {},
        "mouse genes.*organism: mouse",
    ),
    "symbols of another organism": (
        lambda c: c,
        {"organism": "mouse", "gene_ids": "symbol"},
        "expected mouse symbols",
    ),
    "unknown term": (lambda c: _obs(c, term="CL:9999999"), {}, "obs.term.*CL:9999999"),
    "term without replacement": (lambda c: _obs(c, term="CL:0000004"), {}, "CL:0000004.*obsolete"),
    "term is a word": (lambda c: _obs(c, term="B cell"), {}, "'B cell'"),
    "map of an unknown label": (
        lambda c: c,
        {"columns": {"ontology": None}, "ontology_map": {"B cells": "CL:0000236"}},
        "ontology_map.*'B cells'.*did you mean 'B cell'",
    ),
    "doubled cell names": (
        lambda c: _names(c, obs_names=["x"] * 2 + list(c.obs_names[2:])),
        {},
        "1 cell names that occur before, such as 'x'",
    ),
    "no suffix": (lambda c: c, {"columns": {"batch": "barcode_suffix"}}, "without '-', such as 'cell0'"),
    "no totals column": (lambda c: c, {"total_counts": "obs:n_umi"}, "total_counts.*'n_umi'"),
    "totals are words": (lambda c: _obs(c, n="many"), {"total_counts": "obs:n"}, "24 cells whose 'n'"),
    "totals below sums": (lambda c: _obs(c, n=1.0), {"total_counts": "obs:n"}, "below the sum"),
    "totals of other cells": (
        lambda c: _obs(_lognormal(c), n=[77.0 + i for i in range(24)]),
        {"total_counts": "obs:n", "counts": "log1p_of_1e4"},
        "do not lead back to integers",
    ),
}


@pytest.mark.filterwarnings("ignore:Observation names are not unique")
@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_line_that_names_entry_and_file(mistake, cells, save, entry):
    damage, fields, words = MISTAKES[mistake]
    path = save(damage(cells))
    with pytest.raises(UserError, match=words) as error:
        prepare(path, entry(**fields))
    text = str(error.value)
    assert text.startswith(f"mine: {path}")
    assert "\n" not in text
    assert "found" in text
    assert "expected" in text


@pytest.mark.parametrize("content", [b"", b"not an h5ad", b"\x89HDF\r\n\x1a\n cut off"])
def test_a_broken_file_is_one_line(content, tmp_path, entry):
    path = tmp_path / "broken.h5ad"
    path.write_bytes(content)
    with pytest.raises(UserError, match="anndata cannot read") as error:
        prepare(path, entry())
    assert "\n" not in str(error.value)
    assert str(error.value).startswith(f"mine: {path}")


def _text(file):
    shape = (24, 30)
    del file["X"]
    made = file.create_dataset("X", data=np.full(shape, "3", dtype=object), dtype=h5py.string_dtype())
    made.attrs.update({"encoding-type": "string-array", "encoding-version": "0.2.0"})


def _complex(file):
    del file["X"]
    made = file.create_dataset("X", data=np.ones((24, 30), dtype=complex))
    made.attrs.update({"encoding-type": "array", "encoding-version": "0.2.0"})


def _outside(file):
    file["X/indices"][:3] = 99_999


def _twice(file):
    order = [*file["obs"].attrs["column-order"], "batch"]
    file["obs"].attrs["column-order"] = order


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (_text, "X: found values of type object"),
        (_complex, "X: found values of type complex128"),
        (_outside, "X: found a broken sparse matrix"),
        (_twice, "obs: found two columns 'batch'"),
    ],
)
def test_what_only_other_programs_write_is_one_line(damage, words, cells, save, entry):
    path = save(cells)
    with h5py.File(path, "a") as file:
        damage(file)
    with pytest.raises(UserError, match=words) as error:
        prepare(path, entry())
    assert "\n" not in str(error.value)
    assert str(error.value).startswith(f"mine: {path}")


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"status": "ok"'])
def test_a_source_that_fetch_did_not_write_is_one_line(content, tmp_path, monkeypatch):
    source = tmp_path / "source.json"
    source.write_text(content)
    monkeypatch.setattr("atlas.prepare.find_dataset", lambda path, name: None)
    arguments = argparse.Namespace(datasets="d.yaml", dataset="mine", source=source, out=tmp_path / "out")
    with pytest.raises(UserError, match="expected what atlas fetch wrote") as error:
        main(arguments)
    assert "\n" not in str(error.value)
    assert str(error.value).startswith(str(source))
