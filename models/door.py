"""The one door that every embedding passes."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from contract.errors import UserError
from models.protocol import as_asked

if TYPE_CHECKING:
    from anndata import AnnData

    from models.cells_file import Cells, CellsFile
    from models.protocol import Embedder

PROBE_CELLS = 200


class ContractError(UserError):
    """An embedding that is not what the protocol promises; its text is one line."""


@dataclass(frozen=True, slots=True)
class Embedding:
    """``values``, float32 (N, D), and how many of its columns hold one value only."""

    values: np.ndarray
    constant_columns: int


@dataclass(frozen=True, slots=True)
class Written:
    """An embedding in a file: ``n`` rows, ``width`` columns, and how many of these hold one value only."""

    n: int
    width: int
    constant_columns: int


def embed_checked(embedder: "Embedder", cells: "AnnData", *, may_be_constant: bool = False) -> Embedding:
    """Embed ``cells`` and check the answer: rows, orientation, dtype, finiteness, constant columns.

    Raises
    ------
    ContractError
        If the answer is not a finite float32 (N, D) array with D ≥ 1, or if it is the same point
        for each of two or more cells although it may not be (``may_be_constant``).
    """
    values, columns = _checked(embedder, cells), _Columns()
    columns.add(values)
    return Embedding(values, columns.constant(may_be_all=may_be_constant))


def embed_to_file(
    embedder: "Embedder", cells: "CellsFile", path: Path, *, may_be_constant: bool = False
) -> Written:
    """The same for a file of cells, into an ``.npy``; memory of a block where the embedder allows it.

    Who says ``rowwise`` is handed some thousand cells at a time, who says ``streams`` the file; all
    others all cells in memory.
    """
    columns = _Columns()
    with open(path, "wb") as file:
        for part in _handed(embedder, cells):
            values = _checked(embedder, part)
            if not columns.n:
                about = {"descr": "<f4", "fortran_order": False, "shape": (cells.n_obs, values.shape[1])}
                np.lib.format.write_array_header_1_0(file, about)
            columns.add(values)
            file.write(np.ascontiguousarray(values, dtype="<f4").data)
    constant = columns.constant(may_be_all=may_be_constant)
    return Written(n=columns.n, width=len(columns.same), constant_columns=constant)


def _handed(embedder: "Embedder", cells: "CellsFile") -> Iterator["Cells"]:
    if getattr(embedder, "rowwise", False):
        yield from cells.blocks("embed")
    else:
        yield as_asked(embedder, cells)


class _Columns:
    """Counts rows (``n``) and knows which columns held the ``same`` value in all of them."""

    def __init__(self) -> None:
        self.n = 0
        self.same = self._first = np.zeros(0)

    def add(self, values: np.ndarray) -> None:
        """Look at some more rows (n, D)."""
        if not self.n:
            self.same, self._first = np.ones(values.shape[1], dtype=bool), values[:1].copy()
        elif values.shape[1] != len(self.same):
            found = f"{values.shape[1]} columns after {len(self.same)} for the cells before"
            raise ContractError("embedding", found=found, expected="as many for each cell")
        self.same &= (values == self._first).all(axis=0)
        self.n += len(values)

    def constant(self, *, may_be_all: bool) -> int:
        """How many hold one value; all of them may only where that is what the contestant is."""
        if self.same.all() and self.n > 1 and not may_be_all:
            raise ContractError(
                "embedding", found="the same point for each cell", expected="columns that vary"
            )
        return int(self.same.sum())


def _checked(embedder: "Embedder", cells: "Cells") -> np.ndarray:
    names = [str(name) for name in cells.obs_names]
    values = embedder.embed(cells)
    _check_shape(values, n=len(names))
    _check_values(values, names)
    return values


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
