"""The truth about the cells of one data set, row by row, as scoring sees it."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd

from contract.errors import UserError
from contract.files import read_array, read_table
from contract.outcome import Outcome

COLUMNS = ("label", "ontology_id", "batch", "unit", "part")


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Cells:
    """N cells: text arrays (N,) of ``object`` with ``None`` where unknown, and PCs of the counts.

    ``unit`` is ``donor:<name>`` or ``batch:<name>``; ``part`` is ``train``, ``test``
    or ``excluded``; ``reference`` is (N, P) float.
    """

    label: np.ndarray
    ontology_id: np.ndarray
    batch: np.ndarray
    unit: np.ndarray
    part: np.ndarray
    reference: np.ndarray

    def __len__(self) -> int:
        return len(self.part)

    def take(self, rows: np.ndarray) -> Self:
        """The cells of a boolean mask (N,) or of ascending rows, in order."""
        return type(self)(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})

    def known(self, *names: str) -> np.ndarray:
        """Boolean mask (N,): cells for which each of the named columns is known."""
        rows = np.ones(len(self), dtype=bool)
        for name in names:
            rows &= np.array([value is not None for value in getattr(self, name)], dtype=bool)
        return rows


def read_cells(folder: Path) -> Cells:
    """Read ``truth.parquet`` and ``reference.npy`` of a prepared data set.

    Raises
    ------
    UserError
        If a file is missing, or the two do not have the same number of cells.
    """
    truth_path, reference_path = Path(folder) / "truth.parquet", Path(folder) / "reference.npy"
    for path in (truth_path, reference_path):
        if not path.is_file():
            raise UserError(str(path), found="no such file", todo="run 'python -m atlas prepare' first")
    truth = read_table(truth_path, columns=COLUMNS)
    reference = read_array(reference_path)
    if len(reference) != len(truth):
        raise UserError(
            str(reference_path),
            found=f"{len(reference)} rows",
            expected=f"{len(truth)}, one for each row of truth.parquet",
            todo="prepare this data set again",
        )
    columns = {name: text(truth[name]) for name in COLUMNS}
    return Cells(reference=reference, **columns | {"batch": _one_batch_if_unknown(columns["batch"])})


def prepared_outcome(folder: Path) -> Outcome:
    """What became of a data set in ``prepare``; a folder without it is a ``UserError``."""
    path = Path(folder) / "outcome.json"
    if not path.is_file():
        raise UserError(str(path), found="no such file", todo="run 'python -m atlas prepare' first")
    return Outcome.read(path)


def text(column: pd.Series) -> np.ndarray:
    """(N,) of ``object``. Unknown is ``None``, however the file says it (null, or empty text)."""
    return np.array([None if pd.isna(v) or v == "" else str(v) for v in column], dtype=object)


def _one_batch_if_unknown(batch: np.ndarray) -> np.ndarray:
    """A data set that tells of no batch is one batch: mixing is undefined there, everything else is not."""
    return np.full(len(batch), "all", dtype=object) if all(value is None for value in batch) else batch
