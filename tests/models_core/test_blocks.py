"""A file read block by block gives what all cells in memory give, and memory does not grow with the cells."""

import os
import subprocess
import sys
from pathlib import Path

import anndata as ad
import h5py
import numpy as np
import pytest
import scanpy as sc
import scipy.sparse as sp
from conftest import ROOT, simulate

from contract.errors import UserError
from models import cells_file, rank_normal
from models.baselines import Hvg, Pca
from models.cells_file import CellsFile
from models.controls import BatchOnly, Noise, RandomProjection, Shuffled
from models.door import ContractError, embed_checked, embed_to_file
from models.h5ad import read_frame
from models.harmony import Harmony
from models.normalise import log_normalised
from models.options import (
    GeneOptions,
    GeneVectorOptions,
    HarmonyOptions,
    JitterOptions,
    PcaOptions,
    RankOptions,
    ScviOptions,
    WidthOptions,
)
from models.rank_normal import RankPca
from models.scvi_baseline import Scvi
from models.variable_genes import choose_genes
from models.weighted_vectors import WeightedVectors


@pytest.fixture
def made() -> ad.AnnData:
    """200 cells, one without a count."""
    cells = simulate()
    cells.obs = cells.obs.drop(columns="kind")
    counts = cells.X.toarray()
    counts[7] = 0
    cells.X = sp.csr_matrix(counts)
    return cells


