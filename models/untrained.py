"""What training starts from: a corpus with its vocabulary, and a network that knows nothing yet."""

import sys
from typing import Any

import numpy as np
import torch

from models.cells_file import Cells
from models.gene_table import GeneTable
from models.reading import counts_of, datasets_of, organisms_of
from models.telling import Told
from models.transformer import checkpoint
from models.transformer.data import Corpus
from models.transformer.gene_vectors import codetection, give_vectors
from models.transformer.objectives import Network
from models.transformer.recipe import Design
from models.transformer.tokenise import specials_of, tokeniser_of
from models.transformer.told import give_types
from models.transformer.vocabulary import Vocabulary, fit_vocabulary


def read_corpus(
    train: Cells, *, design: Design, table: GeneTable | None
) -> tuple[Corpus, Vocabulary, dict[str, Any]]:
    """The corpus with its vocabulary (of genes that the table, if any, knows), and facts about it."""
    counts, genes = counts_of(train), list(train.var_names)
    vocabulary = fit_vocabulary(
        counts,
        genes=genes,
        specials=specials_of(design.tokeniser),
        min_cells=design.tokeniser.min_cells,
        most=design.size.genes,
        bins=getattr(design.tokeniser, "bins", 0),
        first=train.var["in_all"].to_numpy(dtype=bool) if "in_all" in train.var else None,
        allowed=None if table is None else train.var_names.isin(table.genes),
    )
    tokenise = tokeniser_of(design, vocabulary)
    corpus = Corpus(counts=counts, columns=vocabulary.tokens(genes), tokenise=tokenise)
    expressed = corpus.expressed()
    cut = design.tokeniser.kind in ("rank", "set")
    facts = {
        "organisms": sorted(organisms_of(train)),
        "datasets": datasets_of(train),
        "cells": train.n_obs,
        "cells_without_total": int((~np.isfinite(corpus.totals())).sum()),
        "cells_without_gene": int((expressed == 0).sum()),
        "cells_cut": int((expressed > tokenise.room()).sum()) if cut else 0,
        "genes": len(vocabulary.genes),
        "gene_vectors": None if table is None else {"name": table.name, "sha256": table.sha256},
    }
    for key in ("cells_without_total", "cells_without_gene"):
        if facts[key]:
            print(f"corpus: {facts[key]} of {train.n_obs} {key.replace('_', ' ')}", file=sys.stderr)
    return corpus, vocabulary, facts


def untrained(
    design: Design, corpus: Corpus, *, seed: int, table: GeneTable | None, told: Told | None
) -> Network:
    """Weights by the seed alone; with frozen gene vectors of the table or the corpus, and what is told."""
    vocabulary = corpus.tokenise.vocabulary
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = checkpoint.build(design, vocabulary=len(vocabulary), specials=len(vocabulary.specials))
    if table is not None:
        row = {gene: i for i, gene in enumerate(table.genes)}
        give_vectors(network, torch.from_numpy(table.vectors[[row[gene] for gene in vocabulary.genes]]))
    elif design.identity.kind in ("frozen", "fused"):
        width = design.size.vectors
        vectors = codetection(corpus.counts, corpus.columns, vocabulary=vocabulary, width=width)
        give_vectors(network, vectors)
    if told is not None:
        _give(network, told)
    return network


def _give(network: Network, told: Told) -> None:
    """Let an untrained network know what is told of types; without a type, there is nothing to know."""
    if network.types is not None and told.types:
        texts = None if told.texts is None else torch.from_numpy(told.texts)
        below, levels = torch.from_numpy(told.below), torch.from_numpy(told.levels)
        give_types(network.types, below=below, levels=levels, texts=texts)
