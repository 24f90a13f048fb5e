"""One h5ad, or one zarr store, of somebody else: opened with suspicion, read piece by piece.

``obs`` and ``var`` are read a column at a time and matrices a block of rows at a time, so that
memory does not grow with the number of cells. Read whole, because nothing else is possible:
files from before anndata 0.8, and matrices stored by columns (CSC).
"""

import warnings
from collections.abc import Callable, Iterator
from contextlib import ContextDecorator, ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import anndata as ad
import h5py
import numpy as np
import pandas as pd
from scipy import sparse

from atlas.links import refuse_linked_store, refuse_links, whole
from contract.errors import UserError

BLOCK_VALUES = 1 << 23
"""Most values that a block holds: stored ones of a sparse matrix, all of a dense one."""
ZARR = ".zarr"


@dataclass(frozen=True, kw_only=True)
class Matrix:
    """An (N, G) matrix that is read by rows; ``ends[i]`` is how many values the rows before i hold."""

    name: str
    shape: tuple[int, int]
    ends: np.ndarray
    take: Callable[[int, int], Any]

    def blocks(self) -> Iterator[tuple[int, int, Any]]:
        """Yield (start, stop, rows) from first to last; a single row may be larger than a block."""
        start = 0
        while start < self.shape[0]:
            stop = int(np.searchsorted(self.ends, self.ends[start] + BLOCK_VALUES, side="right")) - 1
            stop = min(max(stop, start + 1), self.shape[0])
            yield start, stop, self.take(start, stop)
            start = stop


@dataclass(frozen=True, kw_only=True)
class Table:
    """``obs`` or ``var``: the names of its rows and columns, and one column on demand."""

    names: pd.Index
    columns: list[str]
    column: Callable[[str], pd.Series]

    def frame(self, columns: list[str]) -> pd.DataFrame:
        """The named columns, each once."""
        found = {name: self.column(name).set_axis(self.names) for name in dict.fromkeys(columns)}
        return pd.DataFrame(found, index=self.names)


@dataclass(frozen=True, kw_only=True)
class Stored:
    """``obs``, each matrix (``X``, ``raw.X``) with the ``var`` of its columns, and what ``uns`` holds."""

    obs: Table
    var: dict[str, Table]
    matrices: dict[str, Matrix]
    uns: Callable[[str], Any]


@contextmanager
def open_stored(path: Path, *, where: str) -> Iterator[Stored]:
    """Open a file; what a reader stumbles over, now or later, is a ``UserError`` beginning with ``where``."""
    with ExitStack() as stack:
        with _reading(where):
            root = stack.enter_context(_root(Path(path)))
            stored = _of_root(root) if "encoding-type" in root.attrs else _of_memory(ad.read_h5ad(path))
        _check(stored, where=where)
        yield _guarded(stored, _reading(where))


@contextmanager
def _reading(where: str) -> Iterator[None]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # old formats and doubled names: what matters is checked here
            yield
    except UserError:
        raise
    except Exception as error:  # noqa: BLE001 - a foreign file can be broken in any way that a reader stumbles over
        raise UserError(
            where,
            found=f"a file that anndata cannot read ({error})",
            expected="an h5ad or a zarr store",
            todo="write it anew",
        ) from None


def _guarded(stored: Stored, reading: ContextDecorator) -> Stored:
    """The same, each later read inside ``reading``; what our own code does in between is not the file's."""

    def table(one: Table) -> Table:
        return replace(one, column=reading(one.column))

    return Stored(
        obs=table(stored.obs),
        var={name: table(var) for name, var in stored.var.items()},
        matrices={name: replace(x, take=reading(x.take)) for name, x in stored.matrices.items()},
        uns=reading(stored.uns),
    )


@contextmanager
def _root(path: Path) -> Iterator[Any]:
    if path.suffix == ZARR:
        import zarr  # comes with anndata; a second to import

        root = zarr.open_group(path, mode="r")
        refuse_linked_store(path, root)
        yield root
        return
    with h5py.File(path, "r") as file:
        refuse_links(file)
        yield file


def _of_root(root: Any) -> Stored:
    places = {"X": ("X", "var"), "raw.X": ("raw/X", "raw/var")}
    there = {
        name: place for name, place in places.items() if place[0] in root and not _is_null(root[place[0]])
    }
    return Stored(
        obs=_table(root["obs"]),
        var={name: _table(root[var]) for name, (_, var) in there.items()},
        matrices={name: _matrix(root[x], name) for name, (x, _) in there.items()},
        uns=lambda key: ad.io.read_elem(root[f"uns/{key}"]) if f"uns/{key}" in root else None,
    )


