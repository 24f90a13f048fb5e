"""One h5ad of somebody else, read with suspicion: its cells, its columns, its matrix of counts."""

import warnings
from dataclasses import dataclass
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
from scipy import sparse

from atlas.catalogue import BARCODE_SUFFIX, Dataset
from atlas.counts import as_csr, check_matrix, is_counts, recovered_counts, verified_counts
from contract.errors import UserError, suggestion


@dataclass(frozen=True, kw_only=True)
class Source:
    """What an entry asks of a file, after its ``where`` filter.

    ``columns`` holds (N,) text, ``None`` where unknown, for each role of ``Dataset.obs``
    (``None`` where the entry names no column). ``counts`` is (N, G) verified CSR, ``totals``
    (N,) float64 of the whole cell (NaN where the source had dropped genes).
    """

    names: np.ndarray
    columns: dict[str, np.ndarray | None]
    counts: sparse.csr_matrix
    totals: np.ndarray
    var: pd.DataFrame
    counts_from: str


def read_source(path: Path, dataset: Dataset, *, where: str) -> Source:
    """Read, filter and verify; every surprise is a ``UserError`` that begins with ``where``."""
    cells = _read_h5ad(path, where=where)
    _check_columns(cells.obs, dataset, where=where)
    kept = _kept(cells.obs, dataset, where=where)
    obs = cells.obs.loc[kept]
    names = obs.index.to_numpy(dtype=object)
    _check_names(names, where=where)
    stored = _stored_totals(obs, dataset, where=where)
    counts, var, counts_from = _counts(cells, kept, dataset, totals=stored, where=where)
    return Source(
        names=names,
        columns={
            role: _role(obs, role, dataset, where=where)
            for role in ("label", "ontology", "batch", "donor", "condition", "assay", "tissue")
        },
        counts=counts,
        totals=_totals(counts, dataset, stored=stored, where=where),
        var=var,
        counts_from=counts_from,
    )


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


def _read_h5ad(path: Path, *, where: str) -> ad.AnnData:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # old formats and doubled names: what matters is checked here
            cells = ad.read_h5ad(path)
    except Exception as error:  # noqa: BLE001 - a foreign file can be broken in any way that a reader stumbles over
        raise UserError(
            where,
            found=f"a file that anndata cannot read ({error})",
            expected="an h5ad",
            todo="write it anew",
        ) from None
    if cells.X is None and cells.raw is None:
        raise UserError(where, found="no matrix in X and no raw.X", expected="counts")
    if not cells.n_obs:
        raise UserError(where, found="0 cells", expected="one at least")
    for name, matrix in (("X", cells.X), ("raw.X", None if cells.raw is None else cells.raw.X)):
        if matrix is not None:
            check_matrix(matrix, where=f"{where}: {name}")
    for name, table in (("obs", cells.obs), ("var", cells.var)):
        doubled = table.columns[table.columns.duplicated()]
        if len(doubled):
            raise UserError(
                f"{where}: {name}", found=f"two columns {doubled[0]!r}", expected="each name once"
            )
    cells.obs.index = cells.obs.index.astype(str)
    return cells


def _check_columns(obs: pd.DataFrame, dataset: Dataset, *, where: str) -> None:
    wanted = {f"obs.{role}": column for role, column in _named_columns(dataset).items()}
    wanted |= {f"where.{column}": column for column in dataset.where}
    if dataset.total_counts.startswith("obs:"):
        wanted["total_counts"] = dataset.total_counts.removeprefix("obs:")
    for role, column in wanted.items():
        if column not in obs.columns:
            known = [str(name) for name in obs.columns]
            raise UserError(
                f"{where}: {role}",
                found=f"no obs column {column!r}",
                expected="a column of the file",
                todo=suggestion(column, known),
            )


def _named_columns(dataset: Dataset) -> dict[str, str]:
    roles = ("label", "ontology", "batch", "donor", "condition", "assay", "tissue")
    named = {role: getattr(dataset.obs, role) for role in roles}
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


def _stored_totals(obs: pd.DataFrame, dataset: Dataset, *, where: str) -> np.ndarray | None:
    if not dataset.total_counts.startswith("obs:"):
        return None
    column = dataset.total_counts.removeprefix("obs:")
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


def _counts(
    cells: ad.AnnData, kept: np.ndarray, dataset: Dataset, *, totals: np.ndarray | None, where: str
) -> tuple[sparse.csr_matrix, pd.DataFrame, str]:
    """Counts of the kept cells, their genes, and which matrix they are: ``X`` or ``raw.X``."""
    raw = None if cells.raw is None else as_csr(cells.raw.X[kept])
    plain = None if cells.X is None else as_csr(cells.X[kept])
    if dataset.counts == "log1p_of_1e4":
        name, matrix = ("X", plain) if raw is None else ("raw.X", raw)
        counts = recovered_counts(matrix, totals=totals, where=f"{where}: {name}")
    else:
        use_raw = raw is not None and (plain is None or (not is_counts(plain) and is_counts(raw)))
        name, matrix = ("raw.X", raw) if use_raw else ("X", plain)
        counts = verified_counts(matrix, where=f"{where}: {name}")
    return counts, (cells.raw.var if name == "raw.X" else cells.var), name