@pytest.fixture
def file(made: ad.AnnData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CellsFile:
    """The same in a file, read some fifteen cells at a time."""
    monkeypatch.setattr(cells_file, "BLOCK_VALUES", 1500)
    made.write_h5ad(tmp_path / "cells.h5ad")
    return CellsFile.open(tmp_path / "cells.h5ad")


def test_blocks_are_the_cells(made: ad.AnnData, file: CellsFile) -> None:
    blocks = list(file.blocks())
    assert len(blocks) > 5
    assert max(block.X.nnz for block in blocks) <= 1500
    joined = ad.concat(blocks)
    assert (joined.X != made.X).nnz == 0
    assert joined.obs.equals(made.obs)
    assert (file.n_obs, file.n_vars) == made.shape
    assert blocks[-1].var.equals(made.var)
    assert blocks[-1].uns == made.uns


def test_scvi_learns_the_same_from_a_file(made: ad.AnnData, file: CellsFile) -> None:
    """To the bit; the cell without a count is not trained on in either."""
    options = ScviOptions(epochs=1, latent=2, hidden=4, n_genes=60)
    whole, streamed = (Scvi(options).fit(cells, seed=0) for cells in (made, file))
    assert streamed.genes == whole.genes
    for one, other in zip(streamed.layers, whole.layers, strict=True):
        assert np.array_equal(one[0], other[0])
        assert np.array_equal(one[1], other[1])


def test_equal_words_of_a_column_are_one_object(made: ad.AnnData, tmp_path: Path, monkeypatch) -> None:
    """Across the pieces in which they are read, too."""
    monkeypatch.setattr("models.h5ad.PIECE", 7)
    with h5py.File(tmp_path / "words.h5", "w") as stored:
        ad.io.write_elem(stored, "obs", made.obs[["batch"]].astype(object))
        assert stored["obs/batch"].attrs["encoding-type"] == "string-array"
        batch = read_frame(stored["obs"])["batch"]
    assert len({id(word) for word in batch}) == batch.nunique() < len(batch)
    assert list(batch) == list(made.obs["batch"])


def test_chosen_cells_keep_their_order(made: ad.AnnData, file: CellsFile) -> None:
    mask = np.random.default_rng(1).random(made.n_obs) < 0.3
    some = file.of(mask)
    expected = made[mask]
    assert some.obs_names.equals(expected.obs_names)
    assert (some.read().X != expected.X).nnz == 0
    again = some.of(np.arange(5))
    assert again.read().obs_names.equals(expected.obs_names[:5])


def test_a_row_larger_than_a_block_is_a_block(file: CellsFile, monkeypatch) -> None:
    monkeypatch.setattr(cells_file, "BLOCK_VALUES", 1)
    assert {block.n_obs for block in file.of(np.arange(20)).blocks()} <= {1, 2}


def test_what_is_handed_out_is_a_copy(file: CellsFile) -> None:
    for block in file.blocks():
        block.obs["batch"], block.var["symbol"], block.uns["dataset"] = "spoilt", "spoilt", "spoilt"
    assert "spoilt" not in {*file.obs["batch"], *file.var["symbol"], file.uns["dataset"]}


def test_columns_first_is_refused(made: ad.AnnData, tmp_path: Path) -> None:
    made.X = sp.csc_matrix(made.X)
    made.write_h5ad(tmp_path / "cells.h5ad")
    with pytest.raises(UserError, match="X as csc_matrix"):
        CellsFile.open(tmp_path / "cells.h5ad")


@pytest.mark.parametrize(
    "make",
    [
        lambda: Pca(PcaOptions(n_genes=60, components=10)),
        lambda: Hvg(GeneOptions(n_genes=40)),
        lambda: Shuffled(PcaOptions(n_genes=60, components=10), seed=0),
        lambda: RandomProjection(WidthOptions(width=7), seed=0),
        lambda: Noise(WidthOptions(width=7), seed=0),
        lambda: BatchOnly(JitterOptions(), seed=0),
        lambda: Harmony(HarmonyOptions(n_genes=60, components=10)),
    ],
)
def test_blocks_change_nothing(make, made: ad.AnnData, file: CellsFile, tmp_path: Path) -> None:
    expected = embed_checked(make().fit(made, seed=0), made)
    written = embed_to_file(make().fit(file, seed=0), file, tmp_path / "embedding.npy")
    found = np.load(tmp_path / "embedding.npy", allow_pickle=False)
    assert found.shape == (written.n, written.width)
    assert written.constant_columns == expected.constant_columns
    np.testing.assert_allclose(found, expected.values, rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    "make",
    [
        lambda: RankPca(RankOptions(components=10)),
        lambda: RankPca(RankOptions(n_genes=15, components=10)),
        lambda: WeightedVectors(GeneVectorOptions(width=8)),
    ],
)
def test_blocks_change_nothing_where_each_cell_has_counts(make, made, file, monkeypatch) -> None:
    monkeypatch.setattr(rank_normal, "HELD_VALUES", 5000)  # the other scores lie in a file
    some = np.flatnonzero(np.arange(made.n_obs) != 7)
    expected, ours = make().fit(made[some].copy(), seed=0), make().fit(file.of(some), seed=0)
    assert ours.genes == expected.genes
    np.testing.assert_allclose(ours.embed(made[some]), expected.embed(made[some]), rtol=0, atol=1e-5)


def test_the_array_has_the_bytes_that_numpy_writes(file: CellsFile, tmp_path: Path) -> None:
    embed_to_file(Noise(WidthOptions(width=3), seed=0), file, tmp_path / "ours.npy")
    np.save(tmp_path / "numpy.npy", np.load(tmp_path / "ours.npy"))
    assert (tmp_path / "ours.npy").read_bytes() == (tmp_path / "numpy.npy").read_bytes()


def _late(answer):
    """Rowwise; the answer to the block that holds cell 100 is another."""

    class Late:
        rowwise = True
        seen = 0

        def embed(self, cells: ad.AnnData) -> np.ndarray:
            self.seen += cells.n_obs
            values = np.random.default_rng(0).standard_normal((cells.n_obs, 3)).astype(np.float32)
            return answer(values) if self.seen - cells.n_obs <= 100 < self.seen else values

    return Late()


def _with_nan(values: np.ndarray) -> np.ndarray:
    values[-1, 0] = np.nan
    return values


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (lambda v: v[:-1], "a row for each cell"),
        (lambda v: v.T, "it is transposed"),
        (lambda v: v[:, :2], "2 columns after 3"),
        (lambda v: v.astype(np.float64), "found float64"),
        (_with_nan, "NaN or infinity in 1 of"),
    ],
)
def test_a_late_block_is_looked_at_like_the_first(answer, told, file: CellsFile, tmp_path: Path) -> None:
    with pytest.raises(ContractError, match=told):
        embed_to_file(_late(answer), file, tmp_path / "embedding.npy")


