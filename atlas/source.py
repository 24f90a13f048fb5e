"""What an entry asks of somebody else's file: its cells, their columns, their counts in blocks."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import sparse

from atlas.catalogue import BARCODE_SUFFIX, Dataset
from atlas.counts import NotCounts, as_csr, check_matrix, recovered_counts, verified_counts
from atlas.stored import Stored
from contract.errors import UserError, suggestion

ROLES = ("label", "ontology", "batch", "donor", "condition", "assay", "tissue", "organism")


@dataclass(frozen=True, kw_only=True)
class Source:
    """The cells that pass the ``where`` filter of an entry.

    ``kept`` is a mask over the rows of the file, ``names`` (N,) text. ``columns`` holds (N,) text,
    ``None`` where unknown, for each role of ``Dataset.obs`` (``None`` where the entry names no
    column). ``stored_totals`` (N,) is the column of totals that the entry names, if any.
    """

    kept: np.ndarray
    names: np.ndarray
    columns: dict[str, np.ndarray | None]
    stored_totals: np.ndarray | None


@dataclass(frozen=True, kw_only=True)
class Block:
    """Some rows of the source: verified CSR counts (n, G), and the totals (n,) of the whole cells.

    A total is NaN where the source had dropped genes.
    """

    counts: sparse.csr_matrix
    totals: np.ndarray


def read_source(stored: Stored, dataset: Dataset, *, where: str) -> Source:
    """Read what the entry names and filter; every surprise is a ``UserError`` that begins with ``where``."""
    table = stored.obs
    named = _named_columns(dataset)
    totals = _totals_column(dataset)
    wanted = {f"obs.{role}": column for role, column in named.items()}
    wanted |= {f"where.{column}": column for column in dataset.where}
    wanted |= {} if totals is None else {"total_counts": totals}
    _check_columns(table.columns, wanted, where=where)
    obs = table.frame(list(wanted.values()))
    kept = _kept(obs, dataset, where=where)
    obs = obs.loc[kept]
    names = obs.index.to_numpy(dtype=object)
    _check_names(names, where=where)
    return Source(
        kept=kept,
        names=names,
        columns={role: _role(obs, role, dataset, where=where) for role in ROLES},
        stored_totals=None if totals is None else _stored_totals(obs, totals, where=where),
    )


def candidates(stored: Stored, dataset: Dataset) -> list[str]:
    """Which matrices may hold the counts, the likeliest first: ``X``, or else ``raw.X``."""
    names = [name for name in ("X", "raw.X") if name in stored.matrices]
    return names[-1:] if dataset.counts == "log1p_of_1e4" else names


def counted_blocks(
    stored: Stored, name: str, source: Source, dataset: Dataset, *, where: str
) -> Iterator[Block]:
    """Yield the counts of the kept cells, every stored value looked at; memory of one block.

    Raises
    ------
    NotCounts
        If a block holds something else: another matrix may hold them.
    UserError
        For a broken matrix, or totals that do not fit.
    """
    place, done, n_values = f"{where}: {name}", 0, 0
    for start, stop, rows in stored.matrices[name].blocks():
        check_matrix(rows, where=place)
        matrix = as_csr(rows[source.kept[start:stop]])
        these = slice(done, done + matrix.shape[0])
        done = these.stop
        totals = None if source.stored_totals is None else source.stored_totals[these]
        if dataset.counts == "log1p_of_1e4":
            counts = recovered_counts(matrix, totals=totals, where=place)
        else:
            counts = verified_counts(matrix, where=place)
        n_values += counts.nnz
        yield Block(counts=counts, totals=_totals(counts, dataset, stored=totals, where=where))
    if not n_values:
        raise NotCounts(place, found="not one value above 0", expected="raw counts", todo="check the file")


def as_text(values: pd.Series) -> np.ndarray:
    """(N,) object array of text; ``None`` for NaN and ``""``; 3.0 reads as ``3``."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        words = np.array([*map(_text, values.cat.categories), None], dtype=object)
        return words[values.cat.codes.to_numpy()]  # the code of NaN is -1: the last word
    return np.array([_text(value) for value in values.astype(object)], dtype=object)


