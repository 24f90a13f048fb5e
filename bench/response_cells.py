"""Simulated cells whose truth is known, made worse step by step.

Eight types are the leaves of a binary tree, so that their distances are known; three batches
differ in the sizes of types and lack some of them. All that is random is drawn before any level is
applied: two levels of one seed differ in nothing but the level.
"""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

EDGES = tuple((f"node {i}", f"node {i // 2}") for i in range(2, 16))
TERMS = np.array([f"node {i}" for i in range(8, 16)])
TYPES = np.array([f"type {i}" for i in range(8)])
BATCHES = np.array(["p", "q", "r"])
WIDTH, GENES = 10, 300
STEPS = (
    1.0,
    2.2,
    1.6,
    1.3,
)  # length of a tree's branch at depth 0 to 3; cells scatter by 1 in each dimension
# Cells of each type (column) in each batch (row): common and rare types, some in two batches, one in one.
COMPOSITION = np.array(
    [[70, 45, 0, 30, 30, 0, 25, 0], [50, 0, 50, 25, 20, 20, 15, 20], [40, 35, 30, 0, 35, 40, 20, 0]]
)


@dataclass(frozen=True)
class Cells:
    """An embedding ``Z`` (N, D) of N cells, and all that scores compare it with.

    ``X`` (N, G): log1p counts; ``native`` (N, P): their principal components; the rest (N,).
    """

    Z: Floats
    X: Floats
    native: Floats
    labels: NDArray
    batch: NDArray
    ids: NDArray


def cells(seed: int, *, batch_effect: float = 0.0, mislabelled: float = 0.0, collapsed: float = 0.0) -> Cells:
    """Make cells; each level from 0, nothing wrong, upwards.

    ``batch_effect``: shift of batches within types, in distances of sibling types; the counts hold 1 of it.
    ``mislabelled``: share of cells whose labels are dealt out anew among them.
    ``collapsed``: how far all types are drawn to one point; at 1 the embedding is noise.
    """
    random = np.random.default_rng(seed)
    batch, kind = np.divmod(np.repeat(np.arange(COMPOSITION.size), COMPOSITION.ravel()), len(TYPES))
    centres = _tree(random)
    siblings = np.linalg.norm(centres[::2] - centres[1::2], axis=1).mean()
    shift = siblings * _shifts(random)[batch, kind]
    scatter = random.normal(size=(len(kind), WIDTH))
    X = _counts(random, centres[kind] + shift + scatter)
    order, chance = random.permutation(len(kind)), random.random(len(kind))
    seen = mixed_up(kind, order, chance < mislabelled)
    return Cells(
        Z=(1 - collapsed) * centres[kind] + batch_effect * shift + scatter,
        X=X,
        native=_components(X),
        labels=TYPES[seen],
        batch=BATCHES[batch],
        ids=TERMS[seen],
    )


def mixed_up(values: NDArray, order: Ints, chosen: NDArray[np.bool_]) -> NDArray:
    """Deal the values (N,) of the chosen cells out anew among them, in a given order (N,) of all cells."""
    rows = order[chosen[order]]
    out = values.copy()
    out[np.sort(rows)] = values[rows]
    return out


def _tree(random: Generator) -> Floats:
    """Centres (8, D) of the leaves: each node is a step from its parent, shorter further down."""
    places = np.zeros((16, WIDTH))
    for node in range(2, 16):
        step = random.normal(size=WIDTH)
        places[node] = places[node // 2] + STEPS[node.bit_length() - 1] * 2 * step / np.linalg.norm(step)
    return places[8:]


def _shifts(random: Generator) -> Floats:
    """Shifts (B, T, D) of mean length 1: half of each is shared by the types of a batch."""
    shared = random.normal(size=(len(BATCHES), 1, WIDTH))
    shifts = shared + random.normal(size=(len(BATCHES), len(TYPES), WIDTH))
    shifts -= shifts.mean(axis=0)
    return shifts / np.linalg.norm(shifts, axis=2).mean()


def _counts(random: Generator, places: Floats) -> Floats:
    rates = np.exp(0.25 * places @ random.normal(size=(WIDTH, GENES)) + random.normal(size=GENES))
    depth = random.lognormal(sigma=0.3, size=(len(places), 1)) * 1000
    counts = random.poisson(depth * rates / rates.sum(axis=1, keepdims=True))
    return np.log1p(counts / counts.sum(axis=1, keepdims=True) * 1000)


def _components(X: Floats, count: int = 50) -> Floats:
    left, values, _ = np.linalg.svd(X - X.mean(axis=0), full_matrices=False)
    return left[:, :count] * values[:count]
