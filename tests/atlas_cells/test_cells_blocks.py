"""Read, check and write in blocks: the same cells whatever the format, the block and the reader."""

import tracemalloc

import anndata as ad
import numpy as np
import pytest
import scanpy as sc
from prepared import prepare
from scipy import sparse

from atlas.reference import principal_components
from contract.errors import UserError
from contract.progress import Progress


@pytest.fixture
def tiny_blocks(monkeypatch):
    monkeypatch.setattr("atlas.stored.BLOCK_VALUES", 100)


def _dense(cells):
    cells.X = cells.X.toarray()


def _columns(cells):
    cells.X = sparse.csc_matrix(cells.X)


def _in_raw(cells):
    cells.raw = cells.copy()
    cells.X = cells.X * 0.5


def _late(cells):
    """``X`` looks like counts until its last cell."""
    _in_raw(cells)
    cells.X = cells.raw.X.copy()
    cells.X.data[-1] = 0.5


@pytest.mark.parametrize("change", [lambda cells: None, _dense, _columns, _in_raw, _late])
def test_every_layout_in_small_blocks_gives_the_same_files(change, cells, save, entry, monkeypatch):
    whole = prepare(save(cells, "whole.h5ad"), entry())
    change(cells)
    monkeypatch.setattr("atlas.stored.BLOCK_VALUES", 100)
    pieces = prepare(save(cells, "pieces.h5ad"), entry())
    for name in ("cells.h5ad", "truth.parquet", "split.parquet"):
        assert (whole.folder / name).read_bytes() == (pieces.folder / name).read_bytes()
    np.testing.assert_allclose(pieces.reference, whole.reference, atol=1e-4)
    assert pieces.report | {"counts_from": ""} == whole.report | {"counts_from": ""}


@pytest.mark.filterwarnings("ignore:Writing zarr v2")
def test_a_zarr_store_is_read_like_an_h5ad(cells, save, entry, tmp_path):
    cells.write_zarr(tmp_path / "mine.zarr")
    stored, filed = prepare(tmp_path / "mine.zarr", entry()), prepare(save(cells), entry())
    assert (stored.folder / "cells.h5ad").read_bytes() == (filed.folder / "cells.h5ad").read_bytes()


@pytest.mark.usefixtures("tiny_blocks")
def test_a_filter_works_across_blocks(cells, save, entry):
    prepared = prepare(save(cells), entry(where={"batch": ["b1"]}))
    expected = cells[cells.obs["batch"] == "b1"]
    np.testing.assert_array_equal(prepared.cells.X.toarray(), expected.X.toarray())
    assert list(prepared.cells.obs_names) == list(expected.obs_names)


@pytest.mark.usefixtures("tiny_blocks")
def test_a_fraction_in_the_last_block_is_found_and_leaves_no_file(cells, save, entry, tmp_path):
    cells.X.data[-1] = 0.5
    with pytest.raises(UserError, match="fractional values"):
        prepare(save(cells), entry())
    assert not list(tmp_path.rglob("cells.h5ad"))


def _lots(n, *, genes, seed=0):
    rng = np.random.default_rng(seed)
    rate = rng.gamma(0.3, 1.0, genes) * np.exp(rng.normal(0, 0.6, (4, genes)))
    return sparse.csr_matrix(rng.poisson(rate[rng.integers(0, 4, n)]).astype(np.float32))


def test_variable_genes_are_those_of_scanpy():
    counts = _lots(400, genes=2600)
    ours = principal_components(lambda: [counts[:150], counts[150:]])
    cells = ad.AnnData(X=counts.astype(np.float64))
    sc.pp.normalize_total(cells, target_sum=1e4)
    sc.pp.log1p(cells)
    sc.pp.highly_variable_genes(cells, flavor="seurat", n_top_genes=2000)
    cells = cells[:, cells.var["highly_variable"]].copy()
    sc.pp.pca(cells, n_comps=50, svd_solver="arpack")
    np.testing.assert_allclose(np.abs(ours), np.abs(cells.obsm["X_pca"]), rtol=1e-3, atol=1e-3)


def test_memory_does_not_grow_with_the_cells():
    """Four times the cells, the same peak but for the coordinates themselves."""
    peaks = []
    for repeats in (4, 16):
        block = _lots(500, genes=300)
        tracemalloc.start()
        reference = principal_components(lambda: iter([block] * repeats))  # noqa: B023 - called at once
        peaks.append(tracemalloc.get_traced_memory()[1] - 2 * reference.nbytes)
        tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0]


def test_progress_is_silent_at_first_and_then_tells_what_is_left(capsys):
    times = iter([0.0, 4.0, 12.0, 13.0, 23.0])
    passed = list(Progress("cells", 400, clock=lambda: next(times))(["a"] * 4, size=lambda _: 100))
    assert passed == ["a"] * 4
    assert capsys.readouterr().err.splitlines() == [
        "cells: 200 of 400 (50%), 12 s left",
        "cells: 400 of 400 (100%), 0 s left",
    ]
