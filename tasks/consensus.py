"""How far apart cell types lie inside single batches: scGraph's reference, made once a data set."""

from pathlib import Path

import anndata
import numpy as np
from scipy import sparse

from metrics import ScGraphReference, scgraph_reference
from tasks.cells import read_cells

TARGET = 1e4  # counts of a cell after scaling


def read_consensus(folder: Path) -> ScGraphReference:
    """Reference of a prepared data set; Undefined as ``metrics.scgraph_reference`` says.

    Counts are scaled to 10,000 a cell and log1p-transformed; cells without a label or a batch are left out.
    """
    cells = read_cells(folder)
    rows = cells.known("label", "batch")
    counts = sparse.csr_matrix(anndata.read_h5ad(folder / "cells.h5ad").X)[np.flatnonzero(rows)]
    known = cells.take(rows)
    return scgraph_reference(log_normalised(counts), known.batch.astype(str), known.label.astype(str))


def log_normalised(counts: sparse.csr_matrix) -> sparse.csr_matrix:
    """log(1 + 10,000 × share) of counts (N, G); a cell without counts stays at 0."""
    totals = np.asarray(counts.sum(axis=1), dtype=np.float64).ravel()
    scale = np.divide(TARGET, totals, out=np.zeros_like(totals), where=totals > 0)
    return (sparse.diags(scale) @ counts).log1p().tocsr()
