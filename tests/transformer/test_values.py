import numpy as np
import pytest

from models.transformer.choices import Thinning, Value
from models.transformer.keyed import cell_keys, uniform
from models.transformer.sample import END
from models.transformer.token_choices import SampleTokens, SetTokens
from models.transformer.tokenise import Tokeniser, specials_of, thinned
from models.transformer.values import Entries, quantile_bins, scaled
from models.transformer.vocabulary import MASK, PAD, Vocabulary

GENES = tuple(f"g{i:02d}" for i in range(30))


@pytest.fixture(scope="module")
def dense():
    return np.random.default_rng(0).poisson(np.random.default_rng(1).gamma(0.5, 4.0, 30), size=(40, 30))


def entries_of(dense, totals=None):
    rows, token = np.nonzero(dense)
    totals = dense.sum(1).astype(float) if totals is None else totals
    return Entries(
        rows=rows,
        token=token,
        count=dense[rows, token].astype(float),
        totals=totals,
        keys=cell_keys(rows, token, cells=len(dense)),
    )


def test_quantile_bins_lie_between_the_two_digits_of_their_count(dense):
    entries = entries_of(dense)
    found = quantile_bins(entries, bins=11, seed=0)
    for cell in range(len(dense)):
        count = entries.count[entries.rows == cell]
        edges = np.quantile(count, np.linspace(0, 1, 10)).round(3)
        low, high = np.digitize(count, edges, right=True), np.digitize(count, edges)
        mine = found[entries.rows == cell]
        assert ((mine >= np.maximum(low, 1)) & (mine <= np.maximum(high, 1))).all()
        assert (mine[low == high] == low[low == high]).all()
    assert found.min() == 1
    assert found.max() == 10


def test_ties_are_drawn_anew_with_each_seed_and_evenly(dense):
    entries = entries_of(dense)
    draws = np.array([quantile_bins(entries, bins=11, seed=seed) for seed in range(400)])
    np.testing.assert_array_equal(draws[0], quantile_bins(entries, bins=11, seed=0))
    spread = np.ptp(draws, axis=0)
    tied = np.flatnonzero(spread >= 3)
    assert len(tied)
    shares = [np.bincount((draws[:, i] - draws[:, i].min()).astype(int)) / 400 for i in tied[:5]]
    for share in shares:
        assert abs(share - 1 / len(share)).max() < 0.12


BY_DEFINITION = {
    "count": (Value(kind="attention", scale="count", most=5.0), lambda c, n, u: np.minimum(c, 5)),
    "log2": (Value(kind="mlp", scale="log2"), lambda c, n, u: np.log2(1 + c)),
    "log1p_norm": (Value(kind="mlp", scale="log1p_norm"), lambda c, n, u: np.log1p(n)),
    "log2_median": (Value(kind="concat", scale="log2_median"), lambda c, n, u: np.log2(1 + n / u)),
    "count_bins": (Value(kind="table", scale="count_bins", bins=4), lambda c, n, u: np.minimum(c, 3)),
    "log2_bins": (
        Value(kind="table", scale="log2_bins", bins=6),
        lambda c, n, u: np.minimum(np.floor(np.log2(1 + n)), 5),
    ),
}


@pytest.mark.parametrize("scale", BY_DEFINITION)
def test_a_scale_follows_its_definition(dense, scale):
    value, definition = BY_DEFINITION[scale]
    entries = entries_of(dense, totals=dense.sum(1) + 100.0)
    usual = np.random.default_rng(2).gamma(2.0, size=30)[entries.token]
    normal = entries.count / entries.totals[entries.rows] * 1e4
    found = scaled(entries, value=value, usual=usual, seed=0)
    np.testing.assert_allclose(found, definition(entries.count, normal, usual))


def test_equal_bins_divide_the_range_of_a_cell(dense):
    entries = entries_of(dense)
    value = Value(kind="table", scale="equal_bins", bins=11)
    found = scaled(entries, value=value, usual=np.ones(len(entries.rows)), seed=0)
    logged = np.log1p(entries.count / entries.totals[entries.rows] * 1e4)
    for cell in range(len(dense)):
        mine = entries.rows == cell
        edges = np.linspace(0, logged[mine].max(), 11)
        np.testing.assert_array_equal(found[mine], np.searchsorted(edges - 1e-9, logged[mine]).clip(1, 10))


def test_thinning_keeps_a_share_of_molecules_and_of_the_total(dense):
    full = entries_of(dense * 50)
    some = thinned(full, Thinning(cells=0.5, low=0.2, high=0.4), seed=1)
    share = some.totals / full.totals
    kept = np.bincount(full.rows, some.count) / np.bincount(full.rows, full.count)
    np.testing.assert_allclose(kept, share, atol=0.05)
    whole = share == 1
    assert 8 < whole.sum() < 32
    assert ((share[~whole] >= 0.2) & (share[~whole] <= 0.4)).all()
    assert (some.count[whole[full.rows]] == full.count[whole[full.rows]]).all()


def tokeniser_of(choice, *, length, kind="none"):
    specials = (PAD, MASK, *specials_of(choice))
    vocabulary = Vocabulary(specials=specials, genes=GENES, medians=np.ones(30), means=np.ones(30))
    return Tokeniser(
        vocabulary=vocabulary, choice=choice, value=Value(kind=kind, scale="count"), length=length
    )


