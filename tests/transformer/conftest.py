import dataclasses

import anndata
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from recipe_cases import made

from models.transformer.counts import Counts
from models.transformer.data import Corpus
from models.transformer.recipe import load_recipe, recipe_names
from models.transformer.tokenise import specials_of, tokeniser_of
from models.transformer.vocabulary import fit_vocabulary


@pytest.fixture(scope="session")
def as_counts():
    """Dense integers (N, G) → Counts; totals are those of the matrix unless given."""

    def convert(dense, *, totals=None):
        rows, columns = np.nonzero(dense)
        indptr = np.concatenate([[0], np.cumsum(np.count_nonzero(dense, axis=1))])
        totals = dense.sum(1).astype(float) if totals is None else totals
        data = dense[rows, columns].astype(np.float32)
        return Counts(data=data, indices=columns, indptr=indptr, totals=totals)

    return convert


@pytest.fixture(scope="session")
def programmes():
    """Cells of four kinds, each with 10 genes of its own among 40: dense (N, 40), kind (N,)."""

    def draw(cells, *, seed=0):
        rng = np.random.default_rng(seed)
        kind = rng.integers(4, size=cells)
        own = np.arange(40) // 10 == kind[:, None]
        return rng.poisson(np.where(own, 3.0, 0.05)), kind

    return draw


@pytest.fixture(scope="session")
def small_design():
    """Geneformer's tiny size, smaller, with chosen fields of ``Training``."""

    def make(*, length=32, **training):
        design = load_recipe("geneformer").design("tiny")
        train = dataclasses.replace(design.size.training, **({"epochs": 2.0, "batch_cells": 16} | training))
        size = dataclasses.replace(design.size, width=16, heads=2, hidden=32, length=length, training=train)
        return dataclasses.replace(design, size=size)

    return make


@pytest.fixture(scope="session")
def corpus_of(as_counts):
    """Dense integers → Corpus under a vocabulary of their own, or under a given one."""

    def make(dense, design, *, vocabulary=None):
        genes = [f"ENSG{i:011d}" for i in range(dense.shape[1])]
        counts = as_counts(dense)
        if vocabulary is None:
            specials = specials_of(design.tokeniser)
            bins = getattr(design.tokeniser, "bins", 0)
            vocabulary = fit_vocabulary(counts, genes=genes, specials=specials, min_cells=1, bins=bins)
        tokenise = tokeniser_of(design, vocabulary)
        return Corpus(counts=counts, columns=vocabulary.tokens(genes), tokenise=tokenise)

    return make


@pytest.fixture(scope="session")
def cells_of(programmes):
    """The cells of ``programmes`` as an AnnData with donors, lanes and totals."""
    genes = [f"ENSG{i:011d}" for i in range(40)]

    def make(n=240, *, seed=0, donors=8, organism="Homo sapiens"):
        dense, _ = programmes(n, seed=seed)
        obs = pd.DataFrame(
            {
                "batch": [f"lane{i % 3}" for i in range(n)],
                "donor": [f"d{i % donors}" if donors else "" for i in range(n)],
                "organism": organism,
                "total_counts": dense.sum(1).astype(float) + 3,
            },
            index=[f"cell{i}" for i in range(n)],
        )
        cells = anndata.AnnData(
            X=sp.csr_matrix(dense.astype(np.float32)), obs=obs, var=pd.DataFrame(index=genes)
        )
        cells.uns["dataset"] = "toy"
        return cells

    return make


@pytest.fixture(scope="module", params=recipe_names())
def case(request, programmes, corpus_of):
    """Each recipe in turn: a design, a corpus of 60 cells, and an untrained network."""
    return made(request.param, programmes, corpus_of)
