"""How far apart cell types lie inside single batches: scGraph's reference, made once a data set."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from scipy import sparse

from atlas.blocks import counts_of
from metrics import ScGraphReference, scgraph_reference_of
from tasks.cells import read_cells

TARGET = 1e4  # counts of a cell after scaling


def read_consensus(folder: Path) -> ScGraphReference:
    """Reference of a prepared data set; Undefined as ``metrics.scgraph_reference`` says.

    Counts are scaled to 10,000 a cell and log1p-transformed, a block at a time; cells without a label or
    a batch are left out.
    """
    cells = read_cells(folder)
    rows = cells.known("label", "batch")
    known = cells.take(rows)
    return scgraph_reference_of(
        lambda: _logged(folder / "cells.h5ad", rows), known.batch.astype(str), known.label.astype(str)
    )


def _logged(path: Path, rows: np.ndarray) -> Iterator[sparse.csr_matrix]:
    """Log expression of the cells of a mask (N,), block by block."""
    start = 0
    for counts in counts_of(path):
        chosen = np.flatnonzero(rows[start : start + counts.shape[0]])
        start += counts.shape[0]
        yield log_normalised(counts[chosen])


def log_normalised(counts: sparse.csr_matrix) -> sparse.csr_matrix:
    """log(1 + 10,000 × share) of counts (N, G); a cell without counts stays at 0."""
    totals = np.asarray(counts.sum(axis=1), dtype=np.float64).ravel()
    scale = np.divide(TARGET, totals, out=np.zeros_like(totals), where=totals > 0)
    return (sparse.diags(scale) @ counts).log1p().tocsr()