def _is_null(element: Any) -> bool:
    return element.attrs.get("encoding-type") == "null"


def _of_memory(cells: ad.AnnData) -> Stored:
    held = {"X": (cells.X, cells.var)}
    held |= {} if cells.raw is None else {"raw.X": (cells.raw.X, cells.raw.var)}
    there = {name: pair for name, pair in held.items() if pair[0] is not None}
    return Stored(
        obs=_framed(cells.obs),
        var={name: _framed(var) for name, (_, var) in there.items()},
        matrices={name: _held(matrix, name) for name, (matrix, _) in there.items()},
        uns=lambda key: cells.uns.get(key),
    )


def _table(group: Any) -> Table:
    index = group.attrs["_index"]
    names = pd.Index(ad.io.read_elem(whole(group[index], f"{group.name}/{index}"))).astype(str)
    columns = [str(name) for name in group.attrs["column-order"]]

    def column(name: str) -> pd.Series:
        if (length := _length(group[name])) != len(names):
            raise ValueError(f"{group.name}/{name}: {length} values for {len(names)} names")
        return pd.Series(ad.io.read_elem(group[name]), name=name)

    return Table(names=names, columns=columns, column=column)


def _length(element: Any) -> int:
    """How many values a column has, before any is read."""
    values = next(
        (part for part in ("codes", "values") if hasattr(element, "keys") and part in element), None
    )
    return int((element if values is None else element[values]).shape[0])


def _framed(frame: pd.DataFrame) -> Table:
    return Table(
        names=frame.index.astype(str),
        columns=[str(name) for name in frame.columns],
        column=lambda name: frame[name],
    )


def _matrix(element: Any, name: str) -> Matrix:
    kind = element.attrs.get("encoding-type", "array")
    for part in ("data", "indices", "indptr") if kind in ("csr_matrix", "csc_matrix") else ():
        whole(element[part], f"{name}/{part}")
    if kind == "csr_matrix":
        return _sparse_rows(element, name)
    if kind == "csc_matrix":
        return _held(ad.io.read_elem(element), name)
    n, g = whole(element, name).shape
    return Matrix(name=name, shape=(n, g), ends=np.arange(n + 1) * g, take=lambda a, b: element[a:b])


def _held(matrix: Any, name: str) -> Matrix:
    if sparse.issparse(matrix):
        matrix = sparse.csr_matrix(matrix) if matrix.format != "csr" else matrix
        ends = np.asarray(matrix.indptr, dtype=np.int64)
    else:
        ends = np.arange(matrix.shape[0] + 1, dtype=np.int64) * matrix.shape[1]
    return Matrix(name=name, shape=matrix.shape, ends=ends, take=lambda a, b: matrix[a:b])


def _sparse_rows(group: Any, name: str) -> Matrix:
    n, g = (int(size) for size in group.attrs["shape"])
    ends = np.asarray(group["indptr"][:], dtype=np.int64)
    data, indices = group["data"], group["indices"]
    sound = len(ends) == n + 1 and ends[0] == 0 and (np.diff(ends) >= 0).all()
    if not sound or data.shape != (ends[-1],) or indices.shape != data.shape:
        raise ValueError(f"{name}: the ends of its rows do not fit its values")

    def take(start: int, stop: int) -> sparse.csr_matrix:
        low, high = int(ends[start]), int(ends[stop])
        parts = np.asarray(data[low:high]), np.asarray(indices[low:high]), ends[start : stop + 1] - low
        return sparse.csr_matrix(parts, shape=(stop - start, g))

    return Matrix(name=name, shape=(n, g), ends=ends, take=take)


def _check(stored: Stored, *, where: str) -> None:
    if not stored.matrices:
        raise UserError(where, found="no matrix in X and no raw.X", expected="counts")
    n = len(stored.obs.names)
    if not n:
        raise UserError(where, found="0 cells", expected="one at least")
    for name, matrix in stored.matrices.items():
        wanted = (n, len(stored.var[name].names))
        if tuple(matrix.shape) != wanted:
            raise UserError(
                f"{where}: {name}", found=f"a matrix of {matrix.shape}", expected=f"{wanted}: cells × genes"
            )
    for name, table in (("obs", stored.obs), *((f"var of {x}", var) for x, var in stored.var.items())):
        doubled = pd.Index(table.columns)
        doubled = doubled[doubled.duplicated()]
        if len(doubled):
            raise UserError(
                f"{where}: {name}", found=f"two columns {doubled[0]!r}", expected="each name once"
            )
