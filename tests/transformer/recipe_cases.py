"""Recipes made so small that a test takes a moment, each with a corpus and an untrained network."""

import dataclasses

import numpy as np
import torch

from models.transformer import checkpoint
from models.transformer.batch import batch_of
from models.transformer.recipe import load_recipe, recipe_names
from models.transformer.told import give_types

CPU = torch.device("cpu")
TYPES, BATCHES = 4, 3


def names(chosen):
    """Recipes of which ``chosen`` is true."""
    found = [name for name in recipe_names() if chosen(load_recipe(name))]
    assert found
    return found


def shrunk(name):
    """The recipe's tiny size, made so small that a test takes a moment."""
    design = load_recipe(name).design("tiny")
    size = design.size
    patch = 1 if size.patch == 1 else 16 if design.identity.kind == "patch" else 8
    decoder = size.decoder and dataclasses.replace(size.decoder, width=8, heads=2, hidden=16)
    training = dataclasses.replace(size.training, epochs=4.0, batch_cells=16, dropout=0.0)
    size = dataclasses.replace(
        size,
        width=16,
        heads=2,
        hidden=32 if size.hidden else 0,
        length=32,
        vectors=16,
        features=8,
        state=4,
        classes=TYPES,
        batches=BATCHES,
        texts=8,
        patch=patch,
        genes=None,
        decoder=decoder,
        training=training,
    )
    tokeniser = design.tokeniser
    if tokeniser.kind == "sample":
        tokeniser = dataclasses.replace(tokeniser, groups=4, queries=8)
    return dataclasses.replace(design, size=size, tokeniser=tokeniser)


def made(name, programmes, corpus_of):
    """A design, a corpus of 60 cells of four kinds, each with a gene of its own, and an untrained network."""
    design = shrunk(name)
    dense, kind = programmes(60)
    corpus = corpus_of(dense + np.eye(60, 40, dtype=int), design)
    if any(design.told):
        marks = np.stack([kind, np.arange(60) % BATCHES], axis=1)
        marks[:5] = -1
        corpus = dataclasses.replace(corpus, counts=dataclasses.replace(corpus.counts, marks=marks))
    return design, corpus, untrained(design, corpus)


def untrained(design, corpus, *, seed=0):
    vocabulary = corpus.tokenise.vocabulary
    torch.manual_seed(seed)
    network = checkpoint.build(design, vocabulary=len(vocabulary), specials=len(vocabulary.specials))
    if network.types is not None:
        texts = torch.randn(TYPES, 8) if hasattr(network.types, "texts") else None
        tree = torch.eye(TYPES, dtype=torch.bool)
        tree[0, 1] = True
        give_types(network.types, below=tree, levels=3 * torch.eye(TYPES).long() + tree, texts=texts)
    with torch.no_grad():  # large weights, so that a difference shows
        for weight in network.parameters():
            if weight.ndim > 1:
                weight.mul_(5.0)
    return network.eval()


def first_batch(corpus, *, seed=0):
    return batch_of(corpus.tokens(np.arange(12), seed=seed), np.arange(12))
