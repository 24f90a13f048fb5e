import numpy as np
import pytest

from models.transformer.batch import batch_of
from models.transformer.choices import Value
from models.transformer.token_choices import RankTokens
from models.transformer.tokenise import Tokeniser
from models.transformer.vocabulary import MASK, PAD, Vocabulary, fit_vocabulary

GENES = tuple(f"g{i:02d}" for i in range(30))


def ranks(vocabulary, *, norm, length, **around):
    choice = RankTokens(kind="rank", norm=norm, min_cells=1, **around)
    return Tokeniser(vocabulary=vocabulary, choice=choice, value=Value(kind="none"), length=length)


@pytest.fixture
def vocabulary():
    medians = np.random.default_rng(1).choice([0.5, 1.0, 2.0, 3.7], size=30)
    return Vocabulary(
        specials=(PAD, MASK, "<cls>", "<eos>"), genes=GENES, medians=medians, means=medians[::-1]
    )


@pytest.fixture
def dense():
    return np.random.default_rng(2).poisson(1.0, size=(25, 30))


def by_definition(cell, vocabulary, *, norm, room):
    """The definition, written as a loop: expressed genes by falling score, ties to the lower token."""
    usual = {"count": 1.0, "gene_median": vocabulary.medians, "gene_mean": vocabulary.means}[norm]
    score = cell / usual
    ranked = sorted(np.flatnonzero(cell), key=lambda gene: (-score[gene], gene))
    return [gene + len(vocabulary.specials) for gene in ranked[:room]]


@pytest.mark.parametrize("norm", ["count", "gene_median", "gene_mean"])
@pytest.mark.parametrize("length", [1, 7, 40])
def test_follows_the_definition(dense, vocabulary, as_counts, norm, length):
    tokenise = ranks(vocabulary, norm=norm, length=length)
    tokens = tokenise(as_counts(dense), vocabulary.tokens(GENES))
    for i, cell in enumerate(dense):
        found = tokens.ids[tokens.offsets[i] : tokens.offsets[i + 1]]
        assert found.tolist() == by_definition(cell, vocabulary, norm=norm, room=length)


def test_special_tokens_stand_around_and_count_towards_the_length(dense, vocabulary, as_counts):
    tokenise = ranks(vocabulary, norm="count", length=9, prefix=("<cls>",), suffix=("<eos>",))
    tokens = tokenise(as_counts(dense), vocabulary.tokens(GENES))
    for i, cell in enumerate(dense):
        found = tokens.ids[tokens.offsets[i] : tokens.offsets[i + 1]]
        assert found.tolist() == [2, *by_definition(cell, vocabulary, norm="count", room=7), 3]
    assert tokens.expressed.tolist() == np.count_nonzero(dense, axis=1).tolist()


def test_column_order_and_depth_do_not_matter(dense, vocabulary, as_counts):
    tokenise = ranks(vocabulary, norm="gene_median", length=12)
    plain = tokenise(as_counts(dense), vocabulary.tokens(GENES))
    order = np.random.default_rng(3).permutation(30)
    permuted = tokenise(as_counts(dense[:, order]), vocabulary.tokens([GENES[i] for i in order]))
    deeper = tokenise(as_counts(2 * dense), vocabulary.tokens(GENES))
    for other in (permuted, deeper):
        np.testing.assert_array_equal(other.ids, plain.ids)
        np.testing.assert_array_equal(other.offsets, plain.offsets)


def test_unknown_genes_and_stored_zeros_make_no_token(dense, vocabulary, as_counts):
    tokenise = ranks(vocabulary, norm="gene_median", length=40)
    dense[:, 5] = 0
    plain = tokenise(as_counts(dense), vocabulary.tokens(GENES))
    noisy = dense.copy()
    noisy[:, 5] = 9
    names = ["elsewhere" if i == 5 else gene for i, gene in enumerate(GENES)]
    np.testing.assert_array_equal(tokenise(as_counts(noisy), vocabulary.tokens(names)).ids, plain.ids)
    counts = as_counts(noisy)
    counts.data[counts.indices == 5] = 0
    np.testing.assert_array_equal(tokenise(counts, vocabulary.tokens(GENES)).ids, plain.ids)


def test_padding_is_on_the_right(dense, vocabulary, as_counts):
    dense[3] = 0
    tokens = ranks(vocabulary, norm="count", length=40)(as_counts(dense), vocabulary.tokens(GENES))
    cells = np.array([3, 0, 7])
    padded = batch_of(tokens, cells).ids.numpy()
    assert padded.shape == (3, tokens.lengths[cells].max())
    for row, cell in zip(padded, cells, strict=True):
        n = tokens.lengths[cell]
        assert row[:n].tolist() == tokens.ids[tokens.offsets[cell] : tokens.offsets[cell + 1]].tolist()
        assert not row[n:].any()


def test_rows_are_taken_in_the_order_asked_for(dense, as_counts):
    counts, rows = as_counts(dense), np.array([7, 0, 7, 24])
    taken, direct = counts.take(rows), as_counts(dense[rows])
    np.testing.assert_array_equal(taken.data, direct.data)
    np.testing.assert_array_equal(taken.indices, direct.indices)
    np.testing.assert_array_equal(taken.indptr, direct.indptr)


def test_bins_of_a_genes_own_values(as_counts):
    """Written out gene by gene: how many inner quantiles of its non-zero values a value reaches."""
    rng = np.random.default_rng(0)
    dense = rng.poisson(3.0, size=(50, 6)) * (rng.random((50, 6)) < 0.7)
    dense[:, 0] += 1
    counts, genes = as_counts(dense), list("abcdef")
    vocabulary = fit_vocabulary(counts, genes=genes, min_cells=1, bins=4)
    normal = dense / dense.sum(1, keepdims=True) * 1e4
    edges = [np.quantile(column[column > 0], [0.25, 0.5, 0.75]) for column in normal.T]
    np.testing.assert_allclose(vocabulary.edges, edges)
    choice = RankTokens(kind="rank", norm="gene_bin", min_cells=1, bins=4)
    tokens = Tokeniser(vocabulary=vocabulary, choice=choice, value=Value(kind="none"), length=6)
    found = tokens(counts, vocabulary.tokens(genes))
    for cell in range(50):
        ids = found.ids[found.offsets[cell] : found.offsets[cell + 1]] - 2
        score = {gene: (vocabulary.edges[gene] <= normal[cell, gene]).sum() for gene in ids}
        assert sorted(ids) == np.flatnonzero(dense[cell]).tolist()
        assert ids.tolist() == sorted(ids, key=lambda gene: (-score[gene], gene))
