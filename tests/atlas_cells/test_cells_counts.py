import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import sparse

from atlas.counts import NotCounts, as_csr, recovered_counts, verified_counts
from contract.errors import UserError


@settings(deadline=None)
@given(arrays(np.int64, (4, 5), elements=st.integers(0, 1000)))
def test_integers_from_zero_on_pass_unchanged(counts):
    matrix = as_csr(counts.astype(float))
    result = verified_counts(matrix, where="f")
    assert result.dtype == np.float32
    np.testing.assert_array_equal(result.toarray(), counts)


@settings(deadline=None)
@given(
    arrays(np.int64, (4, 5), elements=st.integers(1, 1000)),
    st.sampled_from([np.nan, np.inf, -1.0, 0.5, 3.25]),
    st.integers(0, 19),
)
def test_one_bad_value_anywhere_is_found(counts, bad, place):
    values = counts.astype(float)
    values.flat[place] = bad
    with pytest.raises(UserError, match=r"5\.0%"):
        verified_counts(as_csr(values), where="f")


def _lognormalised(counts, scale):
    return as_csr(np.log1p(counts / counts.sum(axis=1, keepdims=True) * scale))


@pytest.fixture
def counts():
    return np.random.default_rng(0).poisson(2.0, (30, 40)).astype(float) + 1


def test_words_tell_what_a_matrix_looks_like(counts):
    cases = {
        "log1p": _lognormalised(counts, 1e4),
        "TPM": as_csr(counts / counts.sum(axis=1, keepdims=True) * 1e6),
        "scaled": as_csr(counts - counts.mean(axis=0)),
        "logarithms": as_csr(np.log2(counts + 1.5)),
    }
    for word, matrix in cases.items():
        with pytest.raises(UserError, match=f"looks like.*{word}|looks {word}"):
            verified_counts(matrix, where="f")


def test_a_huge_count_is_refused():
    with pytest.raises(NotCounts, match=f"at most {2**24}"):
        verified_counts(sparse.csr_matrix([[2.0**24 + 2]]), where="f")


def test_log1p_leads_back_to_the_counts(counts):
    """The genes of a file are a part of the cell: totals are larger than the sums."""
    totals = counts.sum(axis=1) * 3
    logged = as_csr(np.log1p(counts / totals[:, None] * 1e4).astype(np.float32))
    np.testing.assert_array_equal(recovered_counts(logged, totals=totals, where="f").toarray(), counts)


def test_wrong_totals_do_not_lead_back_to_integers(counts):
    logged = _lognormalised(counts, 1e4)
    with pytest.raises(UserError, match="do not lead back to integers"):
        recovered_counts(logged, totals=counts.sum(axis=1) * 1.37, where="f")


def test_duplicate_entries_and_stored_zeros_are_cleaned_and_the_input_kept():
    matrix = sparse.csr_matrix(([1.0, 2.0, 0.0], ([0, 0, 1], [1, 1, 0])), shape=(2, 2))
    before = matrix.nnz
    clean = as_csr(matrix)
    assert clean.nnz == 1
    assert clean[0, 1] == 3
    assert matrix.nnz == before
