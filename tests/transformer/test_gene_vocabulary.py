import numpy as np
import pytest

from models.transformer.errors import VocabularyError
from models.transformer.vocabulary import MASK, PAD, Vocabulary, fit_vocabulary, match


@pytest.fixture
def dense():
    return np.random.default_rng(0).poisson(0.7, size=(41, 12))


GENES = [f"g{i:02d}" for i in range(12)]


def test_medians_are_those_of_non_zero_normalised_values(dense, as_counts):
    totals = dense.sum(1) + 5.0
    vocabulary = fit_vocabulary(as_counts(dense, totals=totals), genes=GENES, min_cells=1)
    values = dense / totals[:, None] * 1e4
    expected = [np.median(values[dense[:, i] > 0, i]) for i in range(12)]
    assert vocabulary.genes == tuple(GENES)
    np.testing.assert_allclose(vocabulary.medians, expected, rtol=1e-12)
    expected = [values[dense[:, i] > 0, i].mean() for i in range(12)]
    np.testing.assert_allclose(vocabulary.means, expected, rtol=1e-12)


def test_the_most_variable_genes_are_kept(dense, as_counts):
    vocabulary = fit_vocabulary(as_counts(dense), genes=GENES, min_cells=1, most=4)
    logged = np.log1p(dense / np.maximum(dense.sum(1, keepdims=True), 1) * 1e4)
    seen = logged[dense.sum(1) > 0]
    order = np.argsort(-seen.var(0))
    assert set(vocabulary.genes) == {GENES[i] for i in order[:4]}
    first = np.zeros(12, dtype=bool)
    first[order[6:9]] = True
    vocabulary = fit_vocabulary(as_counts(dense), genes=GENES, min_cells=1, most=4, first=first)
    assert set(vocabulary.genes) == {GENES[i] for i in [*order[6:9], order[0]]}


def test_cells_without_a_total_say_nothing(dense, as_counts):
    totals = dense.sum(1).astype(float)
    totals[::2] = np.nan
    some = fit_vocabulary(as_counts(dense, totals=totals), genes=GENES, min_cells=1)
    rest = fit_vocabulary(as_counts(dense[1::2]), genes=GENES, min_cells=1)
    np.testing.assert_array_equal(some.medians, rest.medians)
    with pytest.raises(VocabularyError, match="no cell has a total"):
        fit_vocabulary(as_counts(dense, totals=np.full(41, np.nan)), genes=GENES, min_cells=1)


def test_order_of_columns_does_not_matter(dense, as_counts):
    order = np.random.default_rng(1).permutation(12)
    plain = fit_vocabulary(as_counts(dense), genes=GENES, min_cells=1)
    other = fit_vocabulary(as_counts(dense[:, order]), genes=[GENES[i] for i in order], min_cells=1)
    assert other.genes == plain.genes
    np.testing.assert_array_equal(other.medians, plain.medians)


def test_rare_genes_stay_out(dense, as_counts):
    dense[:, 4] = 0
    dense[:2, 4] = 1
    fitted = {n: fit_vocabulary(as_counts(dense), genes=GENES, min_cells=n) for n in (2, 3)}
    assert "g04" in fitted[2].genes
    assert set(GENES) - set(fitted[3].genes) == {"g04"}
    with pytest.raises(VocabularyError, match="at least 42"):
        fit_vocabulary(as_counts(dense), genes=GENES, min_cells=42)


def test_a_gene_twice_is_refused(dense, as_counts):
    vocabulary = fit_vocabulary(as_counts(dense), genes=GENES, min_cells=1)
    with pytest.raises(VocabularyError, match="twice"):
        vocabulary.tokens(["g00", "g01", "g00"])


def vocabulary_of(genes):
    return Vocabulary(
        specials=(PAD, MASK), genes=tuple(genes), medians=np.ones(len(genes)), means=np.ones(len(genes))
    )


@pytest.mark.parametrize(
    ("genes", "refusal"),
    [
        (GENES, None),
        ([*GENES[:6], "x1", "x2"], None),
        (GENES[:2], None),  # a small panel can be read, whatever comes of it
        ([*GENES[:5], *(f"x{i}" for i in range(7))], "5 of the data set's 12 genes"),
        (GENES[:7] + [f"x{i}" for i in range(4)], "64% of the counts"),
    ],
)
def test_too_little_in_common_is_refused(genes, refusal, as_counts):
    vocabulary = vocabulary_of(GENES)
    counts = as_counts(np.ones((3, len(genes)), dtype=int))
    found = match(counts, vocabulary.tokens(genes), vocabulary=vocabulary)
    assert found.matched == len(set(genes) & set(GENES))
    assert found.count_share == pytest.approx(found.matched / len(genes))
    if refusal is None:
        found.require()
    else:
        with pytest.raises(VocabularyError, match=refusal):
            found.require()


def test_cells_without_counts_match_nothing(as_counts):
    vocabulary = vocabulary_of(GENES)
    found = match(as_counts(np.zeros((3, 12), dtype=int)), vocabulary.tokens(GENES), vocabulary=vocabulary)
    assert np.isnan(found.count_share)
    with pytest.raises(VocabularyError):
        found.require()


@pytest.mark.parametrize(
    ("specials", "genes", "medians"),
    [
        ((MASK, PAD), ("a",), [1.0]),
        ((PAD, MASK), ("b", "a"), [1.0, 1.0]),
        ((PAD, MASK), ("a", "a"), [1.0, 1.0]),
        ((PAD, MASK), (), []),
        ((PAD, MASK), ("a",), [np.nan]),
        ((PAD, MASK), ("a",), [0.0]),
        ((PAD, MASK), ("a",), [1.0, 2.0]),
    ],
)
def test_an_impossible_vocabulary_is_refused(specials, genes, medians):
    with pytest.raises(VocabularyError):
        Vocabulary(specials=specials, genes=genes, medians=np.array(medians), means=np.ones(len(genes)))
    with pytest.raises(VocabularyError):
        Vocabulary(specials=specials, genes=genes, medians=np.ones(len(genes)), means=np.array(medians))
