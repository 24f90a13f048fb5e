"""The one door that every embedding passes."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from contract.errors import UserError

if TYPE_CHECKING:
    from anndata import AnnData

    from models.protocol import Embedder

PROBE_CELLS = 200


class ContractError(UserError):
    """An embedding that is not what the protocol promises; its text is one line."""


@dataclass(frozen=True, slots=True)
class Embedding:
    """``values``, float32 (N, D), and how many of its columns hold one value only."""

    values: np.ndarray
    constant_columns: int


def embed_checked(embedder: "Embedder", cells: "AnnData", *, may_be_constant: bool = False) -> Embedding:
    """Embed ``cells`` and check the answer: rows, orientation, dtype, finiteness, constant columns.

    Raises
    ------
    ContractError
        If the answer is not a finite float32 (N, D) array with D ≥ 1, or if it is the same point
        for each of two or more cells although it may not be (``may_be_constant``).
    """
    names = [str(name) for name in cells.obs_names]
    values = embedder.embed(cells)
    _check_shape(values, n=len(names))
    _check_values(values, names)
    constant = int((values == values[:1]).all(axis=0).sum())
    if constant == values.shape[1] and len(values) > 1 and not may_be_constant:
        raise ContractError("embedding", found="the same point for each cell", expected="columns that vary")
    return Embedding(values, constant)


def _check_shape(values: np.ndarray, *, n: int) -> None:
    expected = f"a float32 array of shape ({n}, D), a row a cell"
    if not isinstance(values, np.ndarray):
        raise ContractError(
            "embedding", found=type(values).__name__, expected=expected, todo="return a numpy array"
        )
    found = f"{values.dtype} of shape {values.shape}"
    if values.ndim != 2:
        raise ContractError("embedding", found=found, expected=expected)
    if values.shape[0] != n:
        transposed = values.shape[1] == n
        todo = "it is transposed: return embedding.T" if transposed else "return a row for each cell"
        raise ContractError("embedding", found=found, expected=expected, todo=todo)
    if values.shape[1] == 0:
        raise ContractError("embedding", found=found, expected="D of 1 or more")
    if values.dtype != np.float32:
        raise ContractError("embedding", found=found, expected=expected, todo="return x.astype(np.float32)")


def _check_values(values: np.ndarray, names: list[str]) -> None:
    bad = ~np.isfinite(values).all(axis=1)
    if bad.any():
        first = int(np.flatnonzero(bad)[0])
        raise ContractError(
            "embedding",
            found=f"NaN or infinity in {int(bad.sum())} of {len(names)} rows, first {names[first]!r}",
            expected="finite numbers",
        )


def check_order(embedder: "Embedder", cells: "AnnData", *, tolerance: float) -> None:
    """Embed up to 200 cells in two orders: a permutation of the cells must permute the rows.

    Raises
    ------
    ContractError
        If a value differs by more than ``tolerance``.
    """
    probe = cells[:PROBE_CELLS].copy()
    order = np.random.default_rng(0).permutation(probe.n_obs)
    plain, permuted = embedder.embed(probe.copy()), embedder.embed(probe[order].copy())
    difference = float(np.abs(plain[order] - permuted).max(initial=0.0))
    if not difference <= tolerance:
        raise ContractError(
            "embedding",
            found=f"rows that change by {difference:.2g} when the cells come in another order",
            expected=f"at most {tolerance:.2g} (card.equivariance_tolerance)",
            todo="return rows in the order of the cells",
        )