def _text(value: object) -> str | None:
    if pd.isna(value):
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value) or None


def _check_columns(known: list[str], wanted: dict[str, str], *, where: str) -> None:
    for role, column in wanted.items():
        if column not in known:
            raise UserError(
                f"{where}: {role}",
                found=f"no obs column {column!r}",
                expected="a column of the file",
                todo=suggestion(column, known),
            )


def _totals_column(dataset: Dataset) -> str | None:
    return dataset.total_counts.removeprefix("obs:") if dataset.total_counts.startswith("obs:") else None


def _named_columns(dataset: Dataset) -> dict[str, str]:
    named = {role: getattr(dataset.obs, role) for role in ROLES}
    return {
        role: column
        for role, column in named.items()
        if column is not None and (role, column) != ("batch", BARCODE_SUFFIX)
    }


def _kept(obs: pd.DataFrame, dataset: Dataset, *, where: str) -> np.ndarray:
    kept = np.ones(len(obs), dtype=bool)
    for column, wanted in dataset.where.items():
        values = as_text(obs[column])
        for value in wanted:
            if value not in values:
                known = sorted({found for found in values if found is not None})[:20]
                raise UserError(
                    f"{where}: where.{column}",
                    found=f"no cell with {value!r}",
                    expected="a value of that column",
                    todo=suggestion(value, known),
                )
        kept &= np.isin(values, np.array(wanted, dtype=object))
    if not kept.any():
        raise UserError(
            f"{where}: where", found="no cell that passes all conditions", expected="one at least"
        )
    return kept


def _check_names(names: np.ndarray, *, where: str) -> None:
    doubled = pd.Index(names).duplicated()
    if doubled.any():
        raise UserError(
            where,
            found=f"{int(doubled.sum())} cell names that occur before, such as {names[doubled][0]!r}",
            expected="each name once",
            todo="run obs_names_make_unique() on the file, or add the sample to the names",
        )


def _role(obs: pd.DataFrame, role: str, dataset: Dataset, *, where: str) -> np.ndarray | None:
    column = getattr(dataset.obs, role)
    if column is None:
        return None
    if (role, column) == ("batch", BARCODE_SUFFIX):
        return _suffixes(obs.index, where=where)
    values = as_text(obs[column])
    return np.where(np.isin(values, np.array(dataset.missing, dtype=object)), None, values)


def _suffixes(names: pd.Index, *, where: str) -> np.ndarray:
    without = [name for name in names if not name.rpartition("-")[1]]
    if without:
        raise UserError(
            f"{where}: obs.batch",
            found=f"{len(without)} cell names without '-', such as {without[0]!r}",
            expected="barcode_suffix: names such as AAACCTGAGAAACCAT-1",
            todo="name a batch column instead",
        )
    return np.array([name.rpartition("-")[2] for name in names], dtype=object)


def _stored_totals(obs: pd.DataFrame, column: str, *, where: str) -> np.ndarray:
    values = pd.to_numeric(obs[column].astype(object), errors="coerce").to_numpy(dtype=np.float64)
    bad = ~(np.isfinite(values) & (values >= 0))
    if bad.any():
        example = obs[column].to_numpy(dtype=object)[bad][0]
        raise UserError(
            f"{where}: total_counts",
            found=f"{int(bad.sum())} cells whose {column!r} is no number from 0 on, such as {example!r}",
            expected="each cell's total counts",
        )
    return values


def _totals(
    counts: sparse.csr_matrix, dataset: Dataset, *, stored: np.ndarray | None, where: str
) -> np.ndarray:
    if dataset.total_counts == "none":
        return np.full(counts.shape[0], np.nan)
    sums = np.asarray(counts.sum(axis=1, dtype=np.float64)).ravel()
    if stored is None:
        return sums
    short = stored < sums - 0.5
    if short.any():
        raise UserError(
            f"{where}: total_counts",
            found=f"{int(short.sum())} cells whose total lies below the sum of their counts "
            f"({stored[short][0]:g} < {sums[short][0]:g})",
            expected="totals from before any gene was left out",
        )
    return stored
