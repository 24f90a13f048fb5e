"""Small h5ad files and catalogue entries, whole by default; each test breaks one thing."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from atlas.catalogue import Dataset, Obs
from atlas.genes import gene_table

B_CELL, T_CELL = "CL:0000236", "CL:0000084"


@pytest.fixture
def cells():
    """24 cells of four donors in two batches, two types, 30 genes; Poisson counts."""
    rng = np.random.default_rng(1)
    n, genes = 24, list(gene_table().ids[:30])
    obs = pd.DataFrame(
        {
            "cell_type": np.where(np.arange(n) % 2, "B cell", "T cell"),
            "term": np.where(np.arange(n) % 2, B_CELL, T_CELL),
            "donor_id": [f"d{i % 4}" for i in range(n)],
            "batch": [f"b{i % 2}" for i in range(n)],
        },
        index=[f"cell{i}" for i in range(n)],
    )
    counts = sparse.csr_matrix(rng.poisson(3.0, (n, len(genes))).astype(np.float32))
    return ad.AnnData(X=counts, obs=obs, var=pd.DataFrame(index=genes))


@pytest.fixture
def save(tmp_path):
    """Write an AnnData below tmp_path and return its path."""

    def write(cells, name="mine.h5ad"):
        cells.write_h5ad(tmp_path / name)
        return tmp_path / name

    return write


@pytest.fixture
def entry():
    """Build a catalogue entry; keywords replace fields, ``columns`` replaces roles of obs."""

    def make(*, columns=None, **fields):
        roles = {"label": "cell_type", "ontology": "term", "donor": "donor_id", "batch": "batch"}
        defaults = {
            "id": "mine",
            "title": "Mine",
            "source": {"kind": "file", "path": "mine.h5ad"},
            "license": "CC0-1.0",
            "citation": "10.1000/mine",
            "organism": "human",
            "gene_ids": "ensembl",
            "total_counts": "matrix",
            "obs": Obs(**{**roles, **(columns or {})}),
            "label_source": "clustering",
            "public_since": "2020",
            "tasks": ("integration",),
            "units": "donor",
        }
        return Dataset(**{**defaults, **fields})

    return make