def test_one_point_in_every_block_is_noticed(file: CellsFile, tmp_path: Path) -> None:
    class Same:
        rowwise = True

        def embed(self, cells: ad.AnnData) -> np.ndarray:
            return np.ones((cells.n_obs, 2), dtype=np.float32)

    class ByBlock(Same):
        """Constant within each block, but not over all cells."""

        blocks = 0

        def embed(self, cells: ad.AnnData) -> np.ndarray:
            self.blocks += 1
            return self.blocks * super().embed(cells)

    with pytest.raises(ContractError, match="same point"):
        embed_to_file(Same(), file, tmp_path / "embedding.npy")
    assert embed_to_file(ByBlock(), file, tmp_path / "embedding.npy").constant_columns == 0


def _scanpys(cells: ad.AnnData, *, n_genes: int) -> list[str]:
    table = ad.AnnData(X=log_normalised(cells).astype(np.float32), var=cells.var[[]])
    table = table[:, np.asarray(table.X.max(axis=0).todense()).ravel() > 0].copy()
    table.uns["log1p"] = {}
    sc.pp.highly_variable_genes(table, flavor="seurat", n_top_genes=n_genes)
    return table.var_names[table.var["highly_variable"]].tolist()


@pytest.mark.filterwarnings("ignore")
def test_the_genes_of_real_cells_are_scanpys(tmp_path: Path, monkeypatch) -> None:
    """700 PBMC as scanpy ships them: their logarithms, read as if they were counts."""
    monkeypatch.setattr(cells_file, "BLOCK_VALUES", 50_000)
    raw = sc.datasets.pbmc68k_reduced().raw.to_adata()
    cells = ad.AnnData(X=sp.csr_matrix(raw.X), obs=raw.obs[[]].assign(total_counts=np.nan), var=raw.var[[]])
    cells.write_h5ad(tmp_path / "cells.h5ad")
    for n_genes in (50, 300):
        chosen = choose_genes(CellsFile.open(tmp_path / "cells.h5ad"), n_genes=n_genes)
        assert chosen == choose_genes(cells, n_genes=n_genes) == _scanpys(cells, n_genes=n_genes)


MEASURE = """
import sys
from pathlib import Path
from models.baselines import Pca
from models.cells_file import CellsFile
from models.door import embed_to_file
from models.options import PcaOptions
cells = CellsFile.open(sys.argv[1])
pca = Pca(PcaOptions(n_genes=40, components=10)).fit(cells, seed=0)
embed_to_file(pca, cells, sys.argv[2])
told = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
print(int(told["VmHWM"].split()[0]) >> 10)  # not getrusage, whose mark starts at the parent's
"""


def _mib(n: int, folder: Path) -> int:
    """Peak memory of a PCA of n cells with 500 values each, in a process of its own."""
    draw = np.random.default_rng(0)
    parts = draw.integers(1, 9, 500 * n).astype(np.float32), np.tile(np.arange(0, 2000, 4, dtype=np.int32), n)
    counts = sp.csr_matrix((*parts, np.arange(0, 500 * n + 1, 500)), shape=(n, 2000))
    cells = ad.AnnData(X=counts, uns={"dataset": "x"})
    cells.obs["total_counts"] = np.nan
    cells.write_h5ad(folder / f"{n}.h5ad")
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, folder / f"{n}.h5ad", folder / f"{n}.npy"],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    return int(done.stdout)


def test_memory_is_flat_in_the_cells(tmp_path: Path) -> None:
    """Four times the cells: 96 MB more of counts, several times that once they are normalised."""
    few, many = (_mib(n, tmp_path) for n in (8_000, 32_000))
    assert many - few < 60, f"{few} MiB for 8,000 cells, {many} MiB for 32,000"
