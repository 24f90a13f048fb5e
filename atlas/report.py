"""Counts of what ``prepare`` did, for the page: ``report.json``."""

from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from atlas.catalogue import Dataset, as_entry


class Tally:
    """Sums over the blocks of a matrix, before and after genes without an id were left out."""

    def __init__(self) -> None:
        self._before = 0.0
        self._sums: list[np.ndarray] = []
        self._genes: list[np.ndarray] = []
        self._totals: list[np.ndarray] = []

    def add(self, *, before: sparse.csr_matrix, after: sparse.csr_matrix, totals: np.ndarray) -> None:
        """Count one block."""
        self._before += float(before.sum(dtype=np.float64))
        self._sums.append(np.asarray(after.sum(axis=1, dtype=np.float64)).ravel())
        self._genes.append(np.diff(after.indptr))
        self._totals.append(totals)

    @property
    def sums(self) -> np.ndarray:
        """(N,) counts of each cell that are left."""
        return np.concatenate(self._sums)

    @property
    def genes(self) -> np.ndarray:
        """(N,) genes above 0 of each cell."""
        return np.concatenate(self._genes)

    @property
    def totals(self) -> np.ndarray:
        """(N,) counts of the whole cells; NaN where unknown."""
        return np.concatenate(self._totals)

    @property
    def dropped_share(self) -> float:
        """Share of the counts that went with genes that have no id."""
        return 1 - float(self.sums.sum()) / self._before


def header(dataset: Dataset, *, sha256: str | None) -> dict[str, Any]:
    """What the entry says."""
    return {
        "dataset": dataset.id,
        "title": dataset.title,
        "citation": dataset.citation,
        "organism": dataset.organism,
        "label_source": dataset.label_source,
        "units": dataset.units,
        "tasks": list(dataset.tasks),
        "totals_known": dataset.total_counts != "none",
        "note": dataset.note,
        "entry": as_entry(dataset),
        "sha256": sha256,
    }


def cell_report(tally: Tally, truth: pd.DataFrame) -> dict[str, Any]:
    """How many cells, types, batches, donors and units there are, and how deep they were sequenced."""
    return {
        "n_cells": len(truth),
        "n_empty_cells": int((tally.sums == 0).sum()),
        "n_labelled": int(truth["label"].notna().sum()),
        "n_unlabelled": int(truth["label"].isna().sum()),
        "types": _counted(truth["label"]),
        "n_batches": truth["batch"].nunique(),
        "n_donors": truth["donor"].nunique(),
        "donors": sorted(truth["donor"].dropna().unique()),
        "n_units": truth["unit"].nunique(),
        "parts": _counted(truth["part"]),
        "units_by_part": {
            part: sorted(rows["unit"].dropna().unique()) for part, rows in truth.groupby("part")
        },
        "split_exists": bool((truth["part"] == "train").any()),
        "median_counts": float(np.median(tally.sums)),
        "median_genes": float(np.median(tally.genes)),
    }


def _counted(values: pd.Series) -> dict[str, int]:
    return {str(name): int(n) for name, n in values.value_counts().sort_index().items()}
