"""A corpus that is read in blocks gives what one in memory gives, and never hands out many cells at once."""

import dataclasses
import subprocess
import sys
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest

from models.cells_file import CellsFile
from models.options import RecipeOptions
from models.pretrained import Pretrained
from models.reading import counts_of, units_of
from models.transformer import counts as counts_module
from models.transformer import data as data_module
from models.transformer.counts import Chosen, blocks
from models.transformer.data import shuffled, shuffled_rows
from models.transformer.gene_vectors import codetection
from models.transformer.spill import Spill
from models.transformer.vocabulary import fit_vocabulary

GENES = [f"ENSG{i:011d}" for i in range(40)]


class Watched:
    """A reader that remembers how many cells it was asked for at once, and which."""

    def __init__(self, reader) -> None:
        self.reader, self.asked = reader, []

    def __len__(self) -> int:
        return len(self.reader)

    def take(self, rows):
        self.asked.append(np.asarray(rows))
        return self.reader.take(rows)


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(counts_module, "BLOCK_CELLS", 70)
    monkeypatch.setattr("models.transformer.vocabulary.SHARE_CELLS", 40)
    monkeypatch.setattr(data_module, "BLOCK", 8)
    monkeypatch.setattr(data_module, "WINDOW", 96)


@pytest.fixture
def stored(cells_of, tmp_path):
    """Cells, and the same in a file."""
    cells = cells_of(500)
    cells.obs["total_counts"] = np.where(np.arange(500) % 7 == 0, np.nan, cells.obs["total_counts"])
    cells.write_h5ad(tmp_path / "cells.h5ad")
    return anndata.read_h5ad(tmp_path / "cells.h5ad"), CellsFile.open(tmp_path / "cells.h5ad")


LEARN = """
import sys
from models.cells_file import CellsFile
from models.options import RecipeOptions
from models.pretrained import Pretrained
cells = CellsFile.open(sys.argv[1])
model = Pretrained(RecipeOptions(recipe="geneformer", size="tiny", budget_cells=16)).fit(cells, seed=0)
assert model.embed(cells).shape == (500, 64)
print([name for name in ("anndata", "scipy", "torch._dynamo") if name in sys.modules])
"""


def test_a_recipe_loads_no_more_than_it_needs(stored) -> None:
    """Each of these costs half a second to three in every process that trains or embeds."""
    command = [sys.executable, "-c", LEARN, str(stored[1].path)]
    root = Path(counts_module.__file__).parents[2]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "[]\n"), done.stderr


def test_tables_of_a_file_are_those_of_anndata(stored) -> None:
    memory, file = stored
    pd.testing.assert_frame_equal(file.obs, memory.obs)
    pd.testing.assert_frame_equal(file.var, memory.var)
    assert file.uns == dict(memory.uns)


def same(a, b) -> None:
    for name in ("data", "indices", "indptr", "totals"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name), err_msg=name)


@pytest.mark.parametrize(
    "rows", [[3, 4, 5, 90, 91, 499], [], [7, 2, 2, 300], list(range(500)), np.array([0])], ids=str
)
def test_a_file_hands_out_what_memory_does(stored, rows):
    memory, file = (counts_of(cells) for cells in stored)
    same(file.take(np.array(rows, dtype=np.int64)), memory.take(np.array(rows, dtype=np.int64)))


def test_some_cells_of_a_file_are_those_cells(stored):
    memory, file = stored
    chosen = np.arange(500) % 3 == 1
    some, wanted = counts_of(file.of(chosen)), counts_of(memory[chosen].copy())
    rows = np.array([0, 1, 50, 51, 166])
    same(some.take(rows), wanted.take(rows))
    same(Chosen(some, np.array([4, 9])).take(np.array([1, 0])), wanted.take(np.array([9, 4])))
    assert units_of(file).tolist() == units_of(memory).tolist()


def test_the_vocabulary_of_blocks_is_that_of_the_whole(stored, small_blocks, monkeypatch):
    memory, file = (counts_of(cells) for cells in stored)
    watched = Watched(file)
    found = fit_vocabulary(watched, genes=GENES, min_cells=2, most=30, bins=5)
    assert max(map(len, watched.asked)) == 70
    assert np.concatenate(watched.asked).tolist() == list(range(500))  # one pass
    monkeypatch.undo()
    whole = fit_vocabulary(memory, genes=GENES, min_cells=2, most=30, bins=5)
    assert found.genes == whole.genes
    np.testing.assert_array_equal(found.medians, whole.medians)
    np.testing.assert_array_equal(found.edges, whole.edges)
    np.testing.assert_allclose(found.means, whole.means, rtol=1e-12)
    allowed = np.arange(40) % 2 == 0
    some = fit_vocabulary(memory, genes=GENES, min_cells=2, allowed=allowed)
    assert list(some.genes) == GENES[::2]


