"""Are these counts? A matrix is believed only after every stored value has been looked at."""

from collections.abc import Callable

import numpy as np
from scipy import sparse

from contract.errors import UserError

RECOVERY_TOLERANCE = 0.15
"""Largest distance from an integer that a recovered count may have: float32 logs lose that much, not more."""
LARGEST = 2**24
"""float32 holds every integer up to here."""


class NotCounts(UserError):
    """A matrix holds no counts; another one of the file may."""


def as_csr(matrix: object) -> sparse.csr_matrix:
    """Turn a dense or sparse (N, G) matrix into CSR with sorted indices, each entry once, no stored zeros."""
    result = sparse.csr_matrix(matrix, copy=True)
    result.sum_duplicates()
    result.eliminate_zeros()
    return result


def check_matrix(matrix: object, *, where: str) -> None:
    """Look at the matrix of somebody else's file before anything is computed from it.

    Raises
    ------
    UserError
        If it holds text or complex numbers, or its indices point outside of it.
    """
    kind = getattr(matrix, "dtype", np.dtype(object))
    if kind.kind not in "biuf":
        raise UserError(where, found=f"values of type {kind}", expected="raw integer counts from 0 on")
    try:
        if sparse.issparse(matrix):
            matrix.check_format(full_check=True)
    except ValueError as error:
        raise UserError(
            where,
            found=f"a broken sparse matrix ({error})",
            expected="CSR or CSC",
            todo="write the file anew",
        ) from None


def verified_counts(matrix: sparse.csr_matrix, *, where: str) -> sparse.csr_matrix:
    """Return a block (n, G) of a matrix as float32 CSR, or say why it holds no counts.

    Raises
    ------
    NotCounts
        For NaN or infinite, negative or fractional values (share of the block and an example,
        and what it looks like), and for counts above 2^24.
    """
    breach = _first_breach(matrix)
    if breach is not None:
        raise breach(where)
    if matrix.nnz and matrix.data.max() > LARGEST:
        raise NotCounts(where, found=f"a count of {matrix.data.max():.0f}", expected=f"at most {LARGEST}")
    return matrix.astype(np.float32)


def recovered_counts(logged: sparse.csr_matrix, *, totals: np.ndarray, where: str) -> sparse.csr_matrix:
    """Undo log1p of counts scaled to 10 000 a cell: round(expm1(x) · total / 1e4).

    Parameters
    ----------
    logged
        (N, G) CSR of log1p values.
    totals
        (N,) counts of the whole cell, from before any gene was left out.

    Raises
    ------
    UserError
        If a value would lie further than 0.15 from an integer: then the matrix is not
        what it is said to be, or the totals belong to something else.
    """
    if not np.isfinite(logged.data).all():
        raise UserError(where, found="NaN or infinite values", expected="log1p values")
    scaled = logged.astype(np.float64)
    scaled.data = np.expm1(scaled.data) * np.repeat(totals / 1e4, np.diff(scaled.indptr))
    rounded = np.rint(scaled.data)
    off = np.abs(scaled.data - rounded)
    if off.size and off.max() > RECOVERY_TOLERANCE:
        raise UserError(
            where,
            found=f"{_percent(off > RECOVERY_TOLERANCE)} of the values do not lead back to integers "
            f"(off by up to {off.max():.2f})",
            expected=f"log1p of counts scaled to 10,000 a cell, at most {RECOVERY_TOLERANCE} off",
            todo="check total_counts, or write 'counts: matrix' if the file holds counts",
        )
    scaled.data = rounded
    return verified_counts(as_csr(scaled), where=where)


def _first_breach(matrix: sparse.csr_matrix) -> Callable[[str], NotCounts] | None:
    values = matrix.data
    for words, bad in (
        ("NaN or infinite values", ~np.isfinite(values)),
        ("negative values", values < 0),
        ("fractional values", values != np.rint(values)),
    ):
        if bad.any():
            example = values[np.argmax(bad)]
            found = f"{words} in {_percent(bad)} of the stored entries, such as {example:.6g}"
            return lambda where, found=found: NotCounts(
                where,
                found=found + _likeness(matrix),
                expected="raw integer counts from 0 on",
                todo="take the file from before normalisation, or one with counts in raw.X",
            )
    return None


def _likeness(matrix: sparse.csr_matrix) -> str:
    """Guess what a matrix without counts is, in words; nothing where no guess is plausible."""
    values = matrix.data.astype(np.float64)
    if not np.isfinite(values).all():
        return ""
    if (values < 0).any():
        return " (looks scaled or centred)"
    if values.max() < 20:
        natural = _spread(matrix, np.expm1(values))
        return " (looks like log1p of normalised counts)" if natural < 0.01 else " (looks like logarithms)"
    return " (looks like counts scaled to one total, such as TPM)" if _spread(matrix, values) < 0.1 else ""


def _spread(matrix: sparse.csr_matrix, values: np.ndarray) -> float:
    """Coefficient of variation of the row sums of ``values`` over the rows that have any."""
    sums = np.asarray(
        sparse.csr_matrix((values, matrix.indices, matrix.indptr), shape=matrix.shape).sum(axis=1)
    )
    sums = sums[sums > 0]
    return float(sums.std() / sums.mean()) if len(sums) > 1 else np.inf


def _percent(mask: np.ndarray) -> str:
    share = 100 * float(mask.mean())
    return f"{share:.1f}%" if share >= 0.1 else f"{int(mask.sum())}"
