import numpy as np
import pytest
import scanpy as sc
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from atlas.genes import PATTERNS, Columns, gene_table, match_genes, without_version
from contract.errors import UserError


@pytest.mark.parametrize("organism", ["human", "mouse"])
def test_table_is_sound(organism):
    table = gene_table(organism)
    assert len(set(table.ids)) == len(table.ids) == len(set(table.symbols)) == len(table.symbols) > 40_000
    assert all(PATTERNS[organism].fullmatch(gene) for gene in (*table.ids, *table.retired))
    assert set(table.spellings.values()) == set(table.ids)
    assert all(table.spellings[s] == g for g, s in zip(table.ids, table.symbols, strict=True))
    assert not set(table.retired) & set(table.ids)
    assert set(table.retired.values()) <= set(table.ids)


def test_known_genes_have_their_known_ids():
    spellings = gene_table().spellings
    known = {"CD8A": "ENSG00000153563", "MS4A1": "ENSG00000156738", "GNLY": "ENSG00000115523"}
    known |= {"GAPDH": "ENSG00000111640", "SELT": "ENSG00000198843", "DARC": "ENSG00000213088"}
    assert {symbol: spellings[symbol] for symbol in known} == known


@pytest.mark.filterwarnings("ignore")
def test_the_pbmc_subset_comes_first_and_all_but_twelve_of_its_genes_are_known():
    names = list(sc.datasets.pbmc68k_reduced().raw.var_names)
    ids = match_genes(names, kind="symbol", organism="human", where="f").ids
    found = [gene for gene in ids if gene]
    assert len(names) - len(found) == 12
    assert found == list(gene_table().ids[: len(found)])


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("ENSG00000141510.16", "ENSG00000141510"),
        ("ENSG00000141510", "ENSG00000141510"),
        ("ENSG00000182378.15_PAR_Y", "ENSG00000182378"),
        ("RP11-34P13.7", "RP11-34P13.7"),
    ],
)
def test_versions_are_cut_off_ensembl_ids_only(name, plain):
    assert without_version(name) == plain


def test_names_that_are_no_ids_get_none():
    names = ["ENSG00000141510.2", "ERCC-00002", "ENSMUSG00000000001", "", "ENSG0000014151"]
    matched = match_genes(names, kind="ensembl", organism="human", where="f")
    assert matched.ids == ["ENSG00000141510", "", "", "", ""]
    assert matched.how == {"id, version cut off": 1, "no id": 4}
    assert matched.without == names[1:]


def test_a_retired_id_becomes_the_one_that_bears_its_symbol_now():
    """HGNC named SLFN12L ENSG00000286065 in 2020; GENCODE v48 has it as ENSG00000205045."""
    old, new = "ENSG00000286065", "ENSG00000205045"
    matched = match_genes([old], kind="ensembl", organism="human", where="f")
    assert (matched.ids, matched.how) == ([new], {"retired id, replaced": 1})
    both = match_genes([old, new], kind="ensembl", organism="human", where="f")
    assert both.ids == [old, new]  # two columns that were counted apart stay apart


def test_an_id_that_the_table_does_not_name_is_kept():
    matched = match_genes(["ENSG99999999999"], kind="ensembl", organism="human", where="f")
    assert (matched.ids, list(matched.how)) == (["ENSG99999999999"], ["id that the table does not name"])


def test_symbols_are_found_in_every_spelling_and_mice_have_their_own():
    names = ["CD8A", "HNRPR", "ENSG00000141510.3", "no such gene"]
    matched = match_genes(names, kind="symbol", organism="human", where="f")
    assert matched.ids == ["ENSG00000153563", "ENSG00000125944", "ENSG00000141510", ""]
    assert matched.how == {"symbol": 1, "other spelling": 1, "id among symbols": 1, "no id": 1}
    mouse = match_genes(["Cd8a", "CD8A"], kind="symbol", organism="mouse", where="f")
    assert mouse.ids == ["ENSMUSG00000053977", ""]


@pytest.mark.parametrize(
    ("names", "kind", "organism", "words"),
    [
        (["TP53", "CD8A"], "ensembl", "human", "Ensembl ids such as"),
        (["Xkr4"], "symbol", "human", "symbols"),
        (["CD8A"], "symbol", "mouse", "gene_column"),
        (["ENSMUSG00000000001"] * 3, "ensembl", "human", "organism: mouse"),
        ([], "ensembl", "human", "no genes"),
    ],
)
def test_wrong_kinds_of_names_are_one_line(names, kind, organism, words):
    with pytest.raises(UserError, match=words) as error:
        match_genes(names, kind=kind, organism=organism, where="mine: f.h5ad")
    assert "\n" not in str(error.value)
    assert str(error.value).startswith("mine: f.h5ad")


@settings(deadline=None)
@given(st.lists(st.sampled_from(["", "A", "B", "C"]), min_size=1, max_size=8), st.integers(0, 99))
def test_collapsed_columns_are_the_sums_by_id(ids, seed):
    dense = np.random.default_rng(seed).integers(0, 5, (3, len(ids))).astype(np.float32)
    columns = Columns.of(ids)
    matrix, genes, first = columns.collapsed(sparse.csr_matrix(dense)), columns.ids, columns.first
    assert genes == list(dict.fromkeys(gene for gene in ids if gene))
    assert [ids[i] for i in first] == genes
    assert all(ids.index(gene) == i for gene, i in zip(genes, first, strict=True))
    expected = [dense[:, [i for i, g in enumerate(ids) if g == gene]].sum(axis=1) for gene in genes]
    np.testing.assert_array_equal(matrix.toarray(), np.array(expected).T.reshape(3, len(genes)))
    assert matrix.dtype == np.float32