def test_gene_vectors_of_blocks_are_those_of_the_whole(stored, small_blocks, monkeypatch):
    memory, file = (counts_of(cells) for cells in stored)
    vocabulary = fit_vocabulary(memory, genes=GENES, min_cells=1)
    about = {"columns": vocabulary.tokens(GENES), "vocabulary": vocabulary, "width": 5}
    found = codetection(file, **about)
    monkeypatch.undo()
    np.testing.assert_allclose(found, codetection(memory, **about), atol=1e-3)


def test_what_is_put_aside_comes_back_by_gene(monkeypatch):
    monkeypatch.setattr("models.transformer.spill.IN_MEMORY", 100)
    rng = np.random.default_rng(0)
    genes, values = rng.integers(0, 9, 300), rng.normal(size=300)
    with Spill(4) as spill:
        for low, high in ((0, 120), (120, 120), (120, 300)):
            spill.add(genes[low:high], values[low:high])
        shares = list(spill.taken())
    assert [sorted(set(share.tolist())) for share, _ in shares] == [[0, 4, 8], [1, 5], [2, 6], [3, 7]]
    for gene in range(9):
        found = shares[gene % 4][1][shares[gene % 4][0] == gene]
        np.testing.assert_array_equal(found, values[genes == gene])


def test_training_reads_neighbours_together_and_each_cell_once(
    programmes, corpus_of, small_design, small_blocks
):
    corpus = corpus_of(programmes(500)[0], small_design())
    watched = Watched(corpus.counts)
    corpus = dataclasses.replace(corpus, counts=watched)
    list(shuffled(corpus, batch_cells=2, seed=0, epoch=0))
    assert max(map(len, watched.asked)) == 96  # a window, however large the corpus
    assert sorted(np.concatenate(watched.asked).tolist()) == list(range(500))
    pieces = [1 + int((np.diff(rows) > 1).sum()) for rows in watched.asked[:-1]]
    assert max(pieces) <= 96 / 8 + 1


@pytest.mark.parametrize("start", [0, 1, 47, 48, 49, 100, 249])
def test_a_pass_in_windows_can_be_entered_anywhere(programmes, corpus_of, small_design, small_blocks, start):
    corpus = corpus_of(programmes(500)[0], small_design())
    whole = list(shuffled(corpus, batch_cells=2, seed=3, epoch=1))
    assert len(whole) == 250
    rest = list(shuffled(corpus, batch_cells=2, seed=3, epoch=1, start=start))
    assert len(rest) == 250 - start
    assert all((a.ids == b.ids).all() for a, b in zip(rest, whole[start:], strict=True))


def test_a_window_mixes_cells_of_many_places():
    order = shuffled_rows(100_000, window=8192, seed=[0, 0])
    assert sorted(order.tolist()) == list(range(100_000))
    assert order.tolist() != shuffled_rows(100_000, window=8192, seed=[0, 1]).tolist()
    for start in range(0, 8192, 32):
        batch = order[start : start + 32]
        assert len(set(batch // 64)) >= 20  # of 32, were each from another block
    small = shuffled_rows(500, window=8192, seed=[0, 0])
    assert small.tolist() == np.random.default_rng([0, 0]).permutation(500).tolist()


def test_a_corpus_in_a_file_trains_as_one_in_memory(stored, small_blocks):
    memory, file = stored
    options = RecipeOptions(recipe="geneformer", size="tiny", budget_cells=200)
    first, second = (Pretrained(options).fit(cells, seed=0) for cells in (memory, file))
    assert first.fitted.curve == second.fitted.curve
    assert first._corpus == second._corpus
    few = np.arange(0, 500, 10)
    np.testing.assert_array_equal(first.embed(memory[few].copy()), second.embed(file.of(few)))


def test_blocks_cover_each_cell_once(stored, small_blocks):
    rows = [rows for rows, _ in blocks(counts_of(stored[1]))]
    assert np.concatenate(rows).tolist() == list(range(500))
    assert [len(some) for some in rows] == [70] * 7 + [10]