def cells_of(tokens):
    return [tokens.ids[a:b] for a, b in zip(tokens.offsets, tokens.offsets[1:], strict=False)]


def tokenised(tokenise, counts, **options):
    return tokenise(counts, tokenise.vocabulary.tokens(GENES), **options)


def test_a_set_that_fits_is_kept_whole_with_its_counts(dense, as_counts):
    choice = SetTokens(kind="set", overflow="uniform", min_cells=1, prefix=("<cls>",))
    tokens = tokenised(tokeniser_of(choice, length=40), as_counts(dense))
    for cell, ids, values in zip(
        dense, cells_of(tokens), np.split(tokens.values, tokens.offsets[1:-1]), strict=True
    ):
        assert ids.tolist() == [2, *(np.flatnonzero(cell) + 3)]
        assert np.isnan(values[0])
        np.testing.assert_array_equal(values[1:], cell[cell > 0])


def test_overflow_chooses_as_it_says(as_counts):
    dense = np.tile(np.where(np.arange(30) < 15, 1, 40), (600, 1))
    dense[:, 0] = np.arange(600) % 2  # cells differ, or they would all draw alike
    dense[np.arange(600), 1 + np.arange(600) % 14] = 0
    dense[:, 15] = np.where(np.arange(600) // 28 % 2, 40, 0)
    shares = {}
    for overflow in ("uniform", "weighted", "first"):
        choice = SetTokens(kind="set", overflow=overflow, min_cells=1)
        cells = cells_of(tokenised(tokeniser_of(choice, length=10), as_counts(dense), seed=5))
        assert {len(ids) for ids in cells} == {10}
        assert all((np.diff(ids) > 0).all() for ids in cells)
        shares[overflow] = np.mean([(ids - 2 >= 15).mean() for ids in cells])
    assert shares["first"] == 0
    assert 0.4 < shares["uniform"] < 0.65
    assert shares["weighted"] > 0.75


def test_zeros_fill_up_and_an_order_is_drawn(dense, as_counts):
    choice = SetTokens(kind="set", overflow="uniform", min_cells=1, zeros=True, order="random")
    tokenise = tokeniser_of(choice, length=28)
    tokens = tokenised(tokenise, as_counts(dense))
    for cell, ids in zip(dense, cells_of(tokens), strict=True):
        assert len(set(ids)) == 28
        assert len(set(ids - 2) & set(np.flatnonzero(cell))) == min(np.count_nonzero(cell), 28)
        assert not (np.diff(ids) > 0).all()
    other = tokenised(tokenise, as_counts(dense), seed=9)
    assert not np.array_equal(other.ids, tokens.ids)
    np.testing.assert_array_equal(tokenised(tokenise, as_counts(dense)).ids, tokens.ids)


SAMPLE = SampleTokens(kind="sample", groups=3, hide=0.3, queries=20, min_cells=1, prefix=("<cls>",))


def test_a_sample_follows_log_counts_between_markers(as_counts):
    dense = np.zeros((300, 30), dtype=int)
    dense[:, [4, 9]], dense[np.arange(300), 10 + np.arange(300) % 20] = [1, 63], 1
    tokenise = tokeniser_of(SAMPLE, length=71)
    tokens = tokenised(tokenise, as_counts(dense))
    first, specials = len(tokenise.vocabulary.specials), tokenise.vocabulary.specials
    drawn = np.concatenate([ids[ids >= first] - first for ids in cells_of(tokens)])
    assert len(drawn) == 300 * (70 - 2 * 3)
    share = np.bincount(drawn, minlength=30) / len(drawn)
    assert share[9] == pytest.approx(6 / 8, abs=0.03)
    assert share[4] == pytest.approx(1 / 8, abs=0.03)
    for ids in cells_of(tokens):
        names = [specials[i] if i < first else "gene" for i in ids]
        assert names[0] == "<cls>"
        text = "".join({"gene": "g", END: ")"}.get(name, "(") for name in names[1:])
        assert text.replace("g", "").replace("()", "") == ""
        assert "()" not in text


def test_a_gene_asked_for_was_kept_back_or_is_not_expressed(dense, as_counts):
    tokenise = tokeniser_of(SAMPLE, length=64)
    dense = dense + np.eye(40, 30, dtype=int)
    tokens = tokenised(tokenise, as_counts(dense), seed=3)
    first = len(tokenise.vocabulary.specials)
    for cell, ids, queries, answers in zip(
        dense, cells_of(tokens), tokens.queries, tokens.answers, strict=True
    ):
        shown = set(ids[ids >= first] - first)
        for gene, answer in zip(queries - first, answers, strict=True):
            if answer == 1:
                assert cell[gene] > 0
                assert gene not in shown
            if answer == 0:
                assert cell[gene] == 0
    assert {-1, 0, 1} == set(tokens.answers.ravel())
    assert not tokenised(tokenise, as_counts(dense)).queries.size


def test_keyed_numbers_are_even_and_do_not_repeat():
    draws = uniform(np.arange(200)[:, None], np.arange(300)[None], 7)
    assert len(np.unique(draws)) == draws.size
    assert np.histogram(draws, bins=10, range=(0, 1))[0] == pytest.approx(draws.size / 10, rel=0.05)
    assert abs(np.corrcoef(draws[:-1].ravel(), draws[1:].ravel())[0, 1]) < 0.02
    assert not np.array_equal(draws, uniform(np.arange(200)[:, None], np.arange(300)[None], 8))
